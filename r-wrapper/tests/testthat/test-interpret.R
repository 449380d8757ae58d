# The confusions of soil_fit() on classes that are shifted by a few rows.
shifted <- soil_y[c(4:48, 1:3)]
shifted[1:5] <- rev(shifted[1:5])

soil_interpretation <- function(...) {
  foundation_interpret(soil_fit(), soil_x, shifted, ..., n_boot = 30, seed = 2)
}

test_that("scores are those of predict(), with intervals, as a data frame", {
  skip_if_no_python()
  found <- soil_interpretation()
  expect_s3_class(found, c("edaphosbridge_interpretation", "edaphosbridge_result"), exact = TRUE)
  scores <- as.data.frame(found)
  expect_identical(
    names(scores), c("model", "metric", "class", "estimate", "conf.low", "conf.high")
  )
  estimate <- function(metric, class = NA) {
    scores$estimate[scores$metric == metric & scores$class %in% class]
  }
  predicted <- predict(soil_fit(), soil_x)
  counts <- table(actual = shifted, predicted = predicted)
  expect_close(estimate("accuracy"), mean(predicted == shifted), 1e-12)
  recall <- diag(counts) / rowSums(counts)
  expect_close(estimate("balanced_accuracy"), mean(recall), 1e-12)
  expect_close(estimate("recall", "Ultisol"), recall[["Ultisol"]], 1e-12)
  by_chance <- sum(rowSums(counts) * colSums(counts)) / sum(counts)^2
  kappa <- (mean(predicted == shifted) - by_chance) / (1 - by_chance)
  expect_close(estimate("kappa"), kappa, 1e-12)
  expect_identical(unname(found$confusion), unname(unclass(counts)[, ]))
  expect_identical(names(dimnames(found$confusion)), c("actual", "predicted"))
  expect_identical(found$predicted, predicted)
  expect_identical(found$actual, shifted)
  expect_close(found$probabilities, prob(soil_fit()), 1e-12)
  is_count <- scores$metric == "support"
  expect_true(all(is.na(scores$conf.low[is_count])))
  expect_true(all(scores$conf.low[!is_count] <= scores$conf.high[!is_count]))
})

test_that("tidy() gives the same table", {
  skip_if_no_python()
  skip_if_lacking("generics")
  found <- soil_interpretation()
  expect_identical(generics::tidy(found), found$scores)
  expect_refused(generics::tidy(found, conf = 1), "conf", "tidy()", of = "tidy")
})

test_that("most_confused() and top_losses() put the worst first", {
  skip_if_no_python()
  found <- soil_interpretation()
  confused <- most_confused(found)
  expect_identical(names(confused), c("actual", "predicted", "count"))
  expect_false(is.unsorted(rev(confused$count)))
  expect_true(all(confused$count >= 1L & confused$actual != confused$predicted))
  expect_identical(confused$count[[1]], found$confusion[confused$actual[[1]], confused$predicted[[1]]])
  expect_identical(sum(confused$count), sum(shifted != found$predicted))
  expect_identical(nrow(most_confused(found, 49)), 0L)
  worst <- top_losses(found, 4)
  expect_identical(names(worst), c("prediction", "actual", "loss", "probability", "row"))
  of_actual <- prob(soil_fit())[cbind(1:48, as.integer(shifted))]
  expect_close(worst$probability, sort(of_actual)[1:4], 1e-12)
  expect_close(worst$loss, -log(sort(of_actual)[1:4]), 1e-12)
  expect_identical(worst$actual, shifted[worst$row])
  expect_identical(nrow(top_losses(found)), 48L)
  expect_identical(found$picture_rows, top_losses(found, 25)$row)
  expect_close(found$patches[1, , , ], soil_x[worst$row[[1]], , , ], 1e-6)
})

