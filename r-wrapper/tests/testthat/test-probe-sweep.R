# A sweep of few settings and epochs over the small data.
quick_sweep <- function(encoder = soil_encoder(), x = soil_x, y = soil_y, ...,
                        lr = c(0.1, 0.01), weight_decay = c(0, 0.01), C = 1, seeds = c(3, 1),
                        epochs = 3) {
  foundation_probe_sweep(
    encoder, x, y, ...,
    lr = lr, weight_decay = weight_decay, C = C, seeds = seeds, epochs = epochs
  )
}

test_that("each row equals its own single fit", {
  skip_if_no_python()
  results <- quick_sweep(C = NULL, epochs = 20)$results
  expect_identical(nrow(results), 8L)
  for (i in seq_len(nrow(results))) {
    row <- results[i, ]
    fit <- quick_fit(epochs = 20, lr = row$lr, weight_decay = row$weight_decay, seed = row$seed)
    expect_close(row$train_loss, fit$loss_history[[20]], 1e-6)
    expect_close(row$val_accuracy, fit$val_accuracy_history[[20]], 1e-6)
  }
})

test_that("the tables have a row for each fit and each setting, in the order given", {
  skip_if_no_python()
  sweep <- quick_sweep(C = c(10, 0.1))
  expect_identical(class(sweep), c("edaphosbridge_probe_sweep", "edaphos_probe_sweep"))
  settings <- sweep$settings
  expect_identical(settings$solver, rep(c("adam", "lbfgs"), c(4, 2)))
  expect_identical(settings$lr, c(0.1, 0.1, 0.01, 0.01, NA, NA))
  expect_identical(settings$weight_decay, c(0, 0.01, 0, 0.01, NA, NA))
  expect_identical(settings$C, c(NA, NA, NA, NA, 10, 0.1))
  expect_equal(sweep$results$seed, rep(c(3, 1), 6))
  accuracies <- matrix(sweep$results$val_accuracy, 2)
  expect_close(settings$val_accuracy, colMeans(accuracies), 1e-12)
  expect_close(settings$val_accuracy_sd, apply(accuracies, 2, sd), 1e-12)
  expect_close(settings$val_loss, colMeans(matrix(sweep$results$val_loss, 2)), 1e-12)
})

test_that("the classifier is the single fit of the best setting on all rows", {
  skip_if_no_python()
  sweep <- quick_sweep(C = numeric())
  settings <- sweep$settings
  first <- order(-round(settings$val_accuracy, 12), settings$val_loss)[[1]]
  expect_identical(
    sweep$best,
    list(
      solver = "adam", lr = settings$lr[[first]], weight_decay = settings$weight_decay[[first]]
    )
  )
  single <- quick_fit(
    lr = sweep$best$lr, weight_decay = sweep$best$weight_decay, val_split = 0, seed = 3
  )
  expect_identical(sweep$classifier, single)
  expect_identical(update(sweep$classifier, soil_x, soil_y), single)
  expect_identical(predict(sweep, soil_x), predict(single, soil_x))
  expect_identical(predict(sweep, newdata = soil_x, type = "prob"), prob(single))
})

test_that("all methods work on the classifier of L-BFGS, and update() is refused", {
  skip_if_no_python()
  skip_if_lacking("generics")
  skip_if_lacking("ggplot2")
  fit <- quick_sweep(lr = NULL, C = 0.5, seeds = 2)$classifier
  expect_identical(fit$config[c("solver", "C", "seed")], list(solver = "lbfgs", C = 0.5, seed = 2L))
  n <- length(fit$loss_history)
  expect_identical(fit$config$epochs, n)
  expect_match(format(fit), "best val_acc:  NA", fixed = TRUE, all = FALSE)
  shown <- format(summary(fit))
  line <- sprintf("  training:  L-BFGS at C 0.5, %d evaluations, on cpu", n)
  expect_true(line %in% shown)
  expect_identical(nrow(generics::tidy(fit)), n)
  expect_identical(generics::glance(fit)$best_val_accuracy, NA_real_)
  augmented <- generics::augment(fit, soil_x)
  expect_identical(augmented$.pred_class, predict(fit, soil_x))
  drawn <- ggplot2::ggplot_build(ggplot2::autoplot(fit))$data[[1]]
  expect_identical(drawn$y, fit$loss_history)
  withr::local_pdf(NULL)
  expect_identical(plot(fit), fit)
  expect_refused(
    update(fit, soil_x, soil_y), "object", "Call foundation_probe_sweep() again",
    of = "update.edaphosbridge_classifier"
  )
})

test_that("a number is a grid of one, and whole numbers may be integers", {
  skip_if_no_python()
  one <- quick_sweep(lr = 0.1, weight_decay = 0L, C = 1L, seeds = 1:2)
  expect_identical(one, quick_sweep(lr = list(0.1), weight_decay = 0, C = 1, seeds = c(1, 2)))
  expect_identical(quick_sweep(seeds = 4L)$settings$val_accuracy_sd, rep(NA_real_, 5))
})

