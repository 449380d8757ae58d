# foundation_fit_segmenter() and what R does with its fits.

# --- the fit -------------------------------------------------------------------------------

test_that("a fit is of its classes and has what it learnt from and how it went", {
  skip_if_no_python()
  fit <- quick_segmenter(as_codes(holed))
  expect_s3_class(
    fit, c("edaphosbridge_segmenter", "edaphosbridge_fit", "edaphos_foundation_segmenter"),
    exact = TRUE
  )
  expect_identical(fit$classes, wetness)
  counts <- table(factor(holed, wetness))
  expect_identical(fit$pixel_counts, c(wet = counts[["wet"]], dry = counts[["dry"]]) + 0)
  expect_identical(
    fit[c("regime", "loss_fn", "head_type", "n_patches", "patch_size")],
    list(
      regime = "frozen", loss_fn = "cross_entropy", head_type = "clay", n_patches = 48L,
      patch_size = c(5L, 5L)
    )
  )
  expect_identical(
    fit$config[c("decoder", "loss", "threshold", "epochs")],
    list(decoder = "clay", loss = "cross_entropy", threshold = 0.5, epochs = 2L)
  )
  expect_false(any(c("head", "hidden", "dropout") %in% names(fit$config)))
  expect_length(fit$val_iou_history, 2)
  expect_true(all(fit$val_iou_history >= 0 & fit$val_iou_history <= 1))
  expect_identical(quick_segmenter(val_split = 0)$val_iou_history, rep(NA_real_, 2))
})

test_that("it is Python's fit of the same masks", {
  skip_if_no_python()
  python <- reticulate::import("edaphos_bridge", convert = FALSE)
  numpy <- reticulate::import("numpy", convert = FALSE)
  encoder <- python$foundation_encoder("simclr", 4L, seed = 1L)
  text <- numpy$array(reticulate::r_to_py(soil_masks), dtype = "object")
  for (how in list(
    list(), list(regime = "finetune", decoder = "unet", class_weight = "balanced"),
    list(decoder = "linear", loss = "focal", gamma = 1.5, threshold = 0.4)
  )) {
    arguments <- list(encoder, numpy$asarray(soil_x), text, classes = as.list(wetness), epochs = 2L, seed = 5L)
    theirs <- do.call(python$foundation_fit_segmenter, c(arguments, how))
    bytes <- reticulate::import_builtins()$bytearray(theirs$to_bytes())
    expect_identical(do.call(quick_segmenter, how)$state, bytes)
  }
})

test_that("masks may be text, logical values, whole numbers, codes with levels or factors", {
  skip_if_no_python()
  expected <- quick_segmenter(soil_masks)
  expect_identical(expected$classes, c("dry", "wet"))
  sorted <- as_codes(soil_masks, c("dry", "wet"))
  expect_identical(quick_segmenter(sorted)$state, expected$state)
  expect_identical(quick_segmenter(sorted + 0)$state, expected$state)
  expect_identical(quick_segmenter(structure(sorted, class = "factor"))$state, expected$state)
  with_na <- addNA(structure(as_codes(holed, c("dry", "wet")), class = "factor"))
  expect_identical(
    quick_segmenter(structure(with_na, dim = dim(holed)))$state, quick_segmenter(holed)$state
  )
  flags <- quick_segmenter(soil_masks == "wet")
  expect_identical(flags$classes, c("FALSE", "TRUE"))
  expect_identical(flags$loss_history, expected$loss_history)
  expect_identical(levels(predict(flags, soil_x)), c("FALSE", "TRUE"))
  accuracy <- function(masks) foundation_interpret(flags, soil_x, masks, n_boot = 0)$scores$estimate[[1]]
  right <- mean((predict(flags, soil_x) == 2L) == (soil_masks == "wet"))
  expect_identical(accuracy(soil_masks == "wet"), right)
  expect_identical(accuracy(array(as.character(soil_masks == "wet"), dim(soil_masks))), right)
  expect_identical(accuracy(predict(flags, soil_x)), 1)
  numbers <- unclass(sorted)
  attr(numbers, "levels") <- NULL
  whole <- quick_segmenter(numbers)
  expect_identical(whole$classes, c("1", "2"))
  expect_identical(whole$loss_history, expected$loss_history)
  expect_identical(quick_segmenter(numbers + 0)$state, whole$state)
  named <- quick_segmenter(numbers - 1L, classes = c("dry", "wet"))
  expect_identical(named$state, expected$state)
})

