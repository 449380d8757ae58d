#' Train a regression head on an encoder
#'
#' Attaches a head of one number to an encoder and trains it against patches with measured numbers:
#' soil organic carbon, clay, the logarithm of zinc. Targets are centred and scaled inside, by their
#' mean and standard deviation over all rows, and predictions are scaled back: they are in the unit of
#' `y`. The two regimes and everything else are those of [foundation_fit_classifier()].
#'
#' @inheritParams foundation_fit_classifier
#' @param y Numeric vector of length N; or a matrix or data frame (N, T) with a numeric column for
#'   each of several targets, which one head learns together.
#' @param loss Of the scaled targets: `"mse"`, the mean squared error, or `"huber"`, which grows with
#'   the absolute error where that is more than one standard deviation, so that outliers weigh less.
#'   The mean over targets where there are several.
#' @param verbose Whether to report loss and root mean squared error of epoch 1, every 10th and the
#'   last as messages. Otherwise an interactive session shows a progress bar.
#'
#' @return A list of class `c("edaphosbridge_regressor", "edaphosbridge_fit",
#'   "edaphos_foundation_regressor")` with the elements of [foundation_fit_classifier()], but
#'   \item{targets}{names of the columns of `y`, `NULL` of a vector}
#'   \item{y_mean, y_sd}{mean and standard deviation of each target, validation rows included}
#'   \item{loss_fn}{the loss}
#'   \item{val_rmse_history}{numeric, the root mean squared error on the validation rows after each
#'     epoch, in the unit of the target; `NA` when `val_split = 0`. Of several targets the mean of
#'     theirs, each in its own unit}
#'   \item{n_patches}{patches, validation rows included}
#'   instead of `classes`, `ordered`, `val_accuracy_history` and `class_counts`.
#' @references
#' Huber, P. J. (1964). Robust estimation of a location parameter. Annals of Mathematical Statistics
#' 35, 73-101.
#' @seealso [predict.edaphosbridge_regressor()], [foundation_finetune_ensemble()],
#'   [foundation_mcdropout_predict()], [summary()][summary.edaphosbridge],
#'   [plot()][plot.edaphosbridge_fit], [tidy()][tidiers.edaphosbridge]
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' clay <- 30 + 20 * rowMeans(x[, 1, , ])
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_regressor(encoder, x, clay, epochs = 3, seed = 1)
#' fit
#' predict(fit, x[1:3, , , ])
#' both <- foundation_fit_regressor(encoder, x, cbind(clay, sand = 90 - clay), epochs = 3, seed = 1)
#' predict(both, x[1:3, , , ])
#' @export
foundation_fit_regressor <- function(encoder, x, y,
                                     freeze_backbone = TRUE,
                                     head = c("linear", "mlp"),
                                     hidden = c(64L, 32L),
                                     dropout = 0,
                                     epochs = 30L,
                                     batch_size = 32L,
                                     lr = 1e-3,
                                     weight_decay = 0,
                                     backbone_lr_mult = 0.1,
                                     loss = c("mse", "huber"),
                                     val_split = 0.2,
                                     device = c("cpu", "mps", "cuda"),
                                     seed = NULL,
                                     verbose = FALSE,
                                     patience = NULL,
                                     augment = FALSE,
                                     groups = NULL,
                                     blocks = NULL,
                                     block_size = NULL,
                                     buffer = 0,
                                     folds = NULL,
                                     fold = NULL,
                                     validation = NULL,
                                     checkpoint_dir = NULL) {
  call <- sys.call()
  targets <- to_targets(y, call)
  data <- list(to_encoder(encoder, call), to_patches(x, call), targets)
  from_regressor(fit_in_python("regress", data, call, "regressor"))
}

#' Predict the targets of patches
#'
#' @param object A fit of [foundation_fit_regressor()].
#' @param type `"response"`: there is nothing else to predict.
#' @inheritParams predict.edaphosbridge_classifier
#'
#' @return A numeric vector of length N; a matrix (N, T) with `colnames = object$targets` where `y` was
#'   a matrix or data frame. In the units of `y`. `NA` for points of `coords` outside the raster or
#'   without data in any band. Of a raster without `coords` a map with a layer a target.
#' @inheritSection predict.edaphosbridge_classifier Maps
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_regressor(encoder, x, rowMeans(x), epochs = 3, seed = 1)
#' predict(fit, x[1:3, , , ])
#' @export
predict.edaphosbridge_regressor <- function(object, x, type = "response", device = NULL, ...,
                                            coords = NULL, encoder = NULL, newdata, dataset = NULL,
                                            head = NULL, filename = "", overwrite = FALSE,
                                            wopt = list(), stride = 1L, block_size = NULL,
                                            method = c("exact", "dense"), colours = NULL,
                                            client = NULL, resume = TRUE, verbose = FALSE) {
  call <- sys.call()
  stop_if_unused("predict", ...)
  prediction <- predict_in_python(
    object, x, newdata, type, "response", device, coords, encoder, head, dataset, call
  )
  if (is.null(prediction$map)) from_matrix(prediction$values, object$targets) else prediction$map
}

#' @rdname tidiers.edaphosbridge
#' @method augment edaphosbridge_regressor
#' @exportS3Method generics::augment edaphosbridge_regressor
augment.edaphosbridge_regressor <- function(x, newdata, data = NULL, coords = NULL, dataset = NULL,
                                            ...) {
  call <- sys.call()
  stop_if_unused("augment", ..., also = c("device", "encoder", "head"))
  stop_if_map(newdata, coords, call)
  predicted <- stats::predict(x, newdata, coords = coords, dataset = dataset, ...)
  if (is.null(x$targets)) {
    columns <- data.frame(.pred = predicted)
  } else {
    columns <- as.data.frame(predicted)
    names(columns) <- paste0(".pred_", x$targets)
  }
  bound_to(data, coords, columns, call)
}
