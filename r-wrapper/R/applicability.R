#' Where a model may be used
#'
#' A model knows nothing of what is unlike all that it was trained on. The *dissimilarity index*
#' of a new case is its distance to the nearest training row, over the mean distance of two
#' training rows; columns are scaled to mean 0 and standard deviation 1 before, and weighted. Up
#' to the largest index that cross-validation has met, outliers left out, a case is in the *area
#' of applicability*: there the errors of the cross-validation may be expected. The *local point
#' density* counts the training rows within that distance.
#'
#' @param x Numeric matrix or data frame `(N, D)` of the training rows' predictors: embeddings,
#'   or any others. With `object`, patches `(N, C, H, W)`.
#' @param object An encoder or a fit that holds one, as in [foundation_embed()]: the predictors
#'   are its features of `x`. New cases are then rows of `foundation_embed(object, newx)`.
#' @param ... Not used: an argument of another name is an error.
#' @param folds Those of the cross-validation, as in [foundation_cross_validate()]; each row is
#'   held out once at most, and rows that no fold holds out do not count for the threshold. A
#'   training row is compared with those that train where it is held out. Without folds it is
#'   compared with all others, which is right if the cross-validation drew single rows.
#' @param weights How much each column counts, such as its importance for the model; 0 or more.
#'   Names are those of columns, in any order. All count the same by default.
#'
#' @return A list of class `c("edaphosbridge_applicability", "edaphosbridge_result")` with
#'   \item{threshold}{the largest dissimilarity index in the area of applicability}
#'   \item{train}{numeric matrix of the training rows, `(x - center) * scale`: distances between
#'     them are in units of their mean}
#'   \item{center,scale}{numeric: means of the columns, and their weights over standard
#'     deviation and `mean_distance`; 0 of columns that are left out, since they have one value
#'     only}
#'   \item{mean_distance}{that of two training rows whose columns are scaled and weighted}
#'   \item{train_di,train_lpd}{dissimilarity index and local point density of the training rows}
#'   \item{names}{of the columns, or `NULL`}
#'   \item{by}{`"folds"`, or `"rows"` where each training row was compared with all others}
#'   `predict()` gives a data frame with `di`, `inside` and `lpd`, a row for each new case; `NA`
#'   where a value is missing. `as.data.frame()` and `tidy()` give those of the training rows.
#'
#'   Of a raster `predict()` gives a `SpatRaster` with the layers `DI`, `AOA` (1 in the area of
#'   applicability, 0 outside) and `LPD`, as `aoa()` of CAST calls them; of a stars object a stars
#'   object, of a proxy a proxy. The map is made block by block, and written to a file, as
#'   [predict()][predict.edaphosbridge_classifier] of a fit does: memory does not grow with it, Ctrl-C
#'   stops it, and the same call goes on from the blocks that are finished.
#'
#' @section Differences from CAST:
#' All is as in `trainDI()` and `aoa()` of the package CAST 1.0 with Euclidean distances. There
#' a row at exactly the threshold is in the area of applicability, but does not count for the
#' local point density; here it counts, so that the density is 0 outside and 1 or more inside.
#' Columns with one value only are an error there; here they are left out, with a message.
#'
#' @references
#' Meyer, H. and Pebesma, E. (2021). Predicting into unknown space? Estimating the area of
#' applicability of spatial prediction models. Methods in Ecology and Evolution 12, 1620-1633.
#'
#' Schumacher, F., Knoth, C., Ludwig, M. and Meyer, H. (2025). Estimation of local training data
#' point densities to support the assessment of spatial prediction uncertainty. Geoscientific
#' Model Development 18, 10185-10202.
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' train <- matrix(rnorm(300), 100, dimnames = list(NULL, c("clay", "ndvi", "slope")))
#' known <- foundation_applicability(train, folds = rep(1:5, 20))
#' known
#' predict(known, data.frame(clay = c(0, 9), ndvi = c(0, 9), slope = c(0, 9)))
#'
#' # a map
#' if (requireNamespace("terra", quietly = TRUE)) {
#'   stack <- terra::rast(
#'     nrows = 20, ncols = 30, nlyrs = 3, crs = "EPSG:32723", vals = 2 * rnorm(1800)
#'   )
#'   names(stack) <- c("clay", "ndvi", "slope")
#'   terra::plot(predict(known, stack))
#' }
#' @export
foundation_applicability <- function(x, object = NULL, ..., folds = NULL, weights = NULL) {
  call <- sys.call()
  stop_if_unused("foundation_applicability", ..., call = call)
  of_patches <- !is.null(object)
  answer <- python_call("applicability", list(
    if (of_patches) to_patches(x, call) else to_predictors(x, call),
    if (of_patches) encoder_of(object, call),
    to_folds(folds, rows_of_patches(x), call),
    to_weights(weights, call)
  ))
  from_applicability(answer_value(answer, call))
}

#' @rdname foundation_applicability
#' @param newdata Numeric matrix or data frame of new cases: the columns that were learnt from,
#'   by name where they have names; columns of other names are left out then. Or a `SpatRaster` of terra, a
#'   stars object, or the paths of aligned
#'   rasters, whose layers are the predictors: by name where all are there, else in order. Of embeddings
#'   it is what [foundation_embed_raster()] gives.
#' @inheritParams predict.edaphosbridge_classifier
#' @export
predict.edaphosbridge_applicability <- function(object, newdata, ..., filename = "",
                                                overwrite = FALSE, wopt = list(),
                                                block_size = NULL, client = NULL, resume = TRUE,
                                                verbose = FALSE) {
  call <- sys.call()
  call[[1]] <- quote(predict)
  stop_if_unused("predict", ...)
  if (!missing(newdata) && is_raster(newdata)) {
    return(make_map(
      name = "applicability_raster", list(to_applicability(object)), newdata, "newdata", list(),
      list(), environment(), "FLT4S", "applicability", call
    ))
  }
  stop_if_of_maps(environment(), formals(), call)
  answer <- python_call("measure_applicability", list(
    to_applicability(object), to_predictors(newdata, call, "newdata", known = object$names)
  ))
  from_cases(answer_value(answer, call))
}

#' @export
as.data.frame.edaphosbridge_applicability <- function(x, row.names = NULL, optional = FALSE, ...) {
  inside <- x$train_di <= x$threshold
  table <- data.frame(di = x$train_di, inside = inside, lpd = x$train_lpd)
  as.data.frame(table, row.names = row.names, optional = optional, ...)
}

#' @rdname tidiers.edaphosbridge
#' @method tidy edaphosbridge_applicability
#' @exportS3Method generics::tidy edaphosbridge_applicability
tidy.edaphosbridge_applicability <- function(x, ...) {
  stop_if_unused("tidy", ...)
  as.data.frame(x)
}