test_that("the order of levels and of `classes` is that of the fit, also of classes that do not occur", {
  skip_if_no_python()
  three <- c("ice", "wet", "dry")
  fit <- quick_segmenter(as_codes(soil_masks, three))
  expect_identical(fit$classes, three)
  expect_identical(fit$pixel_counts[["ice"]], 0)
  expect_identical(quick_segmenter(soil_masks, classes = three)$state, fit$state)
  expect_identical(quick_segmenter(as_codes(soil_masks), classes = three)$state, fit$state)
  prob <- predict(fit, patches(1:2), type = "prob")
  expect_identical(dimnames(prob), list(NULL, three, NULL, NULL))
  numbers <- 10 * as_codes(soil_masks, wetness)
  attr(numbers, "levels") <- NULL
  expect_identical(quick_segmenter(numbers, classes = c(20, 10))$classes, c("20", "10"))
})

test_that("NA and `unlabelled` leave loss and counts", {
  skip_if_no_python()
  fit <- quick_segmenter(holed)
  expect_identical(sum(fit$pixel_counts), 300)
  said <- replace(holed, is.na(holed), "none")
  other <- quick_segmenter(said, unlabelled = "none")
  expect_identical(other$classes, fit$classes)
  expect_identical(other$loss_history, fit$loss_history)
  numbers <- structure(match(holed, wetness), dim = dim(holed))
  of_numbers <- quick_segmenter(numbers)
  expect_identical(quick_segmenter(numbers, unlabelled = NA)$state, of_numbers$state)
  for (value in list(255, -9999L)) {
    said <- quick_segmenter(replace(numbers, is.na(numbers), value), unlabelled = value)
    expect_identical(said$loss_history, of_numbers$loss_history)
  }
  # what lies in cells that are not labelled does not matter, where no other cell sees it
  logical <- quick_segmenter(holed == "wet")
  expect_identical(logical$pixel_counts, structure(fit$pixel_counts, names = c("FALSE", "TRUE")))
})

# --- predictions ---------------------------------------------------------------------------

test_that("classes are codes with levels, from the probabilities at the threshold", {
  skip_if_no_python()
  fit <- wet_fit()
  prob <- predict(fit, soil_x, type = "prob")
  expect_identical(dim(prob), c(48L, 2L, 5L, 5L))
  expect_identical(dimnames(prob), list(NULL, wetness, NULL, NULL))
  expect_close(prob[, "wet", , ] + prob[, "dry", , ], array(1, c(48, 5, 5)), 1e-12)
  predicted <- predict(fit, soil_x)
  expect_type(predicted, "integer")
  expect_identical(attributes(predicted), list(dim = c(48L, 5L, 5L), levels = wetness))
  expect_identical(as.vector(predicted), ifelse(as.vector(prob[, "dry", , ]) >= 0.5, 2L, 1L))
  expect_gt(mean(levels(predicted)[predicted] == soil_masks), 0.8)
  expect_identical(predict(fit, newdata = soil_x, type = "class"), predicted)
  expect_identical(dim(predict(fit, patches(1))), c(1L, 5L, 5L))
  expect_identical(dim(predict(fit, patches(0), type = "prob")), c(0L, 2L, 5L, 5L))
  strict <- quick_segmenter(epochs = 30, lr = 0.02, threshold = 0.9)
  expect_identical(as.vector(predict(strict, soil_x) == 2L), as.vector(prob[, "dry", , ]) >= 0.9)
})

test_that("what is predicted may be learnt", {
  skip_if_no_python()
  predicted <- predict(wet_fit(), soil_x)
  again <- quick_segmenter(predicted)
  expect_identical(again$classes, wetness)
  expect_identical(
    again$state, quick_segmenter(array(levels(predicted)[predicted], dim(predicted)), classes = wetness)$state
  )
})

test_that("patches may be of another size", {
  skip_if_no_python()
  larger <- array(stats::rnorm(2 * 4 * 7 * 9), c(2, 4, 7, 9))
  expect_identical(dim(predict(wet_fit(), larger)), c(2L, 7L, 9L))
})

# --- what stands on every fit --------------------------------------------------------------

