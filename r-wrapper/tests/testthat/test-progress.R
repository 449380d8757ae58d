# The messages of a verbose fit.
lines_of <- function(...) {
  lines <- character()
  withCallingHandlers(
    quick_fit(verbose = TRUE, ...),
    message = function(condition) {
      lines <<- c(lines, conditionMessage(condition))
      invokeRestart("muffleMessage")
    }
  )
  lines
}

test_that("verbose = TRUE reports the first, every tenth and the last epoch as messages", {
  skip_if_no_python()
  lines <- lines_of(epochs = 25)
  expect_length(lines, 4)
  form <- "^\\[classifier\\] ep ([ 0-9]{3})/25  loss=[0-9]+\\.[0-9]{4}  val_acc=[01]\\.[0-9]{3}\n$"
  expect_match(lines, form)
  expect_identical(sub(form, "\\1", lines), c("  1", " 10", " 20", " 25"))
})

test_that("the reported numbers are those of the histories", {
  skip_if_no_python()
  lines <- lines_of(epochs = 12, seed = 4)
  fit <- quick_fit(epochs = 12, seed = 4)
  shown <- c(1, 10, 12)
  expect_identical(
    lines,
    sprintf(
      "[classifier] ep %3d/12  loss=%.4f  val_acc=%.3f\n",
      shown, fit$loss_history[shown], fit$val_accuracy_history[shown]
    )
  )
})

test_that("without validation rows the accuracy is reported as NA", {
  skip_if_no_python()
  expect_match(lines_of(epochs = 1, val_split = 0), "ep   1/1  loss=.*  val_acc=NA\n$")
})

test_that("one epoch is reported once", {
  skip_if_no_python()
  expect_length(lines_of(epochs = 1), 1)
})

test_that("suppressMessages() silences a verbose fit, and verbose = FALSE says nothing", {
  skip_if_no_python()
  expect_silent(suppressMessages(quick_fit(verbose = TRUE)))
  expect_silent(quick_fit(verbose = FALSE))
})

test_that("reporting changes nothing in the result", {
  skip_if_no_python()
  expect_identical(suppressMessages(quick_fit(verbose = TRUE)), quick_fit())
})

test_that("a handler of messages may leave the fit, and the session goes on", {
  skip_if_no_python()
  encoder_before <- deep_copy(soil_encoder())
  for (freeze in c(TRUE, FALSE)) {
    left <- tryCatch(
      quick_fit(verbose = TRUE, freeze_backbone = freeze, epochs = 1e6),
      message = function(condition) conditionMessage(condition)
    )
    expect_match(left, "^\\[classifier\\] ep   1/1000000  loss=")
    expect_identical(soil_encoder(), encoder_before)
  }
  expect_identical(list(x = soil_x, y = soil_y), pristine)
  again <- quick_fit()
  expect_identical(again, quick_fit())
})

test_that("Python ends the fit before a handler of messages leaves it", {
  skip_if_no_python()
  # a list that only Python's own end of the call puts back
  filters <- function() reticulate::py_eval("str(id(__import__('warnings').filters))")
  before <- filters()
  for (leave in list(
    function(fit) tryCatch(fit, message = identity),
    function(fit) withRestarts(
      withCallingHandlers(fit, message = function(condition) invokeRestart("out")),
      out = function() NULL
    ),
    function(fit) try(
      withCallingHandlers(fit, message = function(condition) stop("enough")), silent = TRUE
    )
  )) {
    leave(quick_fit(verbose = TRUE, epochs = 1e6))
    expect_identical(filters(), before)
  }
})

test_that("an error in a handler of messages leaves the fit too", {
  skip_if_no_python()
  ended <- tryCatch(
    withCallingHandlers(
      quick_fit(verbose = TRUE, epochs = 1e6),
      message = function(condition) stop("enough")
    ),
    error = function(condition) conditionMessage(condition)
  )
  expect_identical(ended, "enough")
  expect_s3_class(quick_fit(), "edaphosbridge_classifier")
})
