fake_fit <- function(val_accuracy = c(0.5, 1, 0.75)) {
  structure(
    list(loss_history = c(3, 2.5, 2), val_accuracy_history = val_accuracy),
    class = c("edaphosbridge_classifier", "edaphos_foundation_classifier")
  )
}

local_device <- function(frame = parent.frame()) {
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off(), frame)
}

test_that("plot() draws loss and accuracy side by side and returns the fit invisibly", {
  local_device()
  fit <- fake_fit()
  expect_identical(withVisible(plot(fit)), list(value = fit, visible = FALSE))
  expect_identical(graphics::par("mfrow"), c(1L, 1L)) # put back
})

test_that("plot() draws what `which` asks for", {
  local_device()
  plot(fake_fit(), which = "loss")
  expect_equal(graphics::par("usr"), c(0.92, 3.08, 1.96, 3.04))
  plot(fake_fit(), which = "val_accuracy", ylim = c(0, 1))
  expect_equal(graphics::par("usr"), c(0.92, 3.08, -0.04, 1.04))
})

test_that("without validation rows only the loss is drawn", {
  local_device()
  plot(fake_fit(rep(NA_real_, 3)))
  expect_equal(graphics::par("usr")[3:4], c(1.96, 3.04))
  expect_refused(
    plot(fake_fit(rep(NA_real_, 3)), which = "val_accuracy"), "which", "`val_split` was 0",
    of = "plot.edaphosbridge_classifier"
  )
})

test_that("another `which` is refused", {
  for (which in list("both", character(), NULL, 1, c("loss", "b"))) {
    expect_refused(
      plot(fake_fit(), which = which), "which", "\"loss\", \"val_accuracy\" or both",
      of = "plot.edaphosbridge_classifier"
    )
  }
})

# What plot() writes below the axis.
xlab_of <- function(fit, ...) {
  file <- withr::local_tempfile(fileext = ".pdf")
  withr::with_pdf(file, plot(fit, which = "loss", ...), compress = FALSE, useKerning = FALSE)
  lines <- readLines(file, warn = FALSE) # a PDF has bytes that are no text
  texts <- regmatches(lines, regexpr("\\(.*\\) Tj", lines, useBytes = TRUE))
  known <- c("epoch", "evaluation of the gradient", "step")
  intersect(known, gsub("^\\(|\\) Tj$", "", texts))
}

test_that("the axis counts epochs, or L-BFGS's evaluations of the gradient", {
  fit <- fake_fit()
  expect_identical(xlab_of(fit), "epoch")
  fit$config <- list(solver = "lbfgs", C = 1)
  expect_identical(xlab_of(fit), "evaluation of the gradient")
  expect_identical(xlab_of(fit, xlab = "step"), "step")
})