test_that("printing, summary, tidiers and plots speak of cells and of intersection over union", {
  skip_if_no_python()
  fit <- wet_fit()
  counts <- fit$pixel_counts
  expect_identical(format(fit)[1:2], c(
    "<edaphos_foundation_segmenter>",
    sprintf("  classes:       wet (%d), dry (%d)", counts[["wet"]], counts[["dry"]])
  ))
  summary <- summary(fit)
  expect_s3_class(summary, "summary.edaphosbridge_segmenter")
  expect_identical(summary[c("n", "pixel_counts")], list(n = 48L, pixel_counts = counts))
  expect_identical(summary$best_val_iou, max(fit$val_iou_history))
  lines <- format(summary)
  expect_identical(lines[[1]], "Segmenter of 2 classes: frozen backbone")
  expect_identical(lines[[3]], "  decoder:   clay")
  expect_identical(lines[[5]], sprintf("    wet  %d", counts[["wet"]]))
  expect_match(lines[[9]], sprintf("val_iou:   %.3f", max(fit$val_iou_history)))
  expect_named(generics::tidy(fit), c("epoch", "loss", "val_iou"))
  glance <- generics::glance(fit)
  expect_identical(glance[c("nobs", "n_classes", "head")], data.frame(nobs = 48L, n_classes = 2L, head = "clay"))
  expect_identical(course_labels(fit), c(loss = "cross-entropy", val_iou = "validation IoU"))
  expect_identical(course_labels(quick_segmenter(loss = "dice"))[["loss"]], "Dice loss")
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  expect_identical(plot(fit), fit)
  expect_s3_class(ggplot2::autoplot(fit), "ggplot")
  many <- summary
  many$pixel_counts <- c(wet = 100000, dry = 3e9)
  expect_identical(format(many)[5:6], c("    wet      100000", "    dry  3000000000"))
})

test_that("progress speaks of intersection over union", {
  skip_if_no_python()
  said <- character()
  withCallingHandlers(
    fit <- quick_segmenter(verbose = TRUE),
    message = function(m) {
      said <<- c(said, conditionMessage(m))
      invokeRestart("muffleMessage")
    }
  )
  expect_match(said[[1]], "[segmenter] ep   1/2  loss=", fixed = TRUE)
  expect_match(said[[2]], sprintf("val_iou=%.3f", fit$val_iou_history[[2]]), fixed = TRUE)
})

test_that("update() with nothing changed repeats a fit, of whatever masks", {
  skip_if_no_python()
  fits <- list(
    list(as_codes(soil_masks, c("wet", "ice", "dry")), loss = "focal", gamma = 1),
    list(holed, decoder = "linear", threshold = 0.3, class_weight = c(dry = 1, wet = 2)),
    list(1 * (soil_masks == "wet"), unlabelled = 7),
    list(soil_masks == "wet", decoder = "unet")
  )
  for (how in fits) {
    fit <- do.call(quick_segmenter, how)
    expect_identical(update(fit, soil_x, how[[1]]), fit)
  }
  expect_identical(update(fit, soil_x, soil_masks == "wet", epochs = 1)$config$epochs, 1L)
  expect_identical(update(fit, soil_x, soil_masks == "wet", regime = "finetune")$regime, "finetune")
  expect_refused(update(fit, soil_x), "masks", "are needed", of = "foundation_fit_segmenter")
  expect_refused(update(fit, soil_x, y = 1), "y", "is no argument of update()", of = "update")
})

test_that("a fit survives saveRDS() into a fresh process", {
  skip_if_no_python()
  fit <- quick_segmenter(regime = "finetune", decoder = "unet")
  file <- withr::local_tempfile(fileext = ".rds")
  saveRDS(list(fit = fit, x = soil_x), file)
  found <- in_fresh_r(function(file) {
    library(edaphosbridge)
    saved <- readRDS(file)
    list(printed = format(saved$fit), predicted = predict(saved$fit, saved$x))
  }, list(file))
  expect_identical(found$printed, format(fit))
  expect_identical(found$predicted, predict(fit, soil_x))
})

test_that("elements that are part of the state cannot be assigned", {
  skip_if_no_python()
  fit <- wet_fit()
  expect_type(fit$state, "raw")
  for (name in c("classes", "regime", "loss_fn", "encoder")) {
    condition <- expect_error(fit[[name]] <- "other", class = "edaphosbridge_input_error")
    expect_identical(condition$argument, name)
    expect_match(conditionMessage(condition), "foundation_fit_segmenter()", fixed = TRUE)
  }
})

