#' Plot the course of training with ggplot2
#'
#' The same as `plot()`, as an object of ggplot2. The methods are there when
#' ggplot2 is.
#'
#' @param object A fit of [foundation_fit_classifier()], or of
#'   [foundation_moco_pretrain()] and its sisters.
#' @param ... Not used: an argument of another name is an error.
#' @return A `ggplot`: the loss of each epoch and, of a classifier with validation
#'   rows, the validation accuracy in a second panel.
#' @examplesIf edaphosbridge::edaphosbridge_available() && requireNamespace("ggplot2", quietly = TRUE)
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' y <- factor(rep(c("Oxisol", "Ultisol"), 30))
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_classifier(encoder, x, y, epochs = 3, seed = 1)
#' ggplot2::autoplot(fit)
#' @name autoplot.edaphosbridge
NULL

#' @rdname autoplot.edaphosbridge
#' @exportS3Method ggplot2::autoplot
autoplot.edaphosbridge_classifier <- function(object, ...) {
  stop_if_unused("autoplot", ...)
  history <- history_of(object)
  drawn <- Filter(
    function(name) !all(is.na(history[[name]])), c(loss = "loss", accuracy = "val_accuracy")
  )
  long <- data.frame(
    epoch = rep(history$epoch, length(drawn)),
    value = unlist(history[drawn], use.names = FALSE),
    panel = factor(rep(drawn, each = nrow(history)), levels = drawn)
  )
  history_plot(long) + ggplot2::facet_wrap("panel", scales = "free_y") + ggplot2::ylab(NULL)
}

#' @rdname autoplot.edaphosbridge
#' @exportS3Method ggplot2::autoplot
autoplot.edaphosbridge_pretrain <- function(object, ...) {
  stop_if_unused("autoplot", ...)
  history <- history_of(object)
  history_plot(data.frame(epoch = history$epoch, value = history$loss)) +
    ggplot2::ylab(loss_name(object))
}

history_plot <- function(long) {
  ggplot2::ggplot(long, ggplot2::aes(x = !!quote(epoch), y = !!quote(value))) +
    ggplot2::geom_line()
}