test_that("groups and blocks are drawn whole, whatever their names", {
  skip_if_no_python()
  sites <- rep(c("a", "b", "c", "d"), each = 12)
  by_name <- soil_interpretation(groups = sites)
  expect_identical(by_name$units, "groups")
  expect_identical(by_name$n_units, 4L)
  expect_identical(
    soil_interpretation(groups = rep(4:1, each = 12))$scores, by_name$scores
  )
  places <- cbind(100 * match(sites, letters), seq_along(sites))
  by_block <- soil_interpretation(blocks = places, block_size = 100)
  expect_identical(by_block$scores, by_name$scores)
  expect_match(format(by_block)[[3]], "30 draws of 4 blocks", fixed = TRUE)
  expect_false(identical(soil_interpretation()$scores, by_name$scores))
})

test_that("baselines stand beside the fit", {
  skip_if_no_python()
  found <- soil_interpretation(baselines = TRUE, train = list(x = soil_x, y = soil_y))
  models <- c("fit", "random_convolutions", "band_statistics")
  expect_identical(unique(found$scores$model), models)
  expect_identical(found$baselines, models[-1])
})

test_that("a regressor has scores in the units of its targets", {
  skip_if_no_python()
  y <- data.frame(clay = 30 + 5 * soil_x[, 1, 1, 1], ph = soil_x[, 2, 3, 3])
  fit <- foundation_fit_regressor(soil_encoder(), soil_x, y, epochs = 2, seed = 1)
  found <- foundation_interpret(fit, soil_x, y, n_boot = 20, seed = 1, n_pictures = 3)
  scores <- as.data.frame(found)
  expect_identical(names(scores)[[3]], "target")
  rmse <- scores$estimate[scores$metric == "rmse"]
  errors <- predict(fit, soil_x) - as.matrix(y)
  expect_close(rmse, unname(sqrt(colMeans(errors^2))), 1e-9)
  worst <- top_losses(found, 3)
  columns <- c("prediction_clay", "actual_clay", "prediction_ph", "actual_ph", "loss", "row")
  expect_identical(names(worst), columns)
  expect_identical(worst$row, found$picture_rows)
  expect_close(worst$actual_clay, y$clay[worst$row], 1e-12)
  expect_refused(most_confused(found), "x", "must be of classification or segmentation", of = "most_confused")
  importance <- foundation_band_importance(fit, soil_x, y, n_repeats = 2, seed = 1)
  expect_identical(importance$metric, "rmse")
  expect_identical(foundation_attribute(fit, patches(1:2), target = "ph")$target, c("ph", "ph"))
  expect_refused(
    foundation_interpret(fit, soil_x, soil_y), "y", "found factor",
    of = "foundation_interpret"
  )
  expect_refused(
    foundation_interpret(fit, soil_x, y$clay), "y", "2 targets",
    of = "foundation_interpret"
  )
  one <- foundation_fit_regressor(soil_encoder(), soil_x, y$clay, epochs = 2, seed = 1)
  of_one <- foundation_interpret(one, soil_x, y$clay, n_boot = 0)
  expect_identical(names(top_losses(of_one, 1)), c("prediction", "actual", "loss", "row"))
})

test_that("without a seed R's generator gives it", {
  skip_if_no_python()
  drawn <- function() {
    withr::with_seed(3, foundation_interpret(soil_fit(), soil_x, shifted, n_boot = 5))
  }
  expect_identical(drawn(), drawn())
  expect_false(identical(drawn()$seed, 2L))
})

test_that("printing shows Python's lines, after saveRDS() too", {
  skip_if_no_python()
  found <- soil_interpretation()
  shown <- capture.output(print(found))
  expect_identical(shown[[1]], "<edaphos_foundation_interpretation>")
  expect_match(shown[[4]], "accuracy: +[0-9.]+ \\[[0-9.]+, [0-9.]+\\]")
  file <- withr::local_tempfile()
  saveRDS(found, file)
  expect_identical(capture.output(print(readRDS(file))), shown)
})

