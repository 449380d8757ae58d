#' Map the embeddings of a raster
#'
#' The features of the patch around each cell under an encoder, as a raster with a layer for each: for
#' [terra::predict()] with any model of R, for clustering, for a look at principal components. The raster
#' is read in blocks, each once, and memory does not grow with its size.
#'
#' `foundation_moco_embed_raster()` is the name and the order of arguments that edaphos has.
#'
#' @inheritSection predict.edaphosbridge_classifier Maps
#' @param encoder,moco An encoder, or a fit that holds one, that knows how raw cells become patches, or
#'   with `dataset`.
#' @param stack A `SpatRaster` of terra, a stars object, or the paths of aligned rasters, as in
#'   [foundation_tile_dataset()].
#' @param dataset A [foundation_tile_dataset()], for an encoder that carries no normalisation.
#' @param patch_size Height and width of the patches, instead of those that the encoder or `dataset`
#'   knows.
#' @param projection `TRUE` for the projections, unit vectors of length `proj_dim`, instead of the
#'   features before them.
#' @param device `"cpu"`, `"mps"` or `"cuda"`.
#' @param ... Further arguments of `foundation_embed_raster()`.
#' @inheritParams predict.edaphosbridge_classifier
#'
#' @return A `SpatRaster` with layers e1 to eD, `NA` where no band has data; of a stars object a stars
#'   object.
#' @seealso [foundation_embed_at_coords()] for points
#' @examplesIf edaphosbridge::edaphosbridge_available() && requireNamespace("terra", quietly = TRUE)
#' stack <- terra::rast(system.file("ex/logo.tif", package = "terra"))
#' dataset <- foundation_tile_dataset(stack, patch_size = 8, n_patches = 50, seed = 1)
#' fit <- foundation_moco_pretrain_tiles(dataset, feature_dim = 8, epochs = 2, seed = 1)
#' features <- foundation_embed_raster(fit, stack, stride = 4)
#' features
#' # any model of R on top
#' points <- terra::spatSample(features, 30, na.rm = TRUE)
#' model <- lm(clay ~ e1 + e2, cbind(points, clay = rnorm(30)))
#' terra::predict(features, model)
#' @export
foundation_embed_raster <- function(encoder, stack, dataset = NULL, patch_size = NULL, stride = 1L,
                                    projection = FALSE, filename = "", overwrite = FALSE,
                                    wopt = list(), block_size = NULL, method = c("exact", "dense"),
                                    device = c("cpu", "mps", "cuda"), client = NULL, resume = TRUE,
                                    verbose = FALSE) {
  embed_map(encoder, stack, environment(), sys.call(), "encoder")
}

#' @rdname foundation_embed_raster
#' @export
foundation_moco_embed_raster <- function(moco, stack, dataset = NULL, patch_size = NULL, stride = 1L,
                                         projection = FALSE, ...) {
  call <- sys.call()
  given <- c("dataset", "patch_size", "stride", "projection")
  further <- formals(foundation_embed_raster)[-(1:2)]
  further <- further[setdiff(names(further), given)]
  stop_if_unused("foundation_moco_embed_raster", ..., takes = further)
  values <- c(mget(given), list(...))
  others <- further[setdiff(names(further), names(values))]
  embed_map(moco, stack, c(values, lapply(others, eval, baseenv())), call, "moco")
}

# `values` are the arguments of the function that the user called; `argument` is what it calls the
# encoder.
embed_map <- function(encoder, stack, values, call, argument) {
  settings <- list(
    patch_size = to_scalar(values$patch_size),
    projection = to_scalar(values$projection),
    device = to_choice(values$device, c("cpu", "mps", "cuda"))
  )
  settings <- c(settings, to_patch_places(values))
  fitted <- list(to_encoder(encoder, call, argument))
  make_map(
    name = "embed_raster", fitted, stack, "stack", list(to_tiles(values$dataset, call)), settings,
    values, "FLT4S", "embedding", call, also = c(encoder = argument)
  )
}
