# Version 0.1.0 gave its fits no parent class: "v1" has such.

saved <- function(name) {
  fit <- readRDS(test_path("v1", paste0(name, ".rds")))
  expect_false(inherits(fit, "edaphosbridge_fit"))
  fit
}

test_that("a classifier without the parent class is summarised, drawn and tabled", {
  skip_if_lacking("generics")
  skip_if_lacking("ggplot2")
  fit <- saved("classifier")
  expect_identical(summary(fit)$n, 12L)
  expect_output(print(summary(fit)), "Classifier of 3 classes: linear probing")
  expect_identical(generics::tidy(fit)$loss, fit$loss_history)
  expect_identical(generics::glance(fit)$epochs, 20L)
  expect_s3_class(ggplot2::autoplot(fit), "ggplot")
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  expect_identical(plot(fit), fit)
  expect_type(fit$state, "raw")
  expect_error(fit$normalisation <- NULL, class = "edaphosbridge_input_error")
})

test_that("a pretraining fit without it is, too", {
  skip_if_lacking("generics")
  for (name in c("pretrain", "simclr")) {
    fit <- saved(name)
    expect_identical(generics::tidy(fit)$loss, fit$loss_history)
    expect_output(print(summary(fit)), "Pretraining without labels")
    expect_error(fit[["encoder"]] <- NULL, class = "edaphosbridge_input_error")
  }
})

test_that("a classifier without it is fitted again", {
  skip_if_no_python()
  x <- readRDS(test_path("v1", "expected.rds"))$patches
  fit <- saved("classifier")
  y <- factor(rep(c("clay", "\u041e\u043a\u0441\u0438\u0441\u043e\u043b", "sand"), 4))
  again <- update(fit, x, factor(y, levels = fit$classes))
  expect_s3_class(again, "edaphosbridge_fit")
  expect_identical(again$config, fit$config)
  expect_close(again$loss_history, fit$loss_history, 1e-4)
})

test_that("methods of the parent class are found by each class that had them", {
  registered <- methods_of_saved_fits()
  expect_true('S3method("print",edaphosbridge_probe_sweep,"print.edaphosbridge_fit")' %in% registered)
  for (method in sub('.*"(.+)"\\)$', "\\1", registered)) {
    expect_true(is.function(get(method, asNamespace("edaphosbridge"))))
  }
})