test_that("bad input is refused by its name", {
  skip_if_no_python()
  refused <- function(code, argument, says) {
    expect_refused(code, argument, says, of = "foundation_interpret")
  }
  fit <- soil_fit()
  refused(foundation_interpret(soil_encoder(), soil_x, soil_y), "fit", "found edaphosbridge_encoder")
  refused(foundation_interpret(fit), "x", "is missing")
  refused(foundation_interpret(fit, soil_x), "y", "is missing")
  refused(foundation_interpret(fit, soil_x, soil_y[1:3]), "y", c("48 patches", "found 3"))
  refused(foundation_interpret(fit, soil_x, rep("Gelisol", 48)), "y", c("Ultisol", "first: 1,"))
  refused(foundation_interpret(fit, soil_x[, 1:2, , ], soil_y), "x", "4 channels")
  refused(foundation_interpret(fit, soil_x, soil_y, groups = 1:3), "groups", "found 3")
  refused(foundation_interpret(fit, soil_x, soil_y, groups = c(NA, 2:48)), "groups", "first: 1;")
  places <- cbind(1:48, 0)
  refused(foundation_interpret(fit, soil_x, soil_y, blocks = places), "block_size", "needed")
  refused(foundation_interpret(fit, soil_x, soil_y, block_size = 3), "block_size", "`blocks`")
  refused(
    foundation_interpret(fit, soil_x, soil_y, groups = 1:48, blocks = places, block_size = 9),
    "blocks", "one of"
  )
  refused(foundation_interpret(fit, soil_x, soil_y, n_boot = NA), "n_boot", "found NA")
  refused(foundation_interpret(fit, soil_x, soil_y, seed = "a"), "seed", "whole number")
  refused(foundation_interpret(fit, soil_x, soil_y, baselines = NA), "baselines", "true/false")
  refused(foundation_interpret(fit, soil_x, soil_y, baselines = TRUE), "train", "pair of")
  refused(foundation_interpret(fit, soil_x, soil_y, train = 1), "train", "list with `x` and `y`")
  refused(foundation_interpret(fit, soil_x, soil_y, nboot = 3), "nboot", "`n_boot`")
})

test_that("what is no result, and counts that are none, are refused", {
  skip_if_no_python()
  found <- soil_interpretation()
  expect_refused(most_confused(soil_fit()), "x", "foundation_interpret()", of = "most_confused")
  expect_refused(most_confused(found, 0), "min_val", "positive whole", of = "most_confused")
  expect_refused(top_losses(found, 1.5), "k", "found 1.5", of = "top_losses")
})

test_that("foundation_calibrate() divides logits and keeps classes", {
  skip_if_no_python()
  fit <- soil_fit()
  calibrated <- foundation_calibrate(fit, soil_x, shifted)
  temperature <- calibrated$config$temperature
  expect_s3_class(calibrated, "edaphosbridge_classifier")
  expect_gt(temperature, 1) # its classes are not those it learnt
  shown <- sprintf("temperature:   %.4g", temperature)
  expect_match(format(calibrated), shown, fixed = TRUE, all = FALSE)
  expect_match(format(summary(calibrated)), "calibrated: at temperature", fixed = TRUE, all = FALSE)
  powers <- prob(fit)^(1 / temperature)
  expect_close(prob(calibrated), powers / rowSums(powers), 1e-5)
  expect_identical(predict(calibrated, soil_x), predict(fit, soil_x))
  revived <- unserialize(serialize(calibrated, NULL))
  expect_identical(prob(revived), prob(calibrated))
  # a fit again has no temperature
  again <- update(calibrated, soil_x, soil_y)
  expect_identical(prob(again), prob(fit))
  refused <- function(code, argument, says) {
    expect_refused(code, argument, says, of = "foundation_calibrate")
  }
  refused(foundation_calibrate(soil_encoder(), soil_x, soil_y), "fit", "must be a fit")
  refused(foundation_calibrate(fit, soil_x), "y", "is missing")
  refused(foundation_calibrate(fit, soil_x, soil_y[-1]), "y", "found 47")
})

