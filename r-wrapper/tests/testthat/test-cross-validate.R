# Any recipe over folds, groups or blocks; tests/test_cross_validate.py has the rules.

fields <- rep(seq_len(12), each = 4)
numbers <- withr::with_seed(1, sample(rep(c(2, 5, 9), 16)))

cross <- function(..., fit = foundation_fit_classifier, x = soil_x, y = soil_y,
                  encoder = soil_encoder(), epochs = 2, seed = 3) {
  foundation_cross_validate(fit, encoder, x, y, epochs = epochs, ..., seed = seed)
}

by_numbers <- function() {
  if (is.null(made$cross)) made$cross <- cross(folds = numbers)
  made$cross
}

test_that("it is the loop written out with explicit validation rows", {
  skip_if_no_python()
  result <- by_numbers()
  expect_s3_class(
    result, c("edaphosbridge_cross_validation", "edaphos_cross_validation"),
    exact = TRUE
  )
  expect_identical(dim(result$predictions), c(48L, 3L))
  expect_identical(colnames(result$predictions), levels(soil_y))
  for (row in 1:3) {
    rows <- which(numbers == c(2, 5, 9)[[row]])
    fit <- quick_fit(validation = rows, epochs = 2, seed = 3)
    expect_identical(result$predictions[rows, ], prob(fit, patches(rows)))
    accuracy <- mean(predict(fit, patches(rows)) == soil_y[rows])
    expect_identical(result$table[row, "accuracy"], accuracy)
    expect_identical(
      as.list(result$table[row, 1:3]),
      list(fold = c(2L, 5L, 9L)[[row]], n_train = 48L - length(rows), n_test = length(rows))
    )
  }
  expect_named(
    result$table, c("fold", "n_train", "n_test", "accuracy", "balanced_accuracy", "log_loss")
  )
})

test_that("the verb comes as itself or by name, and settings as it takes them", {
  skip_if_no_python()
  expect_identical(cross(folds = numbers, fit = "foundation_fit_classifier"), by_numbers())
  result <- cross(folds = numbers, head = "mlp", hidden = 6, device = "cpu")
  fit <- quick_fit(folds = numbers, epochs = 2, seed = 3, head = "mlp", hidden = 6)
  rows <- which(numbers == 2)
  expect_identical(result$predictions[rows, ], prob(fit, patches(rows)))
  expect_identical(result$config$settings$head, "mlp")
})

test_that("numbers are the same whatever the number of processes", {
  skip_if_no_python()
  expect_identical(cross(folds = numbers, n_jobs = 2), by_numbers())
})

test_that("folds are drawn of rows, groups and blocks, and are counted from 1", {
  skip_if_no_python()
  rows <- cross(k = 4)
  expect_identical(rows$table$fold, 1:4)
  expect_identical(rows$table$n_test, rep(12L, 4))
  expect_identical(rows$config$by, "rows")
  expect_false(anyNA(rows$predictions))
  groups <- cross(groups = fields, k = 3)
  expect_identical(groups$table$n_test, rep(16L, 3))
  expect_identical(groups$config[c("by", "k")], list(by = "groups", k = 3L))
  places <- cbind(x = rep(1:12, each = 4), y = rep(1:4, 12))
  blocks <- cross(blocks = places, block_size = 4, buffer = 1.5, k = 2)
  expect_true(all(blocks$table$n_train + blocks$table$n_test < 48L))
  some <- cross(folds = list(list(11:48, 1:5), list(16:48, 6:10)))
  expect_identical(which(is.na(some$predictions[, 1])), 11:48)
  expect_identical(some$table$fold, 1:2)
})

test_that("set.seed() reproduces without a seed", {
  skip_if_no_python()
  withr::local_seed(1)
  one <- cross(k = 3, seed = NULL)
  set.seed(1)
  expect_identical(cross(k = 3, seed = NULL), one)
})

