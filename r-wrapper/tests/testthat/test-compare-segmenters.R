# foundation_compare_segmenters(), and what R draws of it. Patches of 4 x 4: the network from scratch halves.

small_x <- soil_x[, , 1:4, 1:4]
small_masks <- as_codes(holed[, 1:4, 1:4])

quick_comparison <- function(..., x = small_x, masks = small_masks, epochs = 1, n_boot = 10, seed = 2) {
  foundation_compare_segmenters(
    soil_encoder(), x, masks, ...,
    epochs = epochs, n_boot = n_boot, seed = seed
  )
}

regimes <- function() {
  if (is.null(made$regimes)) made$regimes <- quick_comparison()
  made$regimes
}

test_that("the regimes stand beside each other, scored on the same rows", {
  skip_if_no_python()
  found <- regimes()
  expect_s3_class(found, c("edaphosbridge_segmenter_comparison", "edaphosbridge_result"), exact = TRUE)
  names <- c("frozen", "finetune", "from_scratch")
  expect_named(found$fits, names)
  expect_named(found$interpretations, names)
  expect_named(found$predicted, names)
  for (name in names) {
    fit <- found$fits[[name]]
    expect_s3_class(fit, "edaphosbridge_segmenter")
    expect_identical(fit$regime, name)
    expect_identical(fit$classes, wetness)
    scores <- found$scores[found$scores$model == name, ]
    own <- found$interpretations[[name]]$scores
    expect_identical(scores$estimate, own$estimate)
    dry <- scores$estimate[scores$metric == "iou" & scores$class %in% "dry"]
    expect_close(dry, fit$val_iou_history[[1]], 1e-9)
    predicted <- predict(fit, found$patches)
    expect_identical(found$predicted[[name]], predicted)
  }
  expect_identical(dim(found$masks), c(4L, 4L, 4L))
  expect_identical(attr(found$masks, "levels"), wetness)
  lines <- format(found)
  expect_identical(lines[[1]], "<edaphos_segmenter_comparison>")
  expect_identical(sub("^  (\\w+) .*", "\\1", lines[4:6]), names)
  expect_identical(as.data.frame(found), found$scores)
  expect_identical(generics::tidy(found), found$scores)
})

test_that("models have settings of their own, over those of all", {
  skip_if_no_python()
  found <- quick_comparison(
    models = list(probe = list(), "U-Net" = list(regime = "finetune", decoder = "unet", epochs = 2)),
    decoder = "linear"
  )
  expect_named(found$fits, c("probe", "U-Net"))
  expect_identical(found$fits$probe$head_type, "linear")
  expect_identical(found$fits[["U-Net"]]$head_type, "unet")
  expect_length(found$fits[["U-Net"]]$loss_history, 2)
  alone <- foundation_compare_segmenters(
    NULL, small_x, small_masks, models = "from_scratch", epochs = 1, n_boot = 10, seed = 2
  )
  expect_identical(alone$fits$from_scratch$state, regimes()$fits$from_scratch$state)
})

test_that("groups are held out and drawn whole, and a test is scored where it is given", {
  skip_if_no_python()
  found <- quick_comparison(models = "frozen", groups = rep(1:8, 6), val_split = 0.25)
  expect_identical(found$interpretations$frozen$units, "groups")
  expect_identical(found$fits$frozen$config$split$n_validation, 12L)
  by_hand <- foundation_fit_segmenter(
    soil_encoder(), small_x, small_masks, groups = rep(1:8, 6), val_split = 0.25, epochs = 1, seed = 2
  )
  expect_identical(found$fits$frozen, by_hand)
  test <- list(x = small_x[41:48, , , ], masks = structure(small_masks[41:48, , ], levels = wetness))
  train <- structure(small_masks[1:40, , ], levels = wetness)
  found <- quick_comparison(
    models = "frozen", x = small_x[1:40, , , ], masks = train, test = test, patience = 1
  )
  expect_identical(found$interpretations$frozen$n_units, 8L)
  expected <- foundation_interpret(
    found$fits$frozen, test$x, test$masks, n_boot = 10, seed = 2, n_pictures = 0
  )
  expect_identical(found$interpretations$frozen$scores, expected$scores)
})

