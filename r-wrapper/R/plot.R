#' Plot the course of a training
#'
#' Of a classifier the loss and the validation accuracy of each epoch, side by side, or one after the
#' other where the device has several panels already; of a regressor the root mean squared error, of a
#' multi-label classifier the macro F1, of a segmenter the intersection over union. A dotted line marks the first
#' epoch of the best score; the weights kept are those of the last. Of a pretraining fit the loss, of one by turns
#' the accuracy of held-out patches too, with a dotted line at that of chance, of SwAV how many prototypes are
#' in use, and the scores of its probe.
#'
#' @param x A fit of [foundation_fit_classifier()], [foundation_fit_regressor()],
#'   [foundation_fit_multilabel()] or [foundation_fit_segmenter()], or of [foundation_moco_pretrain()] and
#'   its sisters.
#' @param which `"loss"`, `"val_accuracy"` (`"val_rmse"`, `"val_f1"`, `"val_iou"`) or both, as by
#'   default. Without validation rows (`val_split = 0`) only the loss is drawn. Of a pretraining fit
#'   `"loss"`, `"val_accuracy"`, `"entropy"` and `"probe"`, by default all that it has of them.
#' @param type,xlab,ylab,main,... As in [graphics::plot.default()]. `type` is a line by default, and a
#'   point where there is one epoch only.
#' @return `x`, invisibly. What [graphics::par()] had set is set again.
#' @seealso `autoplot()` in [autoplot.edaphosbridge_fit()] for ggplot2
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' y <- factor(rep(c("Oxisol", "Ultisol"), 30))
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_classifier(encoder, x, y, epochs = 3, seed = 1)
#' plot(fit)
#' plot(fit, which = "loss", log = "y")
#' @export
plot.edaphosbridge_fit <- function(x, which = c("loss", score_of(x)), type = NULL, xlab = NULL,
                                   ylab = NULL, ...) {
  stop_if_unused("plot", ..., also = graphical_parameters())
  labels <- course_labels(x)
  if (!is.character(which) || length(which) == 0L || !all(which %in% names(labels))) {
    stop_input("which", sprintf("must be \"loss\", \"%s\" or both.", score_of(x)), sys.call())
  }
  history <- history_of(x)
  drawn <- Filter(function(name) !all(is.na(history[[name]])), unique(which))
  if (length(drawn) == 0L) {
    what <- sub("^validation ", "", words_of(x)$score)
    stop_input("which", sprintf("asks for the %s, but `val_split` was 0.", what), sys.call())
  }
  restore <- use_panels(length(drawn))
  on.exit(restore())
  if (is.null(xlab)) xlab <- epoch_name(x)
  for (name in drawn) {
    label <- if (is.null(ylab)) labels[[name]] else ylab
    draw_course(history$epoch, history[[name]], type, xlab = xlab, ylab = label, ...)
    graphics::abline(v = best_epoch_of(x), lty = "dotted")
  }
  invisible(x)
}

#' @rdname plot.edaphosbridge_fit
#' @export
plot.edaphosbridge_pretrain <- function(x, which = names(pretrain_labels(x)), type = NULL,
                                        xlab = "epoch", ylab = NULL,
                                        main = paste(x$method, "pretraining"), ...) {
  stop_if_unused("plot", ..., also = graphical_parameters())
  labels <- pretrain_labels(x)
  if (!is.character(which) || length(which) == 0L || !all(which %in% names(labels))) {
    more <- c(": it had no probe", " or both", " or several of them")[[length(labels)]]
    known <- paste0("\"", names(labels), "\"", collapse = ", ")
    stop_input("which", sprintf("must be %s%s.", known, more), sys.call())
  }
  restore <- use_panels(length(unique(which)))
  on.exit(restore())
  for (name in unique(which)) {
    course <- stats::na.omit(drawn_history(x)[c("epoch", name)])
    label <- if (is.null(ylab)) labels[[name]] else ylab
    if (name == "val_accuracy") {
      draw_turns(course, type, xlab = xlab, ylab = label, main = main, ...)
    } else {
      draw_course(course$epoch, course[[name]], type, xlab = xlab, ylab = label, main = main, ...)
    }
    if (name == "probe") graphics::abline(v = best_look_of(x), lty = "dotted")
  }
  invisible(x)
}

