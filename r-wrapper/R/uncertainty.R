#' How unsure class probabilities are
#'
#' 0 where a class is certain, more with doubt: of each row of a table of probabilities, or of each cell of
#' a map of them. Where the next samples should be taken, and where a map should not be trusted.
#'
#' `predict(fit, stack, type = c("prob", "entropy"))` gives the same of a fit at once. A map is made block by
#' block, and written to a file, as [predict()][predict.edaphosbridge_classifier] makes that of a raster:
#' memory does not grow with it, Ctrl-C stops it, and the same call goes on from the blocks that are
#' finished.
#'
#' @param x Numeric matrix or data frame `(N, K)` of the probabilities of K classes, as `predict(fit, x,
#'   type = "prob")` gives them. Or a `SpatRaster` of terra, a stars object, or the paths of aligned
#'   rasters, with a layer for each class, as of `predict(fit, stack, type = "prob")` or
#'   [foundation_smooth()].
#' @param measure `"entropy"` is Shannon's over that of equal classes, `-sum(p * log(p)) / log(K)`, from 0
#'   to 1. `"margin"` is one minus the difference of the two highest probabilities, from 0 to 1.
#'   `"least_confidence"` is one minus the highest, from 0 to `1 - 1 / K`.
#' @inheritParams predict.edaphosbridge_classifier
#'
#' @return Of a table a numeric vector, `NA` where a class has no number. Of a raster a `SpatRaster` with
#'   one layer of the measure's name; of a stars object a stars object, of a proxy a proxy.
#' @references
#' Settles, B. (2009). Active learning literature survey. University of Wisconsin-Madison, Computer
#' Sciences Technical Report 1648. As `sits_uncertainty()` of the package sits.
#' @seealso [foundation_applicability()]
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' foundation_uncertainty(rbind(c(0.5, 0.5), c(1, 0)))
#' foundation_uncertainty(cbind(wet = 0.5, moist = 0.25, dry = 0.25), "margin")
#'
#' # a map
#' if (requireNamespace("terra", quietly = TRUE)) {
#'   forest <- terra::rast(
#'     nrows = 20, ncols = 30, crs = "EPSG:32723", vals = seq(0, 1, length.out = 600)
#'   )
#'   prob <- c(forest, 1 - forest)
#'   names(prob) <- c("forest", "field")
#'   terra::plot(foundation_uncertainty(prob))
#' }
#' @export
foundation_uncertainty <- function(x, measure = c("entropy", "margin", "least_confidence"),
                                   filename = "", overwrite = FALSE, wopt = list(),
                                   block_size = NULL, client = NULL, resume = TRUE,
                                   verbose = FALSE) {
  call <- sys.call()
  measure <- to_choice(measure, c("entropy", "margin", "least_confidence"))
  if (!missing(x) && is_raster(x)) {
    return(make_map(
      name = "uncertainty_raster", list(), x, "x", list(), list(measure = measure), environment(),
      "FLT4S", "uncertainty", call
    ))
  }
  stop_if_of_maps(environment(), formals(), call)
  answer <- python_call("uncertainty", list(to_predictors(x, call, column = "class"), measure))
  as.vector(from_array(answer_value(answer, call)))
}
