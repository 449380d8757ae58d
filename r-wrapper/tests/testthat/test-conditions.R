# --- the user's own call -------------------------------------------------------------------

test_that("a condition carries the call as the user wrote it", {
  skip_if_no_python()
  condition <- expect_error(foundation_fit_classifier(soil_encoder(), soil_x, soil_y, epochs = 0))
  expect_identical(
    conditionCall(condition),
    quote(foundation_fit_classifier(soil_encoder(), soil_x, soil_y, epochs = 0))
  )
  fit <- soil_fit()
  condition <- expect_error(predict(fit, soil_x, type = "raw"))
  expect_identical(conditionCall(condition), quote(predict(fit, soil_x, type = "raw")))
  expect_match(condition$traceback, "Traceback")
})

# --- warnings ------------------------------------------------------------------------------

test_that("a class that the split leaves without training rows is a warning, not an error", {
  skip_if_no_python()
  y <- factor(c("rare", rep(c("a", "b"), length.out = 47)), levels = c("rare", "a", "b"))
  seen <- NULL
  for (seed in 1:40) { # until a split holds out the rare row
    fit <- withCallingHandlers(
      foundation_fit_classifier(soil_encoder(), soil_x, y, epochs = 1, seed = seed),
      warning = function(condition) {
        seen <<- condition
        invokeRestart("muffleWarning")
      }
    )
    if (!is.null(seen)) break
  }
  expect_s3_class(seen, c("edaphosbridge_warning", "warning", "condition"), exact = TRUE)
  expect_match(conditionMessage(seen), "no training row of: rare", fixed = TRUE)
  expect_identical(conditionCall(seen)[[1]], as.name("foundation_fit_classifier"))
  expect_identical(fit$classes, c("rare", "a", "b"))
  expect_identical(ncol(prob(fit)), 3L)
})

test_that("a fit without anything to warn about does not warn", {
  skip_if_no_python()
  expect_no_warning(quick_fit())
})

test_that("warnings of the user's module are R warnings, from the fit and from predict()", {
  skip_if_no_python()
  module <- own_module(warn = TRUE)
  condition <- expect_warning(
    fit <- foundation_fit_classifier(module, soil_x, soil_y, epochs = 2, seed = 1),
    "the encoder of the user warns",
    class = "edaphosbridge_warning"
  )
  expect_identical(conditionCall(condition)[[1]], as.name("foundation_fit_classifier"))
  expect_s3_class(fit, "edaphosbridge_classifier")
  expect_warning(
    predict(fit, soil_x), "the encoder of the user warns",
    class = "edaphosbridge_warning"
  )
})

# --- messages: the device ------------------------------------------------------------------

test_that("a device that is not there falls back to the cpu with the original's message", {
  skip_if_no_python()
  python_module()
  backends <- reticulate::import("torch")
  there <- c(cuda = backends$cuda$is_available(), mps = backends$backends$mps$is_available())
  for (device in names(there)) {
    note <- sprintf(
      "note: '%s' backend requested but not available; falling back to 'cpu'.\n", device
    )
    said <- character()
    heard <- function(condition) {
      said <<- c(said, conditionMessage(condition))
      invokeRestart("muffleMessage")
    }
    fit <- withCallingHandlers(quick_fit(device = device), message = heard)
    expect_identical(said, if (there[[device]]) character() else note)
    expect_identical(fit$device, if (there[[device]]) device else "cpu")
    said <- character()
    probabilities <- withCallingHandlers(prob(soil_fit(), device = device), message = heard)
    expect_identical(said, if (there[[device]]) character() else note)
    expect_close(probabilities, prob(soil_fit()), 1e-5)
  }
})

# --- where it is shown ---------------------------------------------------------------------

test_that("lines of a verbose fit are R messages: capture.output() takes them, stdout has none", {
  skip_if_no_python()
  stdout <- utils::capture.output(
    messages <- utils::capture.output(
      fit <- quick_fit(verbose = TRUE, epochs = 2), type = "message"
    )
  )
  expect_match(messages, "^\\[classifier\\] ep   [12]/2  loss=")
  expect_length(messages, 2)
  expect_identical(stdout, character())
})

test_that("knitr shows messages, warnings and errors in their place", {
  skip_if_no_python()
  skip_if_lacking("knitr")
  withr::local_dir(withr::local_tempdir())
  document <- c(
    "```{r, error = TRUE, results = 'hide'}",
    "fit <- quick_fit(own_module(warn = TRUE), epochs = 2, verbose = TRUE)",
    "foundation_fit_classifier(soil_encoder(), soil_x, soil_y, epochs = 0)",
    "```"
  )
  knitted <- knitr::knit(text = document, quiet = TRUE, envir = environment())
  for (shown in c(
    "\n## [classifier] ep   1/2  loss=", "\n## [classifier] ep   2/2  loss=",
    "\n## Warning in foundation_fit_classifier(", "encoder of the user warns",
    "\n## Error in foundation_fit_classifier(soil_encoder(), soil_x, soil_y, epochs = 0): `epochs`"
  )) {
    expect_match(knitted, shown, fixed = TRUE)
  }
})

# --- other errors --------------------------------------------------------------------------

test_that("diverging training is an error of its own class, with the user's call", {
  skip_if_no_python()
  condition <- expect_error(
    quick_fit(x = soil_x * 1e37, lr = 1e10),
    class = "edaphosbridge_error"
  )
  expect_true(inherits(condition, c("edaphosbridge_training_error", "edaphosbridge_input_error")))
  expect_identical(conditionCall(condition)[[1]], as.name("foundation_fit_classifier"))
})

test_that("a module that fails in training is an input error that keeps the traceback", {
  skip_if_no_python()
  module <- own_module(fail_on = 48L) # not on the one patch that is tried first
  condition <- expect_error(
    foundation_fit_classifier(module, soil_x, soil_y, epochs = 1),
    class = "edaphosbridge_error"
  )
  expect_identical(class(condition)[[1]], "edaphosbridge_input_error")
  expect_match(conditionMessage(condition), "RuntimeError: the encoder of the user fails")
  expect_match(condition$traceback, "line [0-9]+, in forward")
  expect_identical(conditionCall(condition)[[1]], as.name("foundation_fit_classifier"))
})

test_that("every error can be caught by its classes", {
  skip_if_no_python()
  caught <- tryCatch(
    quick_fit(epochs = 0),
    edaphosbridge_weights_error = function(condition) "weights",
    edaphosbridge_input_error = function(condition) "input"
  )
  expect_identical(caught, "input")
  expect_identical(tryCatch(quick_fit(lr = -1), edaphosbridge_error = function(e) "ours"), "ours")
})
