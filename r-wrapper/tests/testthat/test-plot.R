fake_fit <- function(val_accuracy = c(0.5, 1, 0.75), loss = c(3, 2.5, 2)) {
  structure(
    list(loss_history = loss, val_accuracy_history = val_accuracy),
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
})

test_that("plot() leaves par() as the user has it", {
  local_device()
  graphics::par(mar = c(2, 2, 1, 1), cex = 0.7, las = 1)
  graphics::plot(1)
  before <- graphics::par(no.readonly = TRUE)
  plot(fake_fit())
  expect_identical(graphics::par(no.readonly = TRUE), before)
  # where there are several panels, the two plots go into the next ones
  graphics::par(mfrow = c(2, 2))
  graphics::plot(1)
  before <- graphics::par("mfrow", "cex", "mar", "las")
  plot(fake_fit())
  expect_identical(graphics::par("mfrow", "cex", "mar", "las"), before)
  expect_identical(graphics::par("mfg"), c(2L, 1L, 2L, 2L))
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

# The lines of the PDF that plot() draws, without the time it was made.
drawn_by <- function(...) {
  file <- withr::local_tempfile(fileext = ".pdf")
  withr::with_pdf(file, plot(...), compress = FALSE, useKerning = FALSE)
  lines <- readLines(file, warn = FALSE) # a PDF has bytes that are no text
  lines[!grepl("Date", lines, useBytes = TRUE)]
}

# What plot() writes.
texts_of <- function(...) {
  lines <- drawn_by(...)
  texts <- regmatches(lines, regexpr("\\(.*\\) Tj", lines, useBytes = TRUE))
  gsub("^\\(|\\) Tj$", "", texts)
}

xlab_of <- function(fit, ...) {
  known <- c("epoch", "evaluation of the gradient", "step")
  intersect(known, texts_of(fit, which = "loss", ...))
}

test_that("one epoch is drawn as a point, several as a line", {
  fits <- list(
    fake_fit(1, loss = 2),
    structure(
      list(method = "moco", loss_history = 2.5),
      class = c("edaphosbridge_pretrain", "edaphos_foundation_moco")
    )
  )
  for (one in fits) {
    expect_identical(drawn_by(one), drawn_by(one, type = "p"))
    expect_false(identical(drawn_by(one), drawn_by(one, type = "n")))
  }
  expect_identical(drawn_by(fake_fit()), drawn_by(fake_fit(), type = "l"))
})

test_that("the ticks of the axis are whole epochs, unless the caller draws the axis", {
  epochs_of <- function(n, ...) {
    fit <- fake_fit(rep(NA_real_, n), loss = rev(seq_len(n)))
    grep("^[0-9.]+$", texts_of(fit, yaxt = "n", ...), value = TRUE)
  }
  expect_identical(epochs_of(1), "1")
  expect_identical(epochs_of(2), c("1", "2"))
  expect_identical(epochs_of(3), c("1", "2", "3"))
  expect_identical(epochs_of(30), c("5", "10", "15", "20", "25", "30"))
  expect_identical(epochs_of(100, log = "x"), c("1", "2", "5", "10", "20", "50", "100"))
  expect_length(epochs_of(3, xaxt = "n"), 0)
  expect_length(epochs_of(3, axes = FALSE), 0)
})

test_that("the axis counts epochs, or L-BFGS's evaluations of the gradient", {
  fit <- fake_fit()
  expect_identical(xlab_of(fit), "epoch")
  fit$config <- list(solver = "lbfgs", C = 1)
  expect_identical(xlab_of(fit), "evaluation of the gradient")
  expect_identical(xlab_of(fit, xlab = "step"), "step")
})

test_that("every plot of a course takes the axes of the user's", {
  fits <- list(
    fake_fit(),
    structure(
      list(method = "moco", loss_history = c(3, 2.5)),
      class = c("edaphosbridge_pretrain", "edaphos_foundation_moco")
    ),
    structure(
      list(table = data.frame(fold = 1:2, n_train = 3L, n_test = 3L, rmse = c(1, 2))),
      class = "edaphosbridge_cross_validation"
    ),
    structure(
      list(
        table = data.frame(lr = c(1e-3, 1e-2), smoothed = c(2, 1)), suggestion = list(valley = 2e-3)
      ),
      class = "edaphosbridge_lr_find"
    ),
    structure(
      list(members = list(fake_fit()), loss_histories = list(c(3, 2))), class = "edaphosbridge_ensemble"
    ),
    structure(
      list(
        settings = data.frame(
          solver = "adam", lr = c(0.1, 0.2), weight_decay = 0, C = NA, val_accuracy = c(0.5, 0.75),
          val_accuracy_sd = NA
        ),
        best = list(solver = "adam", lr = 0.2)
      ),
      class = "edaphosbridge_probe_sweep"
    )
  )
  for (fit in fits) {
    texts <- texts_of(fit, xlab = "mine", ylab = "yours", main = "theirs", sub = "ours", type = "b", col = 2)
    expect_true(all(c("mine", "yours", "theirs", "ours") %in% texts), label = class(fit)[[1]])
  }
  for (fit in fits[4:6]) { # of the others it is short for `ylab`
    expect_error(plot(fit, y = 3), class = "edaphosbridge_input_error")
  }
})

test_that("the accuracy of turns stands beside that of chance", {
  local_device()
  turns <- structure(
    list(method = "rotation", loss_history = c(2, 1), val_accuracy_history = c(0.5, 0.75)),
    class = c("edaphosbridge_pretrain", "edaphos_foundation_rotation")
  )
  plot(turns, which = "val_accuracy")
  expect_equal(graphics::par("usr")[3:4], c(0.23, 0.77))
  plot(turns, which = "val_accuracy", ylim = c(0, 1))
  expect_equal(graphics::par("usr")[3:4], c(-0.04, 1.04))
  skip_if_lacking("ggplot2")
  lines <- ggplot2::layer_data(ggplot2::autoplot(turns), 2L)
  expect_identical(lines$yintercept, 0.25)
  expect_identical(as.integer(lines$PANEL), 2L)
})
