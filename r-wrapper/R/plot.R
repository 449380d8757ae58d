#' Plot the course of a classifier's training
#'
#' The loss and the validation accuracy of each epoch, side by side. A dotted line
#' marks the first epoch of the best accuracy.
#'
#' @param x A fit of [foundation_fit_classifier()].
#' @param which `"loss"`, `"val_accuracy"` or both. Without validation rows
#'   (`val_split = 0`) only the loss is drawn.
#' @param type,xlab,... As in [graphics::plot.default()].
#' @return `x`, invisibly.
#' @seealso `autoplot()` in [autoplot.edaphosbridge_classifier()] for ggplot2
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' y <- factor(rep(c("Oxisol", "Ultisol"), 30))
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_classifier(encoder, x, y, epochs = 3, seed = 1)
#' plot(fit)
#' plot(fit, which = "loss", log = "y")
#' @export
plot.edaphosbridge_classifier <- function(x, which = c("loss", "val_accuracy"), type = "l",
                                          xlab = NULL, ...) {
  stop_if_unused("plot", ..., also = graphical_parameters())
  labels <- c(loss = "cross-entropy", val_accuracy = "validation accuracy")
  if (!is.character(which) || length(which) == 0L || !all(which %in% names(labels))) {
    stop_input("which", "must be \"loss\", \"val_accuracy\" or both.", sys.call())
  }
  if (is.null(xlab)) {
    # L-BFGS from foundation_probe_sweep() has no epochs
    xlab <- if (identical(x$config$solver, "lbfgs")) "evaluation of the gradient" else "epoch"
  }
  history <- history_of(x)
  drawn <- Filter(function(name) !all(is.na(history[[name]])), unique(which))
  if (length(drawn) == 0L) {
    stop_input("which", "asks for the accuracy, but `val_split` was 0.", sys.call())
  }
  if (length(drawn) > 1L) {
    before <- graphics::par(mfrow = c(1L, 2L))
    on.exit(graphics::par(before))
  }
  for (name in drawn) {
    graphics::plot(
      history$epoch, history[[name]],
      type = type, xlab = xlab, ylab = labels[[name]], ...
    )
    graphics::abline(v = best_epoch_of(x), lty = "dotted")
  }
  invisible(x)
}

# What plot.default() takes: its arguments, and those of par() and lines() that it hands on.
graphical_parameters <- function() {
  c(
    names(formals(graphics::plot.default)),
    "adj", "bg", "bty", "cex", "cex.axis", "cex.lab", "cex.main", "cex.sub", "col", "col.axis",
    "col.lab", "col.main", "col.sub", "crt", "err", "family", "fg", "font", "font.axis",
    "font.lab", "font.main", "font.sub", "lab", "las", "lend", "lheight", "ljoin", "lmitre", "lty",
    "lwd", "mgp", "mkh", "pch", "smo", "srt", "tck", "tcl", "tmag", "xaxp", "xaxs", "xaxt", "xpd",
    "yaxp", "yaxs", "yaxt"
  )
}