# Of the loss and of the score: "validation accuracy".
course_labels <- function(fit) {
  words <- words_of(fit)
  c(loss = words$loss, structure(words$score, names = score_of(fit)))
}

# L-BFGS from foundation_probe_sweep() has no epochs.
epoch_name <- function(fit) {
  if (identical(fit$config$solver, "lbfgs")) "evaluation of the gradient" else "epoch"
}

loss_name <- function(fit) {
  switch(fit$method,
    moco = "InfoNCE loss",
    rotation = "cross-entropy",
    swav = "swapped-assignment loss",
    "loss"
  )
}

# Of all that a pretraining has in its history.
pretrain_labels <- function(fit) {
  c(
    loss = loss_name(fit),
    if (!is.null(fit$val_accuracy_history)) c(val_accuracy = "validation accuracy"),
    if (!is.null(fit$entropy_history)) c(entropy = "prototypes in use"),
    if (!is.null(fit$probe_history)) c(probe = probe_name(fit))
  )
}

# The history of a pretraining, with how many prototypes are in use for their entropy.
drawn_history <- function(fit) {
  history <- history_of(fit)
  if (!is.null(history$entropy)) history$entropy <- exp(history$entropy)
  history
}

# The first epoch in which the probe of a pretraining found its best score; NULL without one.
best_look_of <- function(fit) {
  fit$probe_history$epoch[which.max(fit$probe_history$score)]
}

# A value for each epoch: a line, or a point where a line would have no length; ticks at whole epochs.
draw_course <- function(epochs, values, type, ...) {
  if (is.null(type)) type <- if (length(epochs) > 1L) "l" else "p"
  theirs <- any(c("xaxt", "axes") %in% names(list(...)))
  draw <- function(...) graphics::plot(epochs, values, type = type, ...)
  if (theirs) {
    return(draw(...))
  }
  draw(..., xaxt = "n")
  graphics::axis(1L, at = whole_numbers(graphics::axTicks(1L), epochs))
}

# The accuracy of held-out patches by turns, with a dotted line at that of chance.
draw_turns <- function(course, type, ..., ylim = range(course$val_accuracy, chance_of_turns)) {
  draw_course(course$epoch, course$val_accuracy, type, ..., ylim = ylim)
  graphics::abline(h = chance_of_turns, lty = "dotted")
}

chance_of_turns <- 0.25

# Those of `ticks` that are epochs, or the first and the last epoch where none is.
whole_numbers <- function(ticks, epochs) {
  whole <- unique(round(ticks[abs(ticks - round(ticks)) < 1e-8 & ticks > 0.5]))
  if (length(whole)) whole else unique(round(range(epochs)))
}

# Splits the device into `n` panels side by side, unless it has several already: then the plots go
# into those, one after the other. Returns a function that puts the user's settings back.
use_panels <- function(n, rows = 1L) {
  if (n * rows < 2L || !identical(graphics::par("mfrow"), c(1L, 1L))) {
    return(function() NULL)
  }
  before <- graphics::par(no.readonly = TRUE)
  graphics::par(mfrow = c(rows, n))
  function() {
    graphics::par(before["mfrow"]) # changes others, among them cex
    graphics::par(before[setdiff(names(before), c("mfrow", "mfcol"))])
  }
}

# What plot.default() takes beside its data: its arguments, and those of par() and lines() that it hands on.
graphical_parameters <- function() {
  c(
    setdiff(names(formals(graphics::plot.default)), c("x", "y", "...")),
    "adj", "bg", "bty", "cex", "cex.axis", "cex.lab", "cex.main", "cex.sub", "col", "col.axis",
    "col.lab", "col.main", "col.sub", "crt", "err", "family", "fg", "font", "font.axis",
    "font.lab", "font.main", "font.sub", "lab", "las", "lend", "lheight", "ljoin", "lmitre", "lty",
    "lwd", "mgp", "mkh", "pch", "smo", "srt", "tck", "tcl", "tmag", "xaxp", "xaxs", "xaxt", "xpd",
    "yaxp", "yaxs", "yaxt"
  )
}
