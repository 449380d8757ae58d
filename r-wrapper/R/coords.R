#' Patches and embeddings at points of a raster
#'
#' `foundation_embed_at_coords()` gives the embeddings of the patches around
#' points, `foundation_patches_at_coords()` the patches themselves, read in
#' windows and normalised as in pretraining.
#'
#' @section Which normalisation:
#' An encoder that [foundation_moco_pretrain_tiles()] trained carries the means,
#' standard deviations, band names and patch size of its dataset, also through
#' [foundation_weights_save()]. For an encoder that carries none, `dataset` gives
#' them. Bands of `stack` with the same names in another order are taken by name;
#' other names are taken in their order, with a warning.
#'
#' @param fit An encoder or a fit that holds one. For
#'   `foundation_patches_at_coords()` also a [foundation_tile_dataset()].
#' @param coords Points in the raster's coordinates: a numeric matrix `(N, 2)`, a
#'   data frame with `x` and `y` or `lon` and `lat`, or a `SpatVector` of points.
#' @param stack A `SpatRaster` of terra, a stars object, or paths, as in
#'   [foundation_tile_dataset()].
#' @param projection `TRUE` for the projections, unit vectors of length
#'   `proj_dim`, instead of the features before them.
#' @param dataset A [foundation_tile_dataset()], for an encoder that carries no
#'   normalisation.
#'
#' @return `foundation_embed_at_coords()`: a numeric matrix with a row for each
#'   point. `foundation_patches_at_coords()`: an array `(N, C, H, W)`.
#'
#'   Both are `NA` for points outside the raster and for those whose cell has no
#'   data in any band. Other cells without data, and those beyond the edge, have
#'   the mean of their band.
#' @seealso `predict(fit, stack, coords = )` in [predict.edaphosbridge_classifier()]
#' @examplesIf edaphosbridge::edaphosbridge_available() && requireNamespace("terra", quietly = TRUE)
#' stack <- terra::rast(system.file("ex/logo.tif", package = "terra"))
#' dataset <- foundation_tile_dataset(stack, patch_size = 8, n_patches = 50, seed = 1)
#' fit <- foundation_moco_pretrain_tiles(dataset, epochs = 2, seed = 1)
#' points <- data.frame(x = c(20, 60, -5), y = c(30, 40, 10))
#' dim(foundation_embed_at_coords(fit, points, stack))
#' x <- foundation_patches_at_coords(fit, points[1:2, ], stack)
#' classifier <- foundation_fit_classifier(fit, x, c("a", "b"), val_split = 0, epochs = 2, seed = 1)
#' predict(classifier, stack, coords = points)
#' @export
foundation_embed_at_coords <- function(fit, coords, stack, projection = FALSE, dataset = NULL) {
  call <- sys.call()
  answer <- python_call("embed_at_coords", list(
    to_encoder(fit, call, "fit"),
    to_coords(coords, stack, call),
    to_raster(stack, call),
    to_scalar(projection),
    to_tiles(dataset, call)
  ))
  from_matrix(answer_value(answer, call))
}

#' @rdname foundation_embed_at_coords
#' @export
foundation_patches_at_coords <- function(fit, coords, stack) {
  call <- sys.call()
  is_dataset <- inherits(fit, "edaphosbridge_tiles")
  answer <- python_call("patches_at_coords", list(
    if (!is_dataset) to_encoder(fit, call, "fit"),
    if (is_dataset) to_tiles(fit, call),
    to_coords(coords, stack, call),
    to_raster(stack, call)
  ))
  from_patches(answer_value(answer, call))
}
