panels <- function(plot) ggplot2::layer_data(plot)[c("PANEL", "x", "y")]

test_that("autoplot() shows the loss and the accuracy of each epoch", {
  skip_if_lacking("ggplot2")
  fit <- structure(
    list(loss_history = c(3, 2.5, 2), val_accuracy_history = c(0.5, 1, 0.75)),
    class = c("edaphosbridge_classifier", "edaphos_foundation_classifier")
  )
  plot <- ggplot2::autoplot(fit)
  expect_s3_class(plot, "ggplot")
  shown <- panels(plot)
  expect_identical(as.integer(shown$PANEL), rep(1:2, each = 3))
  expect_equal(shown$x, rep(1:3, 2), ignore_attr = TRUE)
  expect_equal(shown$y, c(3, 2.5, 2, 0.5, 1, 0.75))
  # as plot() has it: the names, and a dotted line at the first best epoch, in both panels
  expect_identical(levels(plot$data$panel), c("cross-entropy", "validation accuracy"))
  expect_identical(plot$labels$x, "epoch")
  expect_identical(unique(ggplot2::layer_data(plot, 2)$xintercept), 2)
  fit$val_accuracy_history <- rep(NA_real_, 3)
  expect_equal(panels(ggplot2::autoplot(fit))$y, c(3, 2.5, 2))
})

test_that("autoplot() shows the loss of a pretraining fit", {
  skip_if_lacking("ggplot2")
  fit <- structure(
    list(method = "moco", loss_history = c(3, 2.5)),
    class = c("edaphosbridge_pretrain", "edaphos_foundation_moco")
  )
  plot <- ggplot2::autoplot(fit)
  expect_equal(panels(plot)$y, c(3, 2.5))
  expect_identical(plot$labels$y, "InfoNCE loss")
  expect_identical(plot$labels$title, "moco pretraining")
})

test_that("autoplot() of one epoch is a point, and the ticks are whole epochs", {
  skip_if_lacking("ggplot2")
  drawn <- function(epochs) {
    fit <- structure(
      list(method = "simclr", loss_history = seq(3, 2, length.out = epochs)),
      class = c("edaphosbridge_pretrain", "edaphos_foundation_simclr")
    )
    plot <- ggplot2::autoplot(fit)
    breaks <- ggplot2::ggplot_build(plot)$layout$panel_params[[1]]$x$breaks
    list(class(plot$layers[[1]]$geom)[[1]], as.numeric(breaks[!is.na(breaks)]))
  }
  expect_identical(drawn(1), list("GeomPoint", 1))
  expect_identical(drawn(2), list("GeomLine", c(1, 2)))
  expect_identical(drawn(3), list("GeomLine", c(1, 2, 3)))
  expect_identical(drawn(30), list("GeomLine", seq(5, 30, 5)))
})