test_that("it survives saveRDS(), and comes from set.seed() where there is no seed", {
  skip_if_no_python()
  file <- withr::local_tempfile(fileext = ".rds")
  saveRDS(regimes(), file)
  found <- in_fresh_r(function(file) {
    library(edaphosbridge)
    saved <- readRDS(file)
    list(printed = format(saved), predicted = predict(saved$fits$finetune, saved$patches))
  }, list(file))
  expect_identical(found$printed, format(regimes()))
  expect_identical(found$predicted, regimes()$predicted$finetune)
  drawn <- withr::with_seed(3, quick_comparison(models = "frozen", seed = NULL))
  expect_identical(withr::with_seed(3, quick_comparison(models = "frozen", seed = NULL)), drawn)
})

test_that("progress tells of each fit", {
  skip_if_no_python()
  said <- character()
  withCallingHandlers(
    quick_comparison(verbose = TRUE, models = c("frozen", "finetune")),
    message = function(m) {
      said <<- c(said, conditionMessage(m))
      invokeRestart("muffleMessage")
    }
  )
  expect_length(said, 2)
  expect_match(said, "^\\[segmenter\\] ep   1/1  loss=")
})

test_that("plots draw scores of classes and masks beside truth", {
  skip_if_no_python()
  found <- regimes()
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  expect_identical(plot(found), found)
  expect_identical(plot(found, "masks", k = 2), found)
  expect_identical(graphics::par("mfrow"), c(1L, 1L))
  scores <- ggplot2::autoplot(found, metric = "dice")
  expect_identical(levels(scores$data$of), c(wetness, "all"))
  expected <- found$scores[found$scores$metric == "dice", ]
  expect_identical(scores$data$estimate, expected$estimate)
  drawn <- ggplot2::ggplot_build(ggplot2::autoplot(found, "masks", k = 2))
  expect_identical(nlevels(drawn$data[[1]]$PANEL), 10L) # two patches: picture, truth, three models
  refused <- function(code, argument, says, of = "plot.edaphosbridge_segmenter_comparison") {
    expect_refused(code, argument, says, of = of)
  }
  refused(plot(found, "loss"), "which", "\"scores\" or \"masks\"")
  refused(plot(found, metric = "kappa"), "metric", "\"iou\"")
  refused(plot(found, "masks", k = 5), "k", "at most 4")
  refused(plot(found, "masks", bands = 9), "bands", "1 to 4")
})

test_that("bad input is refused before any fit, and leaves R's generator alone", {
  skip_if_no_python()
  refused <- function(argument, says, ...) {
    expect_refused(
      quick_comparison(..., seed = NULL), argument, says,
      of = "foundation_compare_segmenters"
    )
  }
  refused("models", "must be one of 'frozen', 'finetune', 'from_scratch'; found 'probe'", models = "probe")
  refused("models", "must be regimes", models = list())
  refused("models", "must be regimes", models = list(a = 3))
  refused("models", "names 'a' twice", models = list(a = list(), a = list()))
  refused("epoch", "is no setting of a model", models = list(a = list(epoch = 2)))
  refused("folds", "is no setting of a model", models = list(a = list(folds = 1)))
  refused("epochs", "found 0", models = list(a = list(), b = list(epochs = 0)))
  refused("epoch", "Did you mean `epochs`?", epoch = 2)
  refused("test", "must be a list with `x` and `masks`", test = 3)
  refused("test", "found 'ice'", test = list(x = small_x, masks = array("ice", c(48, 4, 4))))
  refused("masks", "c(48, 4, 3)", masks = small_masks[, , 1:3])
  refused("patience", "Give `test`", patience = 2)
  refused("val_split", "leaves no row to score", val_split = 0)
  refused("n_boot", "found -1", n_boot = -1)
  refused("n_pictures", "found 0", n_pictures = 0)
  refused("decoder", "5 x 5 of a patch", x = soil_x, masks = soil_masks, models = "from_scratch")
  expect_refused(
    foundation_compare_segmenters(NULL, small_x, small_masks), "encoder", "found NULL",
    of = "foundation_compare_segmenters"
  )
})
