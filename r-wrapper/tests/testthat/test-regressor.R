# foundation_fit_regressor() and what R does with its fits.

clay <- 30 + 2 * apply(soil_x[, 1, , ], 1, mean)
both <- cbind(clay = clay, sand = 80 - 1.5 * clay)

quick_regressor <- function(y = clay, ..., x = soil_x, epochs = 3, seed = 5) {
  foundation_fit_regressor(soil_encoder(), x, y, ..., epochs = epochs, seed = seed)
}

clay_fit <- function() {
  if (is.null(made$clay_fit)) {
    made$clay_fit <- quick_regressor(epochs = 40, lr = 0.05)
  }
  made$clay_fit
}

test_that("a fit is of its classes and has the elements of the original", {
  skip_if_no_python()
  fit <- quick_regressor(loss = "huber")
  expect_s3_class(
    fit, c("edaphosbridge_regressor", "edaphosbridge_fit", "edaphos_foundation_regressor"),
    exact = TRUE
  )
  expect_close(fit$y_mean, mean(clay), 1e-14, 0)
  expect_close(fit$y_sd, sd(clay), 1e-14, 0)
  expect_identical(fit[c("loss_fn", "targets", "n_patches")], list(
    loss_fn = "huber", targets = NULL, n_patches = 48L
  ))
  expect_identical(fit$config$loss, "huber")
  expect_length(fit$val_rmse_history, 3)
  expect_identical(quick_regressor(val_split = 0)$val_rmse_history, rep(NA_real_, 3))
})

test_that("predictions are numbers in the unit of the target", {
  skip_if_no_python()
  predicted <- predict(clay_fit(), soil_x)
  expect_type(predicted, "double")
  expect_null(attributes(predicted))
  expect_gt(cor(predicted, clay), 0.8)
  expect_identical(predict(clay_fit(), newdata = soil_x, type = "response"), predicted)
  in_permille <- predict(quick_regressor(10 * clay), soil_x)
  expect_close(in_permille, 10 * predict(quick_regressor(), soil_x), 1e-5)
  expect_length(predict(clay_fit(), patches(1)), 1)
  expect_length(predict(clay_fit(), patches(0)), 0)
})

test_that("predictions are those of the weights in the fit", {
  skip_if_no_python()
  fit <- clay_fit()
  features <- foundation_simclr_embed(fit, soil_x)
  outputs <- drop(features %*% t(fit$head$weight)) + fit$head$bias
  expect_close(predict(fit, soil_x), outputs * fit$y_sd + fit$y_mean, 1e-5)
})

test_that("the error of validation rows is the root mean square in the unit of the target", {
  skip_if_no_python()
  fit <- clay_fit()
  errors <- predict(fit, soil_x) - clay
  # the rows held out are not known here: the error of all lies between nothing and twice theirs
  expect_lt(sqrt(mean(errors^2)), 2 * fit$val_rmse_history[[40]])
  in_permille <- quick_regressor(10 * clay)
  expect_close(in_permille$val_rmse_history, 10 * quick_regressor()$val_rmse_history, 1e-5)
})

test_that("several targets come back as a matrix with their names", {
  skip_if_no_python()
  fit <- quick_regressor(both)
  expect_identical(fit$targets, c("clay", "sand"))
  expect_close(fit$y_mean, colMeans(both), 1e-14, 0)
  expect_close(fit$y_sd, apply(both, 2, sd), 1e-14, 0)
  predicted <- predict(fit, soil_x)
  expect_identical(dim(predicted), c(48L, 2L))
  expect_identical(dimnames(predicted), list(NULL, c("clay", "sand")))
  expect_identical(predict(quick_regressor(as.data.frame(both)), soil_x), predicted)
  expect_identical(quick_regressor(unname(both))$targets, c("y1", "y2"))
  expect_identical(dim(predict(quick_regressor(both[, 1, drop = FALSE]), soil_x)), c(48L, 1L))
})

test_that("numbers are numbers whatever R stores them as", {
  skip_if_no_python()
  whole <- round(clay)
  expected <- quick_regressor(whole)$state
  expect_identical(quick_regressor(as.integer(whole))$state, expected)
  expect_identical(quick_regressor(ts(whole))$state, expected)
  expect_identical(quick_regressor(I(whole))$state, expected)
})

test_that("printing, summary and tidiers speak of the error, of which the lowest is the best", {
  skip_if_no_python()
  fit <- clay_fit()
  best <- which.min(fit$val_rmse_history)
  expect_match(format(fit)[[1]], "<edaphos_foundation_regressor>", fixed = TRUE)
  expect_match(format(fit)[[length(format(fit))]], sprintf("(epoch %d)", best), fixed = TRUE)
  summary <- summary(fit)
  expect_identical(summary$best_epoch, best)
  expect_identical(summary$best_val_rmse, fit$val_rmse_history[[best]])
  expect_identical(summary$n, 48L)
  expect_identical(summary$targets, data.frame(target = "y", mean = fit$y_mean, sd = fit$y_sd))
  lines <- format(summary)
  expect_identical(lines[[1]], "Regressor of 1 target: linear probing")
  expect_identical(lines[[5]], sprintf("    y  mean %.4g, sd %.4g", fit$y_mean, fit$y_sd))
  expect_match(lines[[8]], sprintf("val_rmse:  %.4g (epoch %d)", min(fit$val_rmse_history), best),
    fixed = TRUE
  )
  expect_identical(generics::tidy(fit), data.frame(
    epoch = 1:40, loss = fit$loss_history, val_rmse = fit$val_rmse_history
  ))
  glance <- generics::glance(fit)
  expect_identical(glance$n_targets, 1L)
  expect_identical(glance$best_val_rmse, min(fit$val_rmse_history))
  expect_match(format(summary(quick_regressor(both)))[[1]], "Regressor of 2 targets", fixed = TRUE)
})

