#' Calibrate the probabilities of a classifier
#'
#' Temperature scaling: one number T is found on held-out patches, by L-BFGS, for which
#' `softmax(logits / T)` has the smallest cross-entropy. No class changes, only how sure the
#' classifier is. The last layer of a copy of its head is divided by T, so that `predict()` and files
#' have it without more.
#'
#' @param fit A fit of [foundation_fit_classifier()], or of [foundation_probe_sweep()], of which its
#'   classifier is taken. The head must end in a linear layer.
#' @param x Array `(N, C, H, W)` of patches that it was not trained on, as in
#'   [foundation_fit_classifier()].
#' @param y Their classes.
#' @param encoder For a fit around a Python module of your own that was read from a file: that module,
#'   built anew, as in [predict()][predict.edaphosbridge_classifier].
#'
#' @return A classifier as [foundation_fit_classifier()] returns. Its `config$temperature` is T: above
#'   1 the classifier was too sure. Where no temperature is best, because all patches are classified
#'   right or no better than by chance, a warning says so.
#'
#' @references
#' Guo, C., Pleiss, G., Sun, Y. and Weinberger, K. Q. (2017). On calibration of modern neural
#' networks. ICML 2017.
#' @seealso [foundation_interpret()] for the calibration error and the reliability diagram
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' data <- statlog_landsat()
#' x <- (data$x - mean(data$x)) / sd(data$x)
#' train <- which(data$train)[seq(1, 4000, by = 20)]
#' held_out <- which(data$train)[seq(11, 4000, by = 20)]
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_classifier(
#'   encoder, x[train, , , ], data$y[train],
#'   epochs = 30, lr = 0.01, seed = 1
#' )
#' calibrated <- foundation_calibrate(fit, x[held_out, , , ], data$y[held_out])
#' calibrated$config$temperature
#' @export
foundation_calibrate <- function(fit, x, y, encoder = NULL) {
  call <- sys.call()
  fit <- to_fit(fit, call)
  if (!inherits(fit, "edaphosbridge_classifier")) {
    stop_input("fit", sprintf("must be a classifier; found %s.", class(fit)[[1]]), call)
  }
  answer <- python_call("calibrate", list(
    fit$state, held_modules(fit, call, encoder = encoder), to_patches(x, call), to_labels(y, call)
  ))
  from_classifier(answer_value(answer, call))
}