test_that("a folder keeps finished folds for the same call, and for no other", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  expect_identical(cross(folds = numbers, checkpoint_dir = folder), by_numbers())
  files <- list.files(folder, full.names = TRUE)
  expect_length(files, 3L)
  written <- file.info(files[-2L])$mtime
  unlink(files[[2L]])
  expect_identical(cross(folds = numbers, checkpoint_dir = folder), by_numbers())
  expect_identical(list.files(folder, full.names = TRUE), files)
  expect_identical(file.info(files[-2L])$mtime, written)
  expect_refused(
    foundation_cross_validate(
      foundation_fit_classifier, soil_encoder(), soil_x, soil_y,
      epochs = 3, folds = numbers, seed = 3, checkpoint_dir = folder
    ),
    "checkpoint_dir", c("another cross-validation", "epochs = 2 there, 3 here"),
    of = "foundation_cross_validate"
  )
})

test_that("a module of one's own is an encoder in this process", {
  skip_if_no_python()
  result <- cross(encoder = own_module(), folds = numbers)
  expect_false(anyNA(result$predictions))
})

test_that("verbose tells of each fold", {
  skip_if_no_python()
  told <- testthat::capture_messages(cross(folds = numbers, verbose = TRUE))
  expect_length(told, 3L)
  accuracy <- sprintf("%.3f", by_numbers()$table$accuracy)
  expect_match(told[[1]], paste0("[cross-validation] fold 2 (1/3)  accuracy=", accuracy[[1]]), fixed = TRUE)
  expect_match(told[[3]], "fold 9 (3/3)", fixed = TRUE)
})

test_that("it prints, is a table, and is drawn", {
  skip_if_no_python()
  result <- by_numbers()
  shown <- utils::capture.output(print(result))
  expect_identical(shown, format(result))
  expect_identical(shown[[1]], "<edaphos_cross_validation>")
  expect_match(shown[[5]], sprintf("%.3f", mean(result$table$accuracy)), fixed = TRUE)
  expect_identical(as.data.frame(result), result$table)
  expect_identical(deep_copy(result), result)
  skip_if_lacking("generics")
  expect_identical(generics::tidy(result), result$table)
  withr::with_pdf(tempfile(), {
    expect_identical(plot(result, "log_loss", main = "folds"), result)
    expect_identical(plot(result, pch = 1, xaxt = "n"), result)
    expect_error(plot(result, "rmse"), class = "edaphosbridge_input_error", "must be one of")
  })
  skip_if_lacking("ggplot2")
  drawn <- ggplot2::autoplot(result, measure = "log_loss")
  expect_identical(ggplot2::layer_data(drawn)$y, result$table$log_loss)
  expect_error(ggplot2::autoplot(result, measure = 3), class = "edaphosbridge_input_error")
})

test_that("bad input is named before any work", {
  skip_if_no_python()
  refused <- function(argument, says, ..., fit = foundation_fit_classifier, y = soil_y) {
    expect_refused(
      foundation_cross_validate(fit, soil_encoder(), soil_x, y, ...), argument, says,
      of = "foundation_cross_validate"
    )
  }
  refused("fit", c("foundation_fit_classifier", "found \"fit\""), fit = "fit")
  refused("fit", "found function", fit = mean)
  refused("fit", "found list", fit = list())
  refused("y", "one label for each of the 48 patches", y = soil_y[-1])
  refused("epoch", c("is no argument", "Did you mean `epochs`"), epoch = 3)
  refused("validation", "is no argument", validation = 1:3)
  refused("val_split", "no setting of a cross-validation", val_split = 0.2)
  refused("epoch", "`batch_size`, `lr`, `weight_decay`, `backbone_lr_mult`, `device`", epoch = 3)
  refused("epochs", "positive whole number", epochs = 0)
  refused("k", "together with `folds`", k = 3, folds = numbers)
  refused("k", "at most 12, the number of groups", k = 13, groups = fields)
  refused("folds", "together with `groups`", groups = fields, folds = numbers)
  refused("block_size", "is needed", blocks = cbind(1:48, 1))
  refused("n_jobs", "positive whole number", n_jobs = 0)
  refused("verbose", "true/false", verbose = "yes")
  missing_integer <- array(as.integer(soil_x), dim(soil_x))
  missing_integer[3] <- NA
  expect_refused(
    foundation_cross_validate(foundation_fit_classifier, soil_encoder(), missing_integer, soil_y),
    "x", "first: 3;", of = "foundation_cross_validate"
  )
  expect_refused(
    foundation_cross_validate(foundation_fit_classifier, own_module(), soil_x, soil_y, n_jobs = 2),
    "n_jobs", "must be 1 for an encoder of your own", of = "foundation_cross_validate"
  )
  expect_refused(
    foundation_cross_validate(encoder = soil_encoder(), x = soil_x, y = soil_y),
    "fit", "is missing", of = "foundation_cross_validate"
  )
})