test_that("augment() adds .pred, or one column a target", {
  skip_if_no_python()
  fit <- clay_fit()
  data <- data.frame(profile = letters[1:3])
  augmented <- generics::augment(fit, patches(1:3), data = data)
  expect_identical(augmented, cbind(data, .pred = predict(fit, patches(1:3))))
  several <- generics::augment(quick_regressor(both), patches(1:3))
  expect_named(several, c(".pred_clay", ".pred_sand"))
})

test_that("plots name the loss and the error", {
  skip_if_no_python()
  labels <- course_labels(clay_fit())
  expect_identical(labels, c(loss = "MSE of scaled targets", val_rmse = "validation RMSE"))
  expect_match(course_labels(quick_regressor(loss = "huber"))[["loss"]], "Huber")
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  expect_invisible(plot(clay_fit()))
  expect_refused(
    plot(clay_fit(), which = "val_accuracy"), "which", "\"val_rmse\"",
    of = "plot.edaphosbridge_fit"
  )
  expect_refused(
    plot(quick_regressor(val_split = 0), which = "val_rmse"), "which", "asks for the RMSE",
    of = "plot.edaphosbridge_fit"
  )
})

test_that("update() fits again with the loss of the first", {
  skip_if_no_python()
  fit <- quick_regressor(loss = "huber")
  expect_identical(update(fit, soil_x, clay)$state, fit$state)
  expect_identical(update(fit, soil_x, clay, loss = "mse")$loss_fn, "mse")
})

test_that("a fit survives saveRDS() into a fresh process", {
  skip_if_no_python()
  fit <- quick_regressor(both, head = "mlp", freeze_backbone = FALSE)
  file <- withr::local_tempfile(fileext = ".rds")
  saveRDS(list(fit = fit, x = soil_x), file)
  found <- in_fresh_r(function(file) {
    library(edaphosbridge)
    saved <- readRDS(file)
    list(predicted = predict(saved$fit, saved$x), printed = format(saved$fit))
  }, list(file))
  expect_identical(found$predicted, predict(fit, soil_x))
  expect_identical(found$printed, format(fit))
})

test_that("progress speaks of the error", {
  skip_if_no_python()
  said <- character()
  withCallingHandlers(
    fit <- quick_regressor(verbose = TRUE),
    message = function(m) {
      said <<- c(said, conditionMessage(m))
      invokeRestart("muffleMessage")
    }
  )
  expect_match(said[[1]], "[regressor] ep   1/3  loss=", fixed = TRUE)
  expect_match(said[[2]], sprintf("val_rmse=%.3f", fit$val_rmse_history[[3]]), fixed = TRUE)
})

test_that("bad targets are refused before any work", {
  skip_if_no_python()
  refused <- function(y, ...) {
    expect_refused(quick_regressor(y), "y", c(...), of = "foundation_fit_regressor")
  }
  missing <- replace(clay, c(3, 9), c(NA, Inf))
  refused(missing, "missing or infinite values in 2 of 48 rows (first: 3, 9; counted from 1)")
  refused(replace(as.integer(clay), 2, NA), "in 1 of 48 rows (first: 2;")
  refused(rep(7, 48), c("must vary; it is constant", "found 7"))
  refused(cbind(clay = clay, sand = 1), "target 'sand' is constant")
  refused(clay[-1], c("one row for each of the 48 patches", "found 47"))
  refused(soil_y, c("must be a numeric vector", "found factor"))
  refused(as.character(clay), "found character")
  refused(clay > 30, "found logical")
  refused(as.Date("2020-01-01") + 1:48, "found Date")
  refused(data.frame(clay, soil_y), "found numeric, factor")
  refused(list(clay), "found list")
  refused(NULL, "found NULL")
  refused(both[, c("clay", "clay")], "one name for each column")
})

test_that("other bad input is refused by its name", {
  skip_if_no_python()
  refused <- function(argument, says, ...) {
    expect_refused(quick_regressor(...), argument, says, of = "foundation_fit_regressor")
  }
  refused("loss", "must be one of 'mse', 'huber'; found 'mae'", loss = "mae")
  refused("loss", "found NA", loss = NA)
  refused("head", "must be one of", head = "conv")
  refused("x", "four dimensions", x = soil_x[, , 1, 1])
  expect_refused(foundation_fit_regressor(soil_encoder(), soil_x), "y", "is missing",
    of = "foundation_fit_regressor"
  )
  expect_refused(predict(clay_fit(), soil_x, type = "prob"), "type", "'response'", of = "predict")
})
