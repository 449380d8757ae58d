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
  expect_identical(
    class(sweep), c("edaphosbridge_probe_sweep", "edaphosbridge_fit", "edaphos_probe_sweep")
  )
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

# --- summaries and plots -------------------------------------------------------------------

# Three settings of Adam, one of them diverged, and two of L-BFGS.
fake_sweep <- function(seeds = c(3, 1), settings = fake_settings) {
  fit <- structure(
    list(
      encoder = structure(list(architecture = "moco"), class = "edaphosbridge_encoder"),
      classes = c("a", "b"), loss_history = 1, val_accuracy_history = NA_real_, feature_dim = 64L,
      head_type = "linear", freeze_backbone = TRUE, device = "cpu", in_channels = 4L,
      patch_size = c(9L, 9L), class_counts = c(a = 8L, b = 12L), config = list(seed = 3L)
    ),
    class = c("edaphosbridge_classifier", "edaphos_foundation_classifier")
  )
  structure(
    list(
      classifier = fit, best = list(solver = "adam", lr = 0.1, weight_decay = 1e-4),
      settings = settings, results = data.frame(seed = rep(seeds, nrow(settings))), config = list()
    ),
    class = c("edaphosbridge_probe_sweep", "edaphos_probe_sweep")
  )
}

fake_settings <- data.frame(
  solver = c("adam", "adam", "adam", "lbfgs", "lbfgs"), lr = c(0.1, 0.1, 1e38, NA, NA),
  weight_decay = c(0, 1e-4, 0, NA, NA), C = c(NA, NA, NA, 1, 10),
  val_accuracy = c(0.7, 0.8, NA, 0.75, 0.8), val_accuracy_sd = c(0.1, 0.05, NA, 0.1, 0.2),
  val_loss = c(0.6, 0.4, NA, 0.5, 0.41)
)

test_that("the summary has the settings, the best first, and the classifier's summary", {
  summary <- summary(fake_sweep())
  expect_s3_class(
    summary, c("summary.edaphosbridge_probe_sweep", "summary.edaphosbridge_fit"),
    exact = TRUE
  )
  expect_identical(summary$settings, `rownames<-`(fake_settings[c(2, 5, 4, 1, 3), ], NULL))
  expect_identical(summary$best, list(solver = "adam", lr = 0.1, weight_decay = 1e-4))
  expect_identical(summary[c("val_accuracy", "val_accuracy_sd")], list(val_accuracy = 0.8, val_accuracy_sd = 0.05))
  expect_identical(summary[c("n_seeds", "n_diverged")], list(n_seeds = 2L, n_diverged = 1L))
  expect_s3_class(summary$classifier, "summary.edaphosbridge_classifier")
  expect_snapshot(print(summary), cran = TRUE)
  one <- fake_settings[2, ]
  one$val_accuracy_sd <- NA_real_
  expect_snapshot(print(summary(fake_sweep(seeds = 1, settings = one))), cran = TRUE)
})

test_that("tidy() has a row a setting, glance() one, augment() the predictions of the best", {
  skip_if_no_python()
  skip_if_lacking("generics")
  sweep <- quick_sweep()
  expect_identical(generics::tidy(sweep), sweep$settings)
  one <- generics::glance(sweep)
  expect_identical(nrow(one), 1L)
  expect_identical(
    one[1:8],
    data.frame(
      nobs = 48L, n_classes = 3L, architecture = "simclr", feature_dim = 32L, n_settings = 5L,
      n_seeds = 2L, n_diverged = 0L, device = "cpu"
    )
  )
  expect_identical(as.list(one[names(sweep$best)]), sweep$best)
  expect_identical(one$val_accuracy, max(sweep$settings$val_accuracy))
  data <- data.frame(id = 48:1)
  expect_identical(
    generics::augment(sweep, soil_x, data = data),
    generics::augment(sweep$classifier, soil_x, data = data)
  )
})

test_that("update() makes the sweep again, with what is changed", {
  skip_if_no_python()
  sweep <- quick_sweep(val_split = 0.3, epochs = 4)
  expect_identical(sweep$config, list(
    lr = c(0.1, 0.01), weight_decay = c(0, 0.01), C = 1, seeds = c(3, 1), epochs = 4L,
    batch_size = 32L, val_split = 0.3
  ))
  expect_identical(update(sweep, soil_x, soil_y), sweep)
  expect_identical(
    update(sweep, soil_x, soil_y, C = NULL, seeds = 1),
    quick_sweep(val_split = 0.3, epochs = 4, C = NULL, seeds = 1)
  )
  lbfgs <- quick_sweep(lr = NULL)
  expect_identical(update(lbfgs, soil_x, soil_y), lbfgs)
  expect_identical(unique(update(lbfgs, soil_x, soil_y, lr = 0.1)$settings$weight_decay), c(0, 1e-4, 1e-2, NA))
})

test_that("plot() draws Adam and L-BFGS side by side, and leaves par() alone", {
  withr::local_pdf(NULL)
  sweep <- fake_sweep()
  before <- graphics::par("mfrow", "mar", "cex")
  expect_identical(withVisible(plot(sweep)), list(value = sweep, visible = FALSE))
  expect_identical(graphics::par("mfrow", "mar", "cex"), before)
  # the means with their standard deviations, what diverged left out
  points <- sweep_points(sweep)
  expect_identical(points$setting, c(0.1, 0.1, 1, 10))
  expect_equal(points$low, c(0.6, 0.75, 0.65, 0.6))
  expect_equal(points$high, c(0.8, 0.85, 0.85, 1))
  expect_identical(points$best, c(FALSE, TRUE, FALSE, FALSE))
  expect_silent(plot(fake_sweep(settings = fake_settings[2, ]), ylim = c(0, 1), main = "one"))
})

test_that("autoplot() shows what plot() shows", {
  skip_if_lacking("ggplot2")
  sweep <- fake_sweep()
  plot <- ggplot2::autoplot(sweep)
  expect_identical(as.character(unique(plot$data$panel)), c("learning rate of Adam", "C of L-BFGS"))
  bars <- ggplot2::layer_data(plot, 1)
  expect_equal(bars$ymin, sweep_points(sweep)$low)
  expect_equal(bars$ymax, sweep_points(sweep)$high)
  expect_equal(ggplot2::layer_data(plot, 2)$x, c(0, 1)) # the line of L-BFGS; Adam has one rate
  best <- ggplot2::layer_data(plot, 4)
  expect_equal(c(best$x, best$y), c(-1, 0.8))
  expect_silent(ggplot2::ggplot_build(ggplot2::autoplot(fake_sweep(settings = fake_settings[2, ]))))
})
