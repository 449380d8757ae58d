#' Find a learning rate
#'
#' Trains copies at rates that grow from step to step, and looks where the loss falls. It ends where
#' the smoothed loss is four times its lowest value.
#'
#' @inheritParams foundation_fine_tune
#' @param freeze_backbone Whether the head trains alone.
#' @param start_lr,end_lr First and last rate; the same for all groups.
#' @param num_it Steps, at most.
#' @param batch_size Patches a step.
#' @param weight_decay Coupled.
#' @param seed Whole number, the only source of randomness; `NULL` draws one from R's generator, so
#'   that `set.seed()` reproduces too.
#'
#' @return A list of class `edaphosbridge_lr_find` with
#'   \item{table}{data frame with `lr`, `loss` and `smoothed` loss of each step}
#'   \item{suggestion}{list with `valley` (two thirds down the longest way on which the loss falls),
#'     `steep` (where it falls fastest) and `minimum` (a tenth of the rate of the lowest loss); `NA`
#'     where the loss never falls}
#'   `plot()`, `autoplot()`, `tidy()` and `as.data.frame()` show it.
#' @references
#' Smith, L. N. (2017). Cyclical learning rates for training neural networks. WACV.
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' y <- factor(rep(c("Oxisol", "Ultisol"), 30))
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' found <- foundation_lr_find(encoder, x, y, num_it = 30, seed = 1)
#' found
#' plot(found)
#' @export
foundation_lr_find <- function(encoder_or_fit, x, y,
                               freeze_backbone = FALSE,
                               start_lr = 1e-7,
                               end_lr = 10,
                               num_it = 100L,
                               head = c("linear", "mlp", "concat_pool"),
                               hidden = c(64L, 32L),
                               dropout = 0,
                               weight_decay = 0,
                               batch_size = 32L,
                               split = NULL,
                               device = c("cpu", "mps", "cuda"),
                               seed = NULL) {
  call <- sys.call()
  data <- labelled_start(encoder_or_fit, x, y, call, "encoder_or_fit")
  settings <- to_settings(environment(), formals(), call)
  answer <- python_call("lr_find", c(data, list(settings, draw_seed)))
  from_lr_find(answer_value(answer, call))
}

#' @export
format.edaphosbridge_lr_find <- function(x, ...) attr(x, "printed", exact = TRUE)

#' @export
print.edaphosbridge_lr_find <- function(x, ...) print.edaphosbridge_fit(x, ...)

#' @export
as.data.frame.edaphosbridge_lr_find <- function(x, row.names = NULL, optional = FALSE, ...) {
  as.data.frame(x$table, row.names = row.names, optional = optional, ...)
}

#' @rdname tidiers.edaphosbridge
#' @method tidy edaphosbridge_lr_find
#' @exportS3Method generics::tidy edaphosbridge_lr_find
tidy.edaphosbridge_lr_find <- function(x, ...) {
  stop_if_unused("tidy", ...)
  x$table
}

#' @rdname foundation_lr_find
#' @param x A result of `foundation_lr_find()`; for that function itself the patches.
#' @param ... As in [graphics::plot.default()], for example `ylim`.
#' @export
plot.edaphosbridge_lr_find <- function(x, ...) {
  stop_if_unused("plot", ..., also = graphical_parameters())
  table <- x$table
  settings <- list(
    table$lr, table$smoothed,
    type = "l", log = "x", xlab = "learning rate", ylab = "loss (smoothed)"
  )
  do.call(graphics::plot, utils::modifyList(settings, list(...)))
  found <- suggested_points(x)
  if (nrow(found) > 0L) {
    graphics::points(found$lr, found$loss, pch = 19, col = seq_len(nrow(found)) + 1L)
    # where the line does not begin
    begins_high <- table$smoothed[[1]] > mean(range(table$smoothed))
    graphics::legend(
      if (begins_high) "bottomleft" else "topleft", sprintf("%s: %.2g", found$name, found$lr),
      pch = 19, col = seq_len(nrow(found)) + 1L, bty = "n"
    )
  }
  invisible(x)
}

#' @rdname autoplot.edaphosbridge
#' @method autoplot edaphosbridge_lr_find
#' @exportS3Method ggplot2::autoplot edaphosbridge_lr_find
autoplot.edaphosbridge_lr_find <- function(object, ...) {
  stop_if_unused("autoplot", ...)
  ggplot2::ggplot(object$table, ggplot2::aes(x = !!quote(lr), y = !!quote(smoothed))) +
    ggplot2::geom_line() +
    ggplot2::geom_point(
      data = suggested_points(object), size = 2,
      mapping = ggplot2::aes(y = !!quote(loss), colour = !!quote(name))
    ) +
    ggplot2::scale_x_log10() +
    ggplot2::labs(x = "learning rate", y = "loss (smoothed)", colour = NULL)
}

suggested_points <- function(found) {
  lr <- unlist(found$suggestion)
  lr <- lr[!is.na(lr)]
  loss <- stats::approx(found$table$lr, found$table$smoothed, lr, rule = 2)$y
  data.frame(name = names(lr), lr = unname(lr), loss = loss)
}
