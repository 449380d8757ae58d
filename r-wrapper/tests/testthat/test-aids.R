# What helps a fit to train; tests/test_training_aids.py has what it does.

classes_as_text <- function() as.character(soil_y)

# The same call of a fit, made in Python with the encoder that R holds.
python_fit <- function(...) {
  python_module()
  bridge <- reticulate::import("edaphos_bridge", convert = FALSE)
  held <- reticulate::import("edaphos_bridge.interop.calls.held", convert = FALSE)
  encoder <- held$encoder_behind(soil_encoder()$state)
  bridge$foundation_fit_classifier(encoder, soil_x, as.list(classes_as_text()), epochs = 3L, seed = 5L, ...)
}

expect_same_losses <- function(fit, python) {
  expect_identical(fit$loss_history, as.vector(reticulate::py_to_r(python$loss_history)))
  scores <- as.vector(reticulate::py_to_r(python$score_history))
  expect_identical(fit[[grep("^val_.*_history$", names(fit))]], scores)
}

test_that("weights of classes, smoothing and views give Python's numbers", {
  skip_if_no_python()
  ours <- function(...) quick_fit(y = classes_as_text(), ...)
  weights <- c(Ultisol = 3, Oxisol = 1, Inceptisol = 0.5) # in no order of the classes
  expect_same_losses(ours(class_weight = weights), python_fit(class_weight = as.list(weights)))
  for (way in c("balanced", "capped")) {
    expect_same_losses(ours(class_weight = way), python_fit(class_weight = way))
  }
  expect_same_losses(ours(label_smoothing = 0.2), python_fit(label_smoothing = 0.2))
  expect_same_losses(ours(augment = TRUE), python_fit(augment = TRUE))
  views <- list(flip_prob = 1, noise_sd = 0.1, crop_ratio = c(0.5, 1), channel_drop_prob = 0.2)
  expect_same_losses(ours(augment = views), python_fit(augment = views))
  expect_same_losses(ours(head = "concat_pool", hidden = 8), python_fit(head = "concat_pool", hidden = list(8L)))
})

test_that("config keeps the aids in use, and no others", {
  skip_if_no_python()
  weights <- c(Oxisol = 1, Ultisol = 2, Inceptisol = 3)
  config <- quick_fit(
    class_weight = weights, label_smoothing = 0.1, patience = 2,
    augment = list(flip_prob = 0.5, crop_ratio = c(0.5, 1))
  )$config
  expect_identical(unlist(config$class_weight), weights)
  expect_identical(config$label_smoothing, 0.1)
  expect_identical(config$patience, 2L)
  expect_identical(config$augment, list(crop_ratio = c(0.5, 1), flip_prob = 0.5))
  expect_false(any(c("class_weight", "label_smoothing", "patience", "augment") %in% names(quick_fit()$config)))
})

test_that("named weights may stand in a list or a table, and names of classes are theirs alone", {
  skip_if_no_python()
  weights <- c(Oxisol = 1, Ultisol = 2, Inceptisol = 3)
  fit <- quick_fit(class_weight = weights)
  expect_identical(quick_fit(class_weight = as.list(weights)), fit)
  expect_identical(quick_fit(class_weight = rev(weights))$head, fit$head)
  counts <- table(soil_y)
  expect_identical(unlist(quick_fit(class_weight = counts)$config$class_weight), c(
    Oxisol = 16, Ultisol = 16, Inceptisol = 16
  ))
  numbers <- as.integer(soil_y)
  named <- quick_fit(y = numbers, class_weight = c("1" = 1, "2" = 2, "3" = 3))
  expect_identical(named$loss_history, quick_fit(y = factor(soil_y, labels = 1:3), class_weight = c("1" = 1, "2" = 2, "3" = 3))$loss_history)
})

test_that("patience ends a fit and keeps the weights of its best epoch", {
  skip_if_no_python()
  fit <- quick_fit(epochs = 40, lr = 0.05, patience = 3)
  scores <- fit$val_accuracy_history
  best <- which.max(scores)
  expect_identical(length(scores), min(best + 3L, 40L))
  expect_identical(fit$config$epochs, length(scores))
  until_best <- quick_fit(epochs = best, lr = 0.05, patience = 40)
  expect_identical(prob(fit), prob(until_best))
  expect_output(print(fit), sprintf("epoch %d), kept", best))
  expect_output(print(summary(fit)), sprintf("epoch %d), kept", best))
})

test_that("the kept weights have the best score on the rows that validate, in all phases", {
  skip_if_no_python()
  rows <- 17:32
  probe <- quick_fit(epochs = 10, lr = 0.05, validation = rows)
  fit <- foundation_finetune_classifier(
    probe, soil_x, soil_y,
    recipe = list(foundation_phase(3, 0.01), foundation_phase(3, 5)),
    validation = rows, patience = 1, seed = 1
  )
  score <- mean(predict(fit, patches(rows)) == soil_y[rows])
  expect_close(score, max(fit$val_accuracy_history), 1e-12)
})

