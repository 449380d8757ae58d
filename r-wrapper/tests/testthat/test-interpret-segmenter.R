# foundation_interpret() of a segmenter, and its plots.

seen_masks <- function() {
  if (is.null(made$seen_masks)) {
    made$seen_masks <- foundation_interpret(wet_fit(), soil_x, holed, n_boot = 20, seed = 1)
  }
  made$seen_masks
}

test_that("scores of cells are those of the definitions, for all and for each class", {
  skip_if_no_python()
  found <- seen_masks()
  expect_s3_class(found, c("edaphosbridge_interpretation", "edaphosbridge_result"), exact = TRUE)
  expect_identical(found$kind, "segmentation")
  predicted <- predict(wet_fit(), soil_x)
  counts <- table(actual = factor(holed, wetness), predicted = factor(levels(predicted)[predicted], wetness))
  expect_identical(unname(found$confusion), unname(unclass(counts)) + 0)
  expect_identical(dimnames(found$confusion), list(actual = wetness, predicted = wetness))
  score <- function(metric, class = NA) {
    found$scores$estimate[found$scores$metric == metric & found$scores$class %in% class]
  }
  hits <- diag(counts)
  iou <- hits / (rowSums(counts) + colSums(counts) - hits)
  expect_close(score("pixel_accuracy"), sum(hits) / sum(counts), 1e-12)
  expect_close(score("iou"), mean(iou), 1e-12)
  expect_close(score("iou", "dry"), iou[["dry"]], 1e-12)
  expect_close(score("recall", "wet"), hits[["wet"]] / sum(counts["wet", ]), 1e-12)
  expect_close(score("precision", "wet"), hits[["wet"]] / sum(counts[, "wet"]), 1e-12)
  expect_identical(score("support", "wet"), sum(counts["wet", ]) + 0)
  ends <- found$scores[found$scores$metric == "iou", c("conf.low", "estimate", "conf.high")]
  expect_true(all(ends$conf.low <= ends$estimate & ends$estimate <= ends$conf.high))
})

test_that("the worst patches are kept with their masks, and top_losses() lists all", {
  skip_if_no_python()
  found <- seen_masks()
  worst <- top_losses(found)
  expect_named(worst, c("labelled", "pixel_accuracy", "loss", "row"))
  expect_identical(worst$row[1:25], found$picture_rows)
  expect_false(is.unsorted(-worst$loss))
  expect_identical(worst$labelled, apply(!is.na(holed), 1, sum)[worst$row] + 0)
  expect_identical(found$masks, structure(as_codes(holed)[found$picture_rows, , ], levels = wetness))
  predicted <- predict(wet_fit(), soil_x)[found$picture_rows, , ]
  expect_identical(found$predicted, structure(predicted, levels = wetness))
  right <- apply(holed == levels(predict(wet_fit(), soil_x))[predict(wet_fit(), soil_x)], 1, mean, na.rm = TRUE)
  expect_close(worst$pixel_accuracy, right[worst$row], 1e-12)
  prob <- predict(wet_fit(), soil_x, type = "prob")
  of_truth <- ifelse(holed == "wet", prob[, "wet", , ], prob[, "dry", , ])
  losses <- apply(-log(array(of_truth, dim(holed))), 1, mean, na.rm = TRUE)
  expect_close(found$loss, losses, 1e-9)
  none <- foundation_interpret(wet_fit(), soil_x, holed, n_boot = 0, n_pictures = 0, seed = 1)
  expect_identical(dim(none$masks), c(0L, 5L, 5L))
})

test_that("most_confused() has the counts of cells off the diagonal, most first", {
  skip_if_no_python()
  masks <- array(c("a", "b", "c")[1L + seq_along(holed) %% 3L], dim(holed))
  fit <- quick_segmenter(masks, epochs = 1)
  found <- foundation_interpret(fit, soil_x, masks, n_boot = 0, seed = 1)
  wrong <- found$confusion
  diag(wrong) <- 0
  confused <- most_confused(found)
  expect_named(confused, c("actual", "predicted", "count"))
  expect_identical(confused$count, sort(wrong[wrong > 0], decreasing = TRUE))
  expect_identical(confused$count, wrong[as.matrix(confused[c("actual", "predicted")])])
  expect_identical(nrow(most_confused(found, max(wrong) + 1)), 0L)
  first <- do.call(sprintf, c("%s taken for %s (%.0f)", confused[1, ]))
  expect_match(format(found), first, fixed = TRUE, all = FALSE)
})

test_that("masks cross in whatever they are in, and printing and tidying show the scores", {
  skip_if_no_python()
  found <- seen_masks()
  by_codes <- foundation_interpret(
    wet_fit(), soil_x, as_codes(holed, c("dry", "wet")), n_boot = 20, seed = 1
  )
  expect_identical(by_codes, found)
  expect_identical(generics::tidy(found), found$scores)
  expect_identical(format(found)[[1]], "<edaphos_foundation_interpretation>")
  expect_match(format(found), "^  iou: +0\\.[0-9]{3} \\[0\\.[0-9]{3}, [01]\\.[0-9]{3}\\]$", all = FALSE)
})

test_that("plots draw counts of cells and masks beside their patches", {
  skip_if_no_python()
  found <- seen_masks()
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  before <- graphics::par(no.readonly = TRUE)
  for (which in list(NULL, "confusion", "top_losses")) {
    expect_identical(plot(found, which), found)
    expect_identical(graphics::par(c("mfrow", "oma", "mar")), before[c("mfrow", "oma", "mar")])
    expect_s3_class(ggplot2::autoplot(found, which), "ggplot")
  }
  drawn <- ggplot2::ggplot_build(ggplot2::autoplot(found, "top_losses", k = 2))
  cells <- drawn$data[[1]]
  expect_identical(nlevels(cells$PANEL), 6L) # two patches, their masks, and what is predicted
  actual <- cells$fill[cells$PANEL == 2]
  expected <- toupper(found$colours)[found$masks[1, , ]]
  expect_identical(sort(actual), sort(ifelse(is.na(expected), "#FFFFFF", expected)))
  many <- found$confusion
  many[] <- c(100000, 3e9, 1, 2)
  expect_identical(confusion_cells(many)$label, c("100000", "3000000000", "1", "2"))
  refused <- function(code, argument, says) {
    expect_refused(code, argument, says, of = "plot.edaphosbridge_interpretation")
  }
  refused(plot(found, "reliability"), "which", "\"confusion\" or \"top_losses\"")
  refused(plot(found, "top_losses", k = 26), "k", "at most 25")
})

test_that("what is not for segmenters is refused", {
  skip_if_no_python()
  refused <- function(code, argument, says, of = "foundation_interpret") {
    expect_refused(code, argument, says, of = of)
  }
  fit <- wet_fit()
  refused(foundation_interpret(fit, soil_x, holed, baselines = TRUE), "baselines", "not for segmenters")
  train <- list(x = soil_x, y = holed)
  refused(foundation_interpret(fit, soil_x, holed, train = train), "train", "not for segmenters")
  refused(foundation_interpret(fit, soil_x, holed[, , 1:4]), "y", "c(48, 5, 4)")
  refused(foundation_interpret(fit, soil_x, replace(holed, 3, "ice")), "y", "found 'ice'")
  refused(
    foundation_band_importance(fit, soil_x, holed), "fit", "found 'segmentation'",
    of = "foundation_band_importance"
  )
  refused(foundation_attribute(fit, soil_x), "fit", "'segmentation'", of = "foundation_attribute")
  refused(foundation_calibrate(fit, soil_x, holed), "fit", "must be a classifier", of = "foundation_calibrate")
})
