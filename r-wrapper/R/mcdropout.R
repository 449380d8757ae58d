#' Draw predictions by Monte-Carlo dropout
#'
#' Each draw is a pass in which the dropout layers drop as they did in training; all else is as in
#' `predict()` (Gal and Ghahramani 2016). Those are the layers of the head, and of an encoder that was
#' fine-tuned: a frozen one dropped nothing in training.
#'
#' @param object A fit of [foundation_fit_classifier()], [foundation_fit_regressor()],
#'   [foundation_fit_multilabel()] or [foundation_fit_segmenter()] with dropout, as of `head = "mlp", dropout = 0.2`.
#' @param x Patches, or a raster, as in [predict.edaphosbridge_classifier()].
#' @param n_draws Number of draws; of a raster at least two.
#' @param seed Whole number that the draws come from; `NULL` draws one from R's generator, so that
#'   `set.seed()` reproduces too.
#' @param device,coords,encoder,dataset,head As in [predict.edaphosbridge_classifier()].
#' @param type Of a raster without `coords`: `"mean"` and `"sd"`, the mean and the standard deviation
#'   over draws; of a classifier also `"class"`, `"prob"`, `"entropy"`, `"margin"` and
#'   `"least_confidence"`, of that mean. One or several, `"class"` alone.
#' @inheritParams predict.edaphosbridge_classifier
#' @inheritSection predict.edaphosbridge_classifier Maps
#'
#' @return Of a raster without `coords` a map, as of [predict.edaphosbridge_classifier()], with layers
#'   such as `Oxisol_mean` and `Oxisol_sd`, or `mean` and `sd`.
#'
#'   Else a matrix `(n_draws, N)` of a regression of one target without a name, or an array
#'   `(n_draws, N, n)`: probabilities of the classes or labels, or the targets in their units; of a
#'   segmenter `(n_draws, N, K, H, W)`, and no map. A fit without dropout is an error of class `edaphosbridge_input_error`.
#' @references
#' Gal, Y. and Ghahramani, Z. (2016). Dropout as a Bayesian approximation: representing model
#' uncertainty in deep learning. ICML 33, 1050-1059.
#' @seealso [foundation_finetune_ensemble()]
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' clay <- 30 + 20 * rowMeans(x[, 1, , ])
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_regressor(
#'   encoder, x, clay, head = "mlp", dropout = 0.2, epochs = 3, seed = 1
#' )
#' draws <- foundation_mcdropout_predict(fit, x[1:5, , , ], n_draws = 20, seed = 1)
#' apply(draws, 2, sd)
#' @export
foundation_mcdropout_predict <- function(object, x, n_draws = 50L, seed = NULL, device = NULL,
                                         coords = NULL, encoder = NULL, dataset = NULL,
                                         head = NULL, type = c("mean", "sd"),
                                         filename = "", overwrite = FALSE, wopt = list(),
                                         stride = 1L, block_size = NULL, method = c("exact", "dense"),
                                         colours = NULL, client = NULL, resume = TRUE,
                                         verbose = FALSE) {
  call <- sys.call()
  if (missing(object) || !is_fit(object)) {
    problem <- "must be a fit with a head, as of foundation_fit_classifier() or its sisters."
    stop_input("object", problem, call)
  }
  defaults <- formals()
  if (is.null(coords) && !missing(x) && is_raster(x)) {
    if (is.null(n_draws)) {
      stop_input("n_draws", "must be a whole number of at least 2; found NULL.", call)
    }
    fitted <- list(object$state, to_modules(object, encoder, head, call))
    return(predict_map(
      fitted, object, x, environment(), eval(defaults$type), TRUE, to_device(device),
      to_tiles(dataset, call), call,
      draws = list(n_draws = to_scalar(n_draws), seed = to_scalar(seed))
    ))
  }
  stop_if_of_maps(environment(), defaults, call, c("type", names_of_map))
  asked <- asked_of_python(object, x, device, coords, encoder, head, dataset, call)
  answer <- python_call("mcdropout_predict", list(
    object$state, asked$modules, asked$x, to_scalar(n_draws), to_scalar(seed), asked$device,
    asked$coords, asked$dataset, draw_seed
  ))
  draws <- answer_value(answer, call)
  names <- columns_of(object)
  if (is.null(names)) from_array(draws) else from_named(draws, names, 3L)
}