test_that("recipes, regressors and labels are cross-validated as classifiers are", {
  skip_if_no_python()
  rows <- which(numbers == 5)
  start <- quick_fit(epochs = 1)
  tuned <- cross(
    fit = foundation_finetune_classifier, encoder = start, folds = numbers, epochs = NULL,
    recipe = list(foundation_phase(1, lr = 1e-2), foundation_phase(1, lr = 1e-3, freeze_to = 1L))
  )
  alone <- foundation_finetune_classifier(
    start, soil_x, soil_y,
    folds = numbers, fold = 5, seed = 3, epochs = NULL,
    recipe = list(foundation_phase(1, lr = 1e-2), foundation_phase(1, lr = 1e-3, freeze_to = 1L))
  )
  expect_identical(tuned$predictions[rows, ], prob(alone, patches(rows)))
  clay <- apply(soil_x, 1, mean)
  measured <- cross(fit = foundation_fit_regressor, y = clay, folds = numbers)
  expect_named(measured$table, c("fold", "n_train", "n_test", "rmse", "mae", "r_squared"))
  alone <- foundation_fit_regressor(
    soil_encoder(), soil_x, clay,
    folds = numbers, fold = 5, seed = 3, epochs = 2
  )
  expect_identical(measured$predictions[rows, 1], as.vector(predict(alone, patches(rows))))
  labels <- lapply(as.integer(soil_y), function(code) c("wet", "dark")[c(code > 1, code != 2)])
  several <- cross(fit = foundation_fit_multilabel, y = labels, folds = numbers)
  expect_identical(several$columns, c("dark", "wet"))
})

test_that("a measure without a value in some folds has the mean of the others, and without any no plot", {
  fake <- function(values) {
    structure(
      list(table = data.frame(fold = 1:3, n_train = 47L, n_test = 1L, rmse = 1:3, r_squared = values)),
      class = c("edaphosbridge_cross_validation", "edaphos_cross_validation")
    )
  }
  some <- fake(c(NA, 0.5, 0.25))
  withr::with_pdf(tempfile(), {
    expect_silent(plot(some, "r_squared"))
    none <- expect_error(plot(fake(NA_real_), "r_squared"), class = "edaphosbridge_input_error")
  })
  expect_match(conditionMessage(none), "`measure` has no value in any fold; found \"r_squared\".", fixed = TRUE)
  skip_if_lacking("ggplot2")
  drawn <- expect_silent(ggplot2::autoplot(some, "r_squared"))
  expect_identical(ggplot2::layer_data(drawn, 2L)$yintercept, 0.375)
  expect_error(ggplot2::autoplot(fake(NA_real_), "r_squared"), class = "edaphosbridge_input_error")
})

test_that("a setting that names one thing twice is an error of the user's call", {
  skip_if_no_python()
  twice <- c(Oxisol = 1, Oxisol = 2)
  expect_refused(
    foundation_cross_validate(
      foundation_fit_classifier, soil_encoder(), soil_x, soil_y,
      class_weight = twice
    ),
    "class_weight", "names 'Oxisol' twice",
    of = "foundation_cross_validate"
  )
})