# --- regimes and decoders ------------------------------------------------------------------

test_that("the network from scratch needs no encoder, and is one to look at", {
  skip_if_no_python()
  x <- array(rep(soil_x[, , 1:4, 1:4], 1), c(48, 4, 4, 4))
  masks <- as_codes(soil_masks[, 1:4, 1:4])
  fit <- foundation_fit_segmenter(NULL, x, masks, regime = "from_scratch", epochs = 2, seed = 5)
  expect_identical(fit$regime, "from_scratch")
  expect_match(format(summary(fit))[[1]], "from scratch")
  expect_identical(format(fit$encoder), "<edaphosbridge_encoder> from_scratch: 4 channels -> 64 features")
  expect_identical(dim(predict(fit, x)), dim(masks))
  expect_identical(update(fit, x, masks), fit)
  with_encoder <- foundation_fit_segmenter(
    soil_encoder(), x, masks, regime = "from_scratch", epochs = 2, seed = 5
  )
  expect_identical(with_encoder$state, fit$state)
})

test_that("a decoder may be a module of the user's own", {
  skip_if_no_python()
  python_module()
  reticulate::py_run_string("
import torch

class Decoder(torch.nn.Module):
    def __init__(self, width, n_outputs):
        super().__init__()
        self.layer = torch.nn.Conv2d(width, n_outputs, 1)

    def forward(self, x):
        return self.layer(x)
")
  width <- soil_encoder()$feature_dim
  module <- reticulate::py$Decoder(as.integer(width), 1L)
  fit <- quick_segmenter(decoder = module)
  expect_identical(fit$head_type, "custom")
  expect_identical(dim(predict(fit, soil_x)), dim(soil_masks))
  expect_identical(update(fit, soil_x, as_codes(soil_masks), epochs = 1)$head_type, "custom")
  made_here <- quick_segmenter(decoder = reticulate::py$Decoder)
  expect_identical(made_here$head_type, "custom")
})

test_that("recipes and the rate finder go on from a segmenter", {
  skip_if_no_python()
  fit <- wet_fit()
  tuned <- foundation_finetune_classifier(fit, soil_x, soil_masks, epochs = 1, seed = 1)
  expect_s3_class(tuned, "edaphosbridge_segmenter")
  expect_identical(tuned$classes, wetness)
  expect_identical(tuned$config$recipe, "lp_ft")
  expect_null(tuned$config$hidden)
  by_codes <- foundation_finetune_classifier(
    fit, soil_x, as_codes(soil_masks, c("dry", "wet")), epochs = 1, seed = 1
  )
  expect_identical(by_codes$state, tuned$state)
  fastai <- foundation_fine_tune(fit, soil_x, soil_masks, epochs = 1, seed = 1)
  expect_length(fastai$val_iou_history, 2)
  expect_refused(
    update(fastai, soil_x, soil_masks), "object", "foundation_fine_tune()",
    of = "update.edaphosbridge_segmenter"
  )
  found <- foundation_lr_find(fit, soil_x, soil_masks, num_it = 5, seed = 1)
  expect_named(found$table, c("lr", "loss", "smoothed"))
  expect_refused(
    foundation_finetune_classifier(fit, soil_x, replace(soil_masks, 3, "ice")), "y",
    c("among wet, dry", "first: 3; counted from 1", "found 'ice'"),
    of = "foundation_finetune_classifier"
  )
})

test_that("an ensemble predicts arrays with the names of classes", {
  skip_if_no_python()
  ensemble <- foundation_finetune_ensemble(
    soil_encoder(), soil_x, as_codes(soil_masks), "segmentation", K_ens = 2, epochs = 2
  )
  expect_identical(ensemble$task, "segmentation")
  of_member <- lapply(ensemble$members, predict, patches(1:3), type = "prob")
  found <- predict(ensemble, patches(1:3))
  expect_identical(dimnames(found), list(NULL, NULL, wetness, NULL, NULL))
  expect_identical(found[2, , , , ], of_member[[2]])
  mean <- predict(ensemble, patches(1:3), type = "mean")
  expect_close(mean, (of_member[[1]] + of_member[[2]]) / 2, 1e-12)
  expect_identical(dimnames(predict(ensemble, patches(1:3), type = "sd")), list(NULL, wetness, NULL, NULL))
  expect_named(generics::tidy(ensemble), c("member", "epoch", "loss", "val_iou"))
  expect_identical(generics::glance(ensemble)$task, "segmentation")
})

test_that("draws of dropout have a dimension of classes", {
  skip_if_no_python()
  reticulate::py_run_string("
import torch

def dropping(width, n_outputs):
    return torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Conv2d(width, n_outputs, 1))
")
  fit <- quick_segmenter(decoder = reticulate::py$dropping)
  draws <- foundation_mcdropout_predict(fit, patches(1:3), n_draws = 4, seed = 1)
  expect_identical(dim(draws), c(4L, 3L, 2L, 5L, 5L))
  expect_identical(dimnames(draws)[[3]], wetness)
})

test_that("folds of masks give the share that is right, and probabilities of cells", {
  skip_if_no_python()
  fold <- rep(1:3, 16)
  result <- foundation_cross_validate(
    foundation_fit_segmenter, soil_encoder(), soil_x, as_codes(holed), folds = fold, epochs = 2, seed = 5
  )
  expect_identical(result$task, "segmentation")
  expect_named(result$table, c("fold", "n_train", "n_test", "iou", "pixel_accuracy"))
  expect_identical(dim(result$predictions), c(48L, 2L, 5L, 5L))
  expect_identical(dimnames(result$predictions)[[2]], wetness)
  of_first <- quick_segmenter(as_codes(holed), folds = fold, fold = 1)
  rows <- fold == 1
  expect_identical(result$predictions[rows, , , ], predict(of_first, soil_x[rows, , , ], type = "prob"))
  right <- as_codes(holed)[rows, , ] == predict(of_first, soil_x[rows, , , ])
  expect_close(result$table$pixel_accuracy[[1]], mean(right, na.rm = TRUE), 1e-12)
  tuned <- foundation_cross_validate(
    foundation_finetune_classifier, wet_fit(), soil_x, holed, k = 2, epochs = 1, seed = 1
  )
  expect_identical(tuned$columns, wetness)
})

test_that("the masks of a tile dataset need not be given, whatever learns or judges", {
  skip_if_no_python()
  cover <- terra::as.int(soil_stack()[[1]] > 0)
  levels(cover) <- data.frame(ID = 0:1, cover = c("dry", "wet"))
  tiles <- soil_tiles(labels = cover, patch_size = 4, n_patches = 20)
  encoder <- foundation_encoder("moco", in_channels = 3, seed = 1)
  few <- list(epochs = 1, seed = 1)
  run <- function(verb, start, ...) suppressMessages(do.call(verb, c(list(start, tiles), few, list(...))))
  fit <- run(foundation_fit_segmenter, encoder, val_split = 0)
  expect_identical(fit$classes, c("dry", "wet"))
  expect_identical(suppressMessages(update(fit, tiles)), fit)
  expect_identical(foundation_interpret(fit, tiles, n_boot = 0)$kind, "segmentation")
  expect_s3_class(run(foundation_finetune_classifier, fit), "edaphosbridge_segmenter")
  ensemble <- suppressMessages(
    foundation_finetune_ensemble(encoder, tiles, task = "segmentation", K_ens = 2, epochs = 1)
  )
  expect_identical(ensemble$task, "segmentation")
  folds <- foundation_cross_validate(foundation_fit_segmenter, encoder, tiles, k = 2, epochs = 1, seed = 1)
  expect_identical(dim(folds$predictions), c(20L, 2L, 4L, 4L))
  found <- run(foundation_compare_segmenters, encoder, models = "frozen", test = list(x = tiles), n_boot = 0)
  expect_identical(found$interpretations$frozen$n_units, 20L)
  says <- "only a tile data set that was made with `labels` has its own"
  refused <- function(code, of) expect_refused(code, "y", says, of = of)
  x <- array(0, c(20, 3, 4, 4))
  refused(foundation_interpret(fit, x), "foundation_interpret")
  refused(foundation_finetune_classifier(fit, x), "foundation_finetune_classifier")
  refused(
    foundation_finetune_ensemble(encoder, x, task = "segmentation"), "foundation_finetune_ensemble"
  )
  refused(
    foundation_cross_validate(foundation_fit_segmenter, encoder, x), "foundation_cross_validate"
  )
})

# --- what is refused -----------------------------------------------------------------------

test_that("bad masks are refused before any work", {
  skip_if_no_python()
  refused <- function(masks, ...) {
    expect_refused(quick_segmenter(masks), "masks", c(...), of = "foundation_fit_segmenter")
  }
  refused(soil_masks[, , 1:4], "5 x 5 cells for each of the 48 patches of `x`", "c(48, 5, 4)")
  refused(soil_masks[-1, , ], "c(47, 5, 5)")
  refused(soil_masks[, 1, ], "(N, H, W)", "c(48, 5)")
  refused("wet", "c(1)")
  refused(array(NA, dim(soil_masks)), "label no cell", "R's NA")
  refused(array(NA_character_, dim(soil_masks)), "label no cell")
  refused(array(NA_integer_, dim(soil_masks)), "label no cell")
  refused(replace(soil_masks, TRUE, "wet"), "at least two classes", "c('wet')")
  numbers <- structure(match(holed, wetness), dim = dim(holed))
  refused(replace(numbers, 3, 1.5), "some numbers are not whole (first: 3; counted from 1); found 1.5")
  refused(replace(numbers, 3, Inf), "some numbers are infinite")
  refused(structure(replace(numbers, 3, 3L), levels = wetness), "codes 1 to 2 of its `levels`; found 3")
  refused(structure(replace(numbers, 3, 0L), levels = wetness), "found 0")
  refused(structure(numbers / 4, levels = wetness), "found 0.")
  refused(array(seq_along(soil_masks), dim(soil_masks)), "at most 256 classes", "found '1200 values'")
  refused(as.list(numbers), "found list")
  refused(data.frame(a = 1), "found data.frame")
  refused(array(1i, dim(numbers)), "found array")
  refused(structure(numbers, class = "integer64"), "found integer64")
  refused(NULL, "found NULL")
  refused(replace(soil_masks, 1, "\xe9t\xe9"), "valid text")
  refused(structure(numbers, levels = c("a", "a")), "must have different `levels`; found 'a' twice")
})

test_that("labels outside the classes are named with the first patches", {
  skip_if_no_python()
  refused <- function(masks, says, ...) {
    expect_refused(quick_segmenter(masks, ...), "masks", says, of = "foundation_fit_segmenter")
  }
  says <- c("among wet, dry", "first: 2, 7; counted from 1", "found 'ice'")
  refused(replace(soil_masks, c(2, 7), "ice"), says, classes = wetness)
  refused(as_codes(replace(soil_masks, c(2, 7), "ice"), c("ice", wetness)), says, classes = wetness)
  numbers <- structure(match(soil_masks, wetness), dim = dim(soil_masks))
  refused(replace(numbers, 4, 9L), c("among 1, 2", "first: 4;", "found 9"), classes = 1:2)
})

test_that("bad masks are refused by the name that the function has for them", {
  skip_if_no_python()
  fit <- wet_fit()
  encoder <- soil_encoder()
  verbs <- list(
    foundation_interpret = function(y) foundation_interpret(fit, soil_x, y),
    foundation_finetune_classifier = function(y) foundation_finetune_classifier(fit, soil_x, y),
    foundation_fine_tune = function(y) foundation_fine_tune(fit, soil_x, y),
    foundation_lr_find = function(y) foundation_lr_find(fit, soil_x, y),
    foundation_finetune_ensemble = function(y) {
      foundation_finetune_ensemble(encoder, soil_x, y, "segmentation", classes = wetness)
    },
    foundation_cross_validate = function(y) {
      foundation_cross_validate(foundation_fit_segmenter, encoder, soil_x, y, classes = wetness)
    }
  )
  for (name in names(verbs)) {
    refused <- function(y, says) expect_refused(verbs[[name]](y), "y", says, of = name)
    refused(soil_masks[, , 1:4], "c(48, 5, 4)")
    refused(replace(soil_masks, 3, "ice"), c("first: 3; counted from 1", "found 'ice'"))
    refused(array(NA, dim(soil_masks)), "label no cell")
    refused(as.list(soil_masks), "found list") # what R sees itself
    refused(structure(array(9L, dim(soil_masks)), levels = wetness), "codes 1 to 2 of its `levels`")
  }
})

test_that("what a fit of numbers predicts may be given to it, whatever number is unlabelled", {
  skip_if_no_python()
  numbers <- ifelse(is.na(holed), 255, holed == "wet")
  fit <- quick_segmenter(numbers, unlabelled = 255)
  predicted <- predict(fit, soil_x)
  expect_identical(levels(predicted), c("0", "1"))
  found <- foundation_interpret(fit, soil_x, predicted, n_boot = 0)
  expect_identical(found$scores$estimate[[1]], 1)
  expect_s3_class(foundation_finetune_classifier(fit, soil_x, predicted, epochs = 1), "edaphosbridge_segmenter")
})

test_that("other bad input is refused by its name", {
  skip_if_no_python()
  refused <- function(argument, says, ...) {
    expect_refused(quick_segmenter(...), argument, says, of = "foundation_fit_segmenter")
  }
  refused("regime", "must be one of 'frozen', 'finetune', 'from_scratch'; found 'thawed'", regime = "thawed")
  refused("decoder", "must be one of 'clay', 'unet', 'linear'; found 'fpn'", decoder = "fpn")
  refused("decoder", "must not be given with regime 'from_scratch'", regime = "from_scratch", decoder = "unet")
  refused("loss", "found 'mse'", loss = "mse")
  refused("gamma", "found -1", gamma = -1)
  refused("threshold", "found 1", threshold = 1)
  refused("classes", c("at least two", "c('wet')"), classes = "wet")
  refused("classes", "at least two", classes = list("wet", 1))
  refused("unlabelled", "must be text", unlabelled = 3)
  refused("class_weight", "no 'dry'", class_weight = c(wet = 1))
  refused("epochs", "found 0", epochs = 0)
  refused("x", "four dimensions", x = soil_x[, , 1, 1])
  # the network halves its patches, and 2 cells doubled are not 5
  says <- c("maps of 2 x 2 cells", "5 x 5 of a patch")
  expect_refused(
    foundation_fit_segmenter(NULL, soil_x, soil_masks, "from_scratch"), "decoder", says,
    of = "foundation_fit_segmenter"
  )
  expect_refused(
    foundation_fit_segmenter(NULL, soil_x, soil_masks), "encoder", "found NULL",
    of = "foundation_fit_segmenter"
  )
  expect_refused(
    foundation_fit_segmenter(x = soil_x, masks = soil_masks), "encoder", "is missing",
    of = "foundation_fit_segmenter"
  )
  expect_refused(
    foundation_fit_segmenter(soil_encoder(), soil_x), "masks", "are needed",
    of = "foundation_fit_segmenter"
  )
  expect_refused(
    foundation_fit_segmenter(own_module(), soil_x, soil_masks), "encoder", "maps",
    of = "foundation_fit_segmenter"
  )
  expect_refused(predict(wet_fit(), soil_x, type = "entropy"), "type", "'class', 'prob'", of = "predict")
  expect_refused(predict(wet_fit(), soil_x, stride = 2), "stride", "is no argument of", of = "predict")
  expect_refused(predict(wet_fit(), soil_x[, 1:3, , ]), "x", "found 3", of = "predict")
})

test_that("tiles with labels bring their own masks, and folds count them", {
  skip_if_no_python()
  skip_if_not_installed("terra")
  set.seed(1)
  stack <- terra::rast(array(stats::rnorm(30 * 40 * 3), c(30, 40, 3)))
  land <- terra::ifel(stack[[1]] > 0, 1, 0)
  land[seq(1, 30, 2), ] <- NA
  tiles <- foundation_tile_dataset(stack, patch_size = 8L, n_patches = 12L, seed = 1L, labels = land)
  encoder <- foundation_encoder("simclr", 3L, seed = 1L)
  quiet <- function(value) suppressMessages(suppressWarnings(value)) # tiles share cells
  fit <- quiet(foundation_fit_segmenter(encoder, tiles, epochs = 1L, seed = 1L))
  expect_identical(as.numeric(fit$classes), c(0, 1))
  given <- quiet(foundation_fit_segmenter(encoder, tiles, tiles$masks(), epochs = 1L, seed = 1L))
  expect_identical(given$loss_history, fit$loss_history)
  folds <- rep(1:2, 6)
  folded <- quiet(
    foundation_fit_segmenter(encoder, tiles, epochs = 1L, seed = 1L, folds = folds, fold = 2L)
  )
  expect_identical(folded$config$split$n_validation, 6L)
  found <- quiet(foundation_compare_segmenters(
    encoder, tiles, models = "frozen", epochs = 1L, seed = 1L, n_boot = 0L, folds = folds, fold = 2L
  ))
  expect_s3_class(found, "edaphosbridge_segmenter_comparison")
})