test_that("fits that cannot be interpreted are named, and what can", {
  skip_if_no_python()
  labels <- cbind(clay = soil_y != "Oxisol", wet = rep(c(TRUE, FALSE), 24))
  several <- foundation_fit_multilabel(soil_encoder(), soil_x, labels, epochs = 1, seed = 1)
  expect_refused(
    foundation_interpret(several, soil_x, labels), "fit", "foundation_multi_top_losses()",
    of = "foundation_interpret"
  )
  ensemble <- foundation_finetune_ensemble(soil_encoder(), soil_x, soil_y, K_ens = 2, epochs = 1)
  expect_refused(
    foundation_interpret(ensemble, soil_x, soil_y), "fit", "Each of its `members` is one",
    of = "foundation_interpret"
  )
})

test_that("a fit around a module of one's own is interpreted, from a file with that module", {
  skip_if_no_python()
  fit <- quick_fit(own_module())
  asked <- function(fit, ...) {
    list(
      foundation_interpret(fit, soil_x, soil_y, n_boot = 0, seed = 1, ...)$probabilities,
      foundation_band_importance(fit, soil_x, soil_y, n_repeats = 1, seed = 1, ...)$losses,
      foundation_attribute(fit, patches(1:2), "grad_cam", ...)$values,
      foundation_calibrate(fit, soil_x, shifted, ...)$config$temperature
    )
  }
  found <- asked(fit)
  expect_close(found[[1]], prob(fit), 1e-12)
  revived <- deep_copy(fit)
  expect_identical(asked(revived, encoder = own_module()), found)
  expect_error(foundation_interpret(revived, soil_x, soil_y), "encoder", class = "edaphosbridge_error")
  expect_refused(
    foundation_interpret(fit, soil_x, soil_y, encoder = 3), "encoder", "found numeric",
    of = "foundation_interpret"
  )
})

test_that("pictures are by default as many as there are, and k is what was asked for", {
  skip_if_no_python()
  few <- foundation_interpret(soil_fit(), patches(1:5), soil_y[1:5], n_boot = 0)
  withr::with_pdf(tempfile(), {
    expect_identical(plot(few, "top_losses"), few)
    expect_error(plot(few, "top_losses", k = 6), "at most 5", class = "edaphosbridge_input_error")
  })
})

test_that("tables have the names of targets as they are, and names of rows that were given", {
  found <- structure(
    list(
      kind = "regression", targets = c("soil carbon", "pH-value"), loss = c(1, 2),
      predicted = matrix(1:4, 2), actual = matrix(5:8, 2),
      scores = data.frame(metric = c("rmse", "mae"), estimate = 1:2)
    ),
    class = c("edaphosbridge_interpretation", "edaphosbridge_result")
  )
  expect_named(top_losses(found), c(
    "prediction_soil carbon", "actual_soil carbon", "prediction_pH-value", "actual_pH-value", "loss", "row"
  ))
  expect_identical(rownames(as.data.frame(found, row.names = c("a", "b"))), c("a", "b"))
})

test_that("every table takes names of rows", {
  two <- data.frame(a = 1:2)
  holders <- list(
    band_importance = list(importance = two), embedding_map = list(points = two),
    segmenter_comparison = list(scores = two), lr_find = list(table = two),
    cross_validation = list(table = two), few_label_experiment = list(table = two),
    applicability = list(train_di = 1:2, threshold = 1, train_lpd = 1:2),
    attribution = list(
      values = array(1, c(2, 1, 2, 2)), bands = "ndvi", prediction = 1:2, target = c("y", "y")
    )
  )
  for (kind in names(holders)) {
    made <- structure(holders[[kind]], class = paste0("edaphosbridge_", kind))
    expect_identical(rownames(as.data.frame(made, row.names = c("r", "s"))), c("r", "s"), label = kind)
  }
})
