crossed <- function(verb, ...) {
  values <- utils::modifyList(lapply(Filter(is_given, formals(verb)), eval), list(...))
  to_settings(values, formals(verb), NULL)
}
is_given <- function(default) !identical(default, quote(expr = ))

test_that("settings cross as their defaults are: choices, several numbers, or one value", {
  settings <- crossed(foundation_fit_classifier, head = "m", hidden = 8, lr = NA)
  expect_identical(settings$head, "mlp")
  expect_identical(settings$hidden, list(8))
  expect_identical(settings$lr, NaN)
  expect_identical(settings$device, "cpu")
  expect_identical(crossed(foundation_probe_sweep, lr = 0.1, seeds = 1:2)$lr, list(0.1))
  expect_identical(crossed(foundation_moco_pretrain)$crop_ratio, list(0.6, 1))
  expect_identical(
    crossed(foundation_moco_pretrain, checkpoint_dir = "~/a")$checkpoint_dir, to_path("~/a")
  )
})

test_that("data are no settings", {
  for (verb in list(foundation_fit_classifier, foundation_probe_sweep, foundation_moco_pretrain_tiles)) {
    expect_false(any(c("encoder", "x", "y", "dataset", "verbose") %in% names(crossed(verb))))
  }
})

test_that("a verb may be called by do.call() and inside other functions, with defaults", {
  skip_if_no_python()
  wrapped <- function(...) foundation_fit_classifier(...)
  settings <- list(soil_encoder(), soil_x, soil_y, epochs = 2, seed = 1)
  expect_identical(do.call(wrapped, settings), do.call("foundation_fit_classifier", settings))
})
