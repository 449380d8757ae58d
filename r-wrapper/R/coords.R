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
#' them, or an assignment, `encoder$normalisation <- dataset`. Bands of `stack` with the same names
#' in another order are taken by name; other names are taken in their order, with a warning.
#'
#' @section Which way round:
#' edaphos transposes the patches that it cuts from rasters, so its encoders learnt from transposed
#' ones. An encoder says how its patches lay by its element `patch_orientation`, `"rows_first"` or
#' `"transposed"`, and gets the same again from these functions, from `predict(coords = )` and from
#' a tile dataset that is given as patches. Patches in arrays are taken as they are. Published
#' encoders of edaphos are `"transposed"`; for other files of R torch say it in
#' [foundation_weights_load()], or assign it.
#'
#' @section The order of arguments:
#' It is that of edaphos, whose name for `fit`, `moco`, works too. `projection` is given by name;
#' `TRUE` or `FALSE` in the fourth place is still taken for it, and a dataset after it for `dataset`.
#'
#' @param fit An encoder or a fit that holds one. For
#'   `foundation_patches_at_coords()` also a [foundation_tile_dataset()].
#' @param coords Points in the raster's coordinates: a numeric matrix `(N, 2)`, or a
#'   data frame with columns `x` and `y`, `lon` and `lat`, `longitude` and `latitude`, or
#'   `easting` and `northing`, in any case and beside others. Or points of sf or terra
#'   (`SpatVector`), which are transformed to the coordinate reference system of the raster.
#' @param stack A `SpatRaster` of terra, a stars object, or paths, as in
#'   [foundation_tile_dataset()].
#' @param dataset A [foundation_tile_dataset()], for an encoder that carries no
#'   normalisation.
#' @param patch_size Height and width of the patches, instead of those that the encoder or
#'   `dataset` knows.
#' @param batch_size Patches that are encoded at a time, at most; `NULL` takes as many as suit the
#'   memory.
#' @param projection `TRUE` for the projections, unit vectors of length
#'   `proj_dim`, instead of the features before them.
#' @param moco Another name of `fit`, as edaphos has it.
#'
#' @return `foundation_embed_at_coords()`: a numeric matrix with a row for each
#'   point. `foundation_patches_at_coords()`: an array `(N, C, H, W)`.
#'
#'   Both are `NA` for points outside the raster and for those whose cell has no
#'   data in any band. Other cells without data, and those beyond the edge, have
#'   the mean of their band. A warning says if no point lies inside the raster.
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
foundation_embed_at_coords <- function(fit, coords, stack, dataset = NULL, patch_size = NULL,
                                       batch_size = NULL, projection = FALSE, moco) {
  call <- sys.call()
  if (!missing(moco)) {
    if (!missing(fit)) {
      if ("moco" %in% names(call) && !"fit" %in% names(call)) { # the others by position
        names(call)[names(call) == "moco"] <- "fit"
        return(eval(call, parent.frame()))
      }
      stop_input("moco", "is another name of `fit`: give one of the two.", call)
    }
    fit <- moco
  }
  # the order of earlier versions: projection, dataset
  if (is.logical(dataset) && missing(projection) && !"dataset" %in% names(call)) {
    projection <- dataset
    is_next <- inherits(patch_size, "edaphosbridge_tiles")
    dataset <- if (is_next) patch_size
    patch_size <- if (!is_next) patch_size
  }
  answer <- python_call("embed_at_coords", list(
    to_encoder(fit, call, "fit"),
    to_coords(coords, stack, call),
    to_raster(stack, call),
    to_tiles(dataset, call),
    to_scalar(patch_size),
    to_scalar(batch_size),
    to_scalar(projection)
  ))
  from_array(answer_value(answer, call))
}

#' @rdname foundation_embed_at_coords
#' @export
foundation_patches_at_coords <- function(fit, coords, stack, dataset = NULL) {
  call <- sys.call()
  is_dataset <- inherits(fit, "edaphosbridge_tiles")
  answer <- python_call("patches_at_coords", list(
    if (!is_dataset) to_encoder(fit, call, "fit"),
    to_coords(coords, stack, call),
    to_raster(stack, call),
    to_tiles(dataset, call),
    if (is_dataset) to_tiles(fit, call, "fit")
  ))
  from_array(answer_value(answer, call))
}