test_that("seeds may go beyond R's integers", {
  skip_if_no_python()
  sweep <- quick_sweep(seeds = 2^40, C = NULL)
  expect_identical(unique(sweep$results$seed), 2^40)
  expect_identical(sweep$classifier$config$seed, 2^40)
})

test_that("what diverges is NA", {
  skip_if_no_python()
  sweep <- quick_sweep(lr = c(1e38, 0.01), C = NULL)
  expect_identical(is.na(sweep$settings$val_accuracy), c(TRUE, TRUE, FALSE, FALSE))
  expect_identical(is.na(sweep$results$train_loss), rep(c(TRUE, FALSE), each = 4))
  expect_identical(sweep$best$lr, 0.01)
  expect_error(quick_sweep(lr = 1e38, C = NULL), class = "edaphosbridge_training_error")
})

test_that("printing shows the best setting", {
  skip_if_no_python()
  sweep <- quick_sweep(lr = 0.05, weight_decay = 1e-4, C = NULL, seeds = 1)
  expect_identical(
    capture.output(returned <- print(sweep)),
    c(
      "<edaphos_probe_sweep>",
      "  settings:      1, each with 1 seed",
      "  best:          adam, lr = 0.05, weight_decay = 0.0001",
      sprintf("  val_acc:       %.3f", sweep$settings$val_accuracy),
      "  classes:       Oxisol, Ultisol, Inceptisol"
    )
  )
  expect_identical(returned, sweep)
})

test_that("a sweep is whole after saveRDS() and readRDS() in a fresh R", {
  skip_if_no_python()
  file <- withr::local_tempfile(fileext = ".rds")
  for (sweep in list(quick_sweep(C = NULL), quick_sweep(lr = NULL))) {
    saveRDS(sweep, file)
    again <- in_fresh_r(
      function(file, x) {
        library(edaphosbridge)
        sweep <- readRDS(file)
        list(shown = format(sweep), prob = predict(sweep, x, type = "prob"), sweep = sweep)
      },
      list(file, soil_x)
    )
    expect_identical(again$sweep, sweep)
    expect_identical(again$shown, format(sweep))
    expect_identical(again$prob, predict(sweep, soil_x, type = "prob"))
  }
})

test_that("a Python module of the user's own is an encoder, and is left as it is", {
  skip_if_no_python()
  module <- own_module("dict")
  before <- reticulate::py$state_of(module)
  sweep <- quick_sweep(module)
  expect_identical(reticulate::py$state_of(module), before)
  expect_identical(dim(predict(sweep, soil_x, type = "prob")), c(48L, 3L))
})

test_that("the path of a file stands for its patches", {
  skip_if_no_python()
  file <- withr::local_tempfile(fileext = ".npy")
  reticulate::import("numpy")$save(file, soil_x)
  expect_identical(quick_sweep(x = file), quick_sweep())
})

test_that("verbose = TRUE reports as a fit does, and changes nothing", {
  skip_if_no_python()
  lines <- character()
  sweep <- withCallingHandlers(
    quick_sweep(verbose = TRUE, epochs = 12),
    message = function(condition) {
      lines <<- c(lines, conditionMessage(condition))
      invokeRestart("muffleMessage")
    }
  )
  expect_identical(substr(lines, 1, 22), paste0("[classifier] ep ", c("  1", " 10", " 12"), "/12"))
  expect_identical(sweep, quick_sweep(epochs = 12))
})

test_that("a handler of messages may leave a sweep, and the session goes on", {
  skip_if_no_python()
  left <- tryCatch(quick_sweep(verbose = TRUE), message = function(condition) "left")
  expect_identical(left, "left")
  expect_identical(quick_sweep(), quick_sweep())
})

test_that("what cannot be used is refused", {
  skip_if_no_python()
  refused <- function(code, argument, says) {
    expect_refused(code, argument, says, of = "foundation_probe_sweep")
  }
  sweep <- function(...) foundation_probe_sweep(soil_encoder(), soil_x, soil_y, ...)
  refused(sweep(lr = "a"), "lr", "found 'a'")
  refused(sweep(lr = c(0.1, NA)), "lr", "found NA")
  refused(sweep(lr = NULL, C = NULL), "lr", "must not be empty where `C` is empty too")
  refused(sweep(lr = mean), "lr", "must be a number or a sequence of numbers")
  refused(sweep(weight_decay = -1), "weight_decay", "found -1")
  refused(sweep(C = 0), "C", "found 0")
  refused(sweep(C = c(1, 1)), "C", "must name each value once; found c(1, 1)")
  refused(sweep(seeds = c(1, NA)), "seeds", "found NA")
  refused(sweep(seeds = integer()), "seeds", "at least one")
  refused(sweep(val_split = 0), "val_split", "greater than 0")
  refused(sweep(epochs = NULL), "epochs", "found NULL")
  refused(sweep(device = "gpu"), "device", "'cuda'")
  refused(foundation_probe_sweep(x = soil_x, y = soil_y), "encoder", "is missing")
  refused(foundation_probe_sweep(soil_encoder(), soil_x), "y", "is missing")
})