test_that("other tasks have patience and views too", {
  skip_if_no_python()
  y <- as.numeric(as.integer(soil_y))
  labels <- cbind(clay = soil_y != "Oxisol", wet = rep(c(TRUE, FALSE), 24))
  regressor <- function(...) foundation_fit_regressor(soil_encoder(), soil_x, y, epochs = 3, seed = 1, ...)
  multilabel <- function(...) foundation_fit_multilabel(soil_encoder(), soil_x, labels, epochs = 3, seed = 1, ...)
  for (made in list(regressor, multilabel)) {
    fit <- made(patience = 2, augment = list(rot90_prob = 1))
    expect_identical(fit$config$patience, 2L)
    expect_identical(fit$config$augment, list(rot90_prob = 1))
    expect_false(identical(fit$loss_history, made(patience = 2)$loss_history))
  }
})

test_that("update() keeps the aids, and changes them", {
  skip_if_no_python()
  weights <- c(Oxisol = 1, Ultisol = 2, Inceptisol = 3)
  fit <- quick_fit(class_weight = weights, patience = 2, augment = list(crop_ratio = c(0.5, 1)), label_smoothing = 0.1)
  expect_identical(update(fit, soil_x, soil_y), fit)
  expect_identical(update(fit, soil_x, soil_y, class_weight = NULL, patience = NULL, augment = FALSE, label_smoothing = 0), quick_fit())
  expect_identical(update(quick_fit(augment = TRUE), soil_x, soil_y), quick_fit(augment = TRUE))
})

test_that("aids that cannot be used are refused with the user's call, in all fits", {
  skip_if_no_python()
  encoder <- soil_encoder()
  refused <- function(argument, says, ...) {
    expect_refused(foundation_fit_classifier(encoder, soil_x, soil_y, ...), argument, says)
  }
  refused("class_weight", "'balanced', 'capped'", class_weight = "even")
  refused("class_weight", "by its name", class_weight = c(1, 2, 3))
  refused("class_weight", "no 'Inceptisol'", class_weight = c(Oxisol = 1, Ultisol = 2))
  refused("class_weight", "unknown 'Gleysol'", class_weight = c(Oxisol = 1, Ultisol = 2, Inceptisol = 1, Gleysol = 2))
  refused("class_weight", "found 0", class_weight = c(Oxisol = 1, Ultisol = 2, Inceptisol = 0))
  refused("class_weight", "found NA", class_weight = c(Oxisol = 1, Ultisol = 2, Inceptisol = NA))
  refused("class_weight", "names 'Oxisol' twice", class_weight = c(Oxisol = 1, Oxisol = 2, Inceptisol = 0))
  refused("label_smoothing", "found 1", label_smoothing = 1)
  refused("label_smoothing", "found NA", label_smoothing = NA)
  refused("patience", "found 0", patience = 0)
  refused("patience", "found 1.5", patience = 1.5)
  refused("patience", "validation rows", patience = 1, val_split = 0)
  refused("augment", "found NA", augment = NA)
  refused("augment", "found 'flips'", augment = "flips")
  refused("augment", "found 'flip'", augment = list(flip = 0.5))
  refused("augment: flip_prob", "found 2", augment = list(flip_prob = 2))
  refused("augment: crop_ratio", "two numbers", augment = list(crop_ratio = 0.5))
  y <- as.numeric(1:48)
  labels <- cbind(wet = soil_y == "Oxisol")
  expect_refused(foundation_fit_regressor(encoder, soil_x, y, patience = 0), "patience", "found 0", of = "foundation_fit_regressor")
  expect_refused(foundation_fit_regressor(encoder, soil_x, y, augment = NA), "augment", "found NA", of = "foundation_fit_regressor")
  expect_refused(foundation_fit_multilabel(encoder, soil_x, labels, patience = 0), "patience", "found 0", of = "foundation_fit_multilabel")
  expect_refused(foundation_fit_multilabel(encoder, soil_x, labels, augment = NA), "augment", "found NA", of = "foundation_fit_multilabel")
  regressor <- foundation_fit_regressor(encoder, soil_x, y, epochs = 1, seed = 1)
  expect_refused(
    foundation_finetune_classifier(regressor, soil_x, y, class_weight = "balanced"),
    "class_weight", "is for classifiers",
    of = "foundation_finetune_classifier"
  )
  expect_refused(
    foundation_fine_tune(regressor, soil_x, y, label_smoothing = 0.1),
    "label_smoothing", "is for classifiers",
    of = "foundation_fine_tune"
  )
})
