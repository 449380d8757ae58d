#' Train many linear probes at once and pick one
#'
#' The encoder runs once over the patches. All combinations of `lr`, `weight_decay` and `seeds` then
#' train side by side on its features, each as [foundation_fit_classifier()] trains it alone; for
#' each seed's split L-BFGS solves multinomial logistic regression at each `C` too. The setting with
#' the highest accuracy on held-out rows, as a mean over seeds, is fitted again on all rows; between
#' equal ones the lower validation loss decides, then the order in the table.
#'
#' @inheritParams foundation_fit_classifier
#' @param lr,weight_decay Settings of Adam, all combinations; an empty `lr` leaves Adam out.
#' @param C Inverse penalties of L-BFGS, in the notation of scikit-learn:
#'   \eqn{\frac{1}{2} \|W\|^2 + C \sum_i -\log p_{i, t_i}}{|W|^2 / 2 + C sum(-log p)}; empty leaves
#'   L-BFGS out.
#' @param seeds Different whole numbers. Each draws a split, and for Adam the initial head and the
#'   order of rows. The first is the seed of the final fit.
#' @param epochs,batch_size Passes of Adam over the training rows, and patches a step.
#' @param val_split Fraction of rows held out at random for validation, in `(0, 1)`.
#' @param verbose Whether to report epoch 1, every 10th and the last as messages: the lowest loss and
#'   the highest accuracy of all probes. Otherwise an interactive session shows a progress bar.
#'
#' @return A list of class `c("edaphosbridge_probe_sweep", "edaphosbridge_fit", "edaphos_probe_sweep")` with
#'   \item{classifier}{the best setting fitted on all rows, as from [foundation_fit_classifier()];
#'     after L-BFGS its `config` has `solver` and `C`, and its `loss_history` has a value for each
#'     evaluation of the gradient}
#'   \item{best}{list: `solver` (`"adam"` or `"lbfgs"`), `lr` and `weight_decay`, or `C`}
#'   \item{settings}{data frame, one row a setting: `val_accuracy` and `val_loss` as means over
#'     seeds, `val_accuracy_sd` (`NA` for one seed)}
#'   \item{results}{data frame, one row a fit: setting, `seed`, `train_loss`, `val_loss`,
#'     `val_accuracy`; `NA` where training diverged}
#'   \item{config}{list of `lr`, `weight_decay`, `C`, `seeds`, `epochs`, `batch_size` and
#'     `val_split`}
#'   `predict()` and `augment()` use the classifier.
#'
#' @references
#' Kornblith, S., Shlens, J. and Le, Q. V. (2019). Do better ImageNet models transfer better?
#' CVPR 2019.
#' @seealso [foundation_fit_classifier()], [summary()][summary.edaphosbridge],
#'   [plot()][plot.edaphosbridge_probe_sweep], [update()][update.edaphosbridge],
#'   [tidy()][tidiers.edaphosbridge]
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' data <- statlog_landsat()
#' x <- (data$x - mean(data$x)) / sd(data$x)
#' train <- which(data$train)[1:200]
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' sweep <- foundation_probe_sweep(encoder, x[train, , , ], data$y[train], epochs = 5)
#' sweep
#' sweep$settings
#' plot(sweep)
#' predict(sweep, x[4436:4440, , , ])
#' @export
foundation_probe_sweep <- function(encoder, x, y,
                                   lr = c(1e-3, 1e-2, 1e-1),
                                   weight_decay = c(0, 1e-4, 1e-2),
                                   C = c(0.01, 0.1, 1, 10, 100),
                                   seeds = 1:3,
                                   epochs = 30L,
                                   batch_size = 32L,
                                   val_split = 0.2,
                                   device = c("cpu", "mps", "cuda"),
                                   verbose = FALSE) {
  call <- sys.call()
  from_probe_sweep(fit_in_python("probe_sweep", labelled(encoder, x, y, call), call))
}

#' @rdname foundation_probe_sweep
#' @param object A result of `foundation_probe_sweep()`.
#' @param ... Passed on to [predict()][predict.edaphosbridge_classifier] for its classifier.
#' @export
predict.edaphosbridge_probe_sweep <- function(object, ...) {
  predict(object$classifier, ...)
}

#' @rdname tidiers.edaphosbridge
#' @method augment edaphosbridge_probe_sweep
#' @exportS3Method generics::augment edaphosbridge_probe_sweep
augment.edaphosbridge_probe_sweep <- function(x, newdata, ...) {
  augment.edaphosbridge_classifier(x$classifier, newdata, ...)
}
