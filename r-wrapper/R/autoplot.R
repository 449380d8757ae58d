#' Plot the course of training with ggplot2
#'
#' The same as `plot()`, as an object of ggplot2. The methods are there when
#' ggplot2 is.
#'
#' @param object A fit of [foundation_fit_classifier()], [foundation_fit_regressor()],
#'   [foundation_fit_multilabel()] or [foundation_fit_segmenter()], of [foundation_moco_pretrain()] and
#'   its sisters, or of [foundation_probe_sweep()], [foundation_cross_validate()] or [foundation_lr_find()].
#' @param ... Not used: an argument of another name is an error.
#' @return A `ggplot`: the loss of each epoch and, of a fit with validation rows,
#'   their score (accuracy, RMSE, F1 or IoU) in a second panel, with a dotted line at the first
#'   epoch of the best; of a pretraining by turns the accuracy of held-out patches there, of SwAV how many
#'   prototypes are in use, of one with a probe the probe's scores; of a sweep, a cross-validation or a learning rate finder what their
#'   `plot()` draws.
#' @examplesIf edaphosbridge::edaphosbridge_available() && requireNamespace("ggplot2", quietly = TRUE)
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' y <- factor(rep(c("Oxisol", "Ultisol"), 30))
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_classifier(encoder, x, y, epochs = 3, seed = 1)
#' ggplot2::autoplot(fit)
#' @name autoplot.edaphosbridge
NULL

#' @rdname autoplot.edaphosbridge
#' @method autoplot edaphosbridge_fit
#' @exportS3Method ggplot2::autoplot edaphosbridge_fit
autoplot.edaphosbridge_fit <- function(object, ...) {
  stop_if_unused("autoplot", ...)
  history <- history_of(object)
  labels <- course_labels(object)
  drawn <- Filter(function(name) !all(is.na(history[[name]])), names(labels))
  best <- best_epoch_of(object)
  course_panels(history, labels[drawn]) +
    (if (!is.na(best)) ggplot2::geom_vline(xintercept = best, linetype = "dotted")) +
    ggplot2::labs(x = epoch_name(object), y = NULL)
}

#' @rdname autoplot.edaphosbridge
#' @method autoplot edaphosbridge_pretrain
#' @exportS3Method ggplot2::autoplot edaphosbridge_pretrain
autoplot.edaphosbridge_pretrain <- function(object, ...) {
  stop_if_unused("autoplot", ...)
  history <- drawn_history(object)
  labels <- pretrain_labels(object)
  title <- paste(object$method, "pretraining")
  if (length(labels) == 1L) {
    return(
      course_plot(data.frame(epoch = history$epoch, value = history$loss)) +
        ggplot2::labs(x = "epoch", y = labels[["loss"]], title = title)
    )
  }
  drawn <- course_panels(history, labels)
  looks <- if (!is.null(object$probe_history)) list(
    ggplot2::geom_point(data = drawn$data[drawn$data$panel == labels[["probe"]], ]),
    ggplot2::geom_vline(xintercept = best_look_of(object), linetype = "dotted")
  )
  turns <- if ("val_accuracy" %in% names(labels)) ggplot2::geom_hline(
    ggplot2::aes(yintercept = !!quote(chance)),
    data.frame(chance = chance_of_turns, panel = factor(labels[["val_accuracy"]], labels)),
    linetype = "dotted"
  )
  drawn + looks + turns + ggplot2::labs(x = "epoch", y = NULL, title = title)
}

# A panel for each of the columns of a history that `labels` names.
course_panels <- function(history, labels) {
  long <- data.frame(
    epoch = rep(history$epoch, length(labels)),
    value = unlist(history[names(labels)], use.names = FALSE),
    panel = factor(rep(labels, each = nrow(history)), levels = labels)
  )
  course_plot(long[!is.na(long$value), ]) + ggplot2::facet_wrap("panel", scales = "free_y")
}

# A line over whole epochs, or a point where a line would have no length.
course_plot <- function(long) {
  epochs <- range(long$epoch)
  ggplot2::ggplot(long, ggplot2::aes(x = !!quote(epoch), y = !!quote(value))) +
    (if (epochs[[1]] < epochs[[2]]) ggplot2::geom_line() else ggplot2::geom_point()) +
    ggplot2::scale_x_continuous(
      breaks = function(limits) whole_numbers(pretty(limits), epochs), minor_breaks = NULL
    )
}
