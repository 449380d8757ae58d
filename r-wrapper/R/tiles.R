#' Patches of a raster, read as they are needed
#'
#' Draws the centres of `n_patches` patches of a raster and the statistics that
#' normalise its bands. The raster is read in windows and never loaded whole.
#'
#' @section Cells without data:
#' A centre has data in every band, and its whole patch lies inside the raster.
#' Other cells without data become the mean of their band: 0 where bands are
#' normalised. Means and standard deviations are those of the cells with data,
#' summed block by block.
#'
#' @section Labels:
#' With `labels` the dataset has masks: the class of each cell of each patch, or `NA`. Every patch then
#' holds a labelled cell at least, and all that do are equally likely, so that a few labels will do. Where
#' fewer do than are asked for, some are drawn twice, and a message says so.
#'
#' A raster of classes has whole numbers, or levels, which are then the classes in their order. `NA` is
#' unlabelled, and 0 a class like any other. Polygons (sf, terra, or a file of them) are brought into the
#' coordinate reference system of `stack`, corner by corner, and label the cells whose centres they hold;
#' points the cell that they lie in; where several do, the last one counts, and a warning counts the cells
#' that classes claim from each other. Shapes without a class, or of the class `unlabelled`, label
#' nothing. What has no data in any band of `stack` is unlabelled too.
#'
#' Classes are those that label a cell of `stack`, in or out of patches: datasets of the same labels have
#' the same ones. Masks are kept with the dataset, and `labels` need not be there later.
#'
#' @section Rasters of terra and stars:
#' A SpatRaster that shows GeoTIFF or VRT files as they are is read from those
#' files. Any other (computed, cropped, in memory, another format) is first
#' written to a GeoTIFF, block by block. Of up to 64 MiB, the dataset keeps it in
#' its `state`, and survives the R session; a larger one lives in a temporary
#' file, and a warning says that it goes with the session.
#'
#' Rows run from north to south and columns from west to east, whatever their
#' order in a file. A file that is turned against its coordinates is refused;
#' `terra::rectify()` turns it. What terra 1.8 computes from a file whose rows run
#' from south to north is mirrored, and this package cannot see it: turn such a
#' file first, `sf::gdal_utils("warp", path, "north-up.tif")`.
#'
#' @param stack A `SpatRaster` of terra, a stars object, or the paths of one or
#'   several aligned rasters, also names of GDAL such as `"/vsizip/a.zip/b.tif"`,
#'   `"/vsicurl/https://..."` or `"NETCDF:a.nc:clay"`. One channel a band.
#' @param patch_size Height and width of a patch, in cells. The centre is row and
#'   column `patch_size %/% 2 + 1` of the patch.
#' @param n_patches Number of patches, drawn without replacement (with, where
#'   there are fewer cells that can be a centre).
#' @param valid_mask A raster of one band on the cells of `stack`, as `stack` is
#'   given: centres are only where it is neither `NA` nor 0. By default anywhere.
#' @param normalise Whether cells become `(cell - mean) / sd` of their band.
#' @param seed Whole number; `NULL` draws one from R's generator, so that
#'   `set.seed()` reproduces too.
#'
#' @param labels A raster of one band on the cells of `stack`, as `stack` is given; or polygons or points
#'   of sf, a `SpatVector` of terra, or with `field` the path of a file of them.
#' @param field The name of the column of `labels` with the class of each polygon or point.
#' @param unlabelled One more class of `labels` that stands for unlabelled cells.
#'
#' @return A list of class `c("edaphosbridge_tiles", "edaphos_tile_dataset")` with
#'   \item{patch_size, n_patches, n_channels, height, width}{integer}
#'   \item{bands}{character, the names of the bands}
#'   \item{means, sds}{numeric, one value a band}
#'   \item{normalise}{logical}
#'   \item{cells}{integer matrix `(n_patches, 2)`: row and column of the centres}
#'   \item{coords}{numeric matrix `(n_patches, 2)`: x and y of the centres, for `blocks` of a fit}
#'   \item{classes}{character, the classes of `labels`}
#'   \item{seed}{the seed used}
#'   \item{state}{raw (by `dataset$state`), the whole dataset without the raster's cells}
#'   `dataset$sample(batch_size, seed = NULL)` gives some of its patches at random,
#'   an array `(batch_size, C, H, W)`, and `dataset$masks()` the masks of all, an integer array
#'   `(n_patches, H, W)` with `levels`. The list survives `saveRDS()` as long as the
#'   raster's files are where they were; they are opened when patches are read.
#' @seealso [foundation_moco_pretrain_tiles()], [foundation_embed_at_coords()]
#' @examplesIf edaphosbridge::edaphosbridge_available() && requireNamespace("terra", quietly = TRUE)
#' stack <- terra::rast(system.file("ex/logo.tif", package = "terra"))
#' dataset <- foundation_tile_dataset(stack, patch_size = 8, n_patches = 50, seed = 1)
#' dataset
#' dim(dataset$sample(8))
#'
#' # masks from two polygons
#' fields <- terra::vect(c(
#'   "POLYGON ((10 10, 40 12, 30 40, 10 10))", "POLYGON ((60 50, 90 52, 70 70, 60 50))"
#' ))
#' fields$crop <- c("soy", "maize")
#' dataset <- foundation_tile_dataset(
#'   stack,
#'   patch_size = 8, n_patches = 50, seed = 1, labels = fields, field = "crop"
#' )
#' masks <- dataset$masks()
#' table(levels(masks)[masks], useNA = "always")
#' @export
foundation_tile_dataset <- function(stack, patch_size = 16L, n_patches = 1000L, valid_mask = NULL,
                                    normalise = TRUE, seed = NULL, labels = NULL, field = NULL,
                                    unlabelled = NULL) {
  call <- sys.call()
  known <- to_cell_labels(labels, field, call, environment())
  answer <- python_call("tile_dataset", list(
    to_raster(stack, call, keep = TRUE),
    to_scalar(patch_size),
    to_scalar(n_patches),
    if (!is.null(valid_mask)) to_raster(valid_mask, call, argument = "valid_mask"),
    to_scalar(normalise),
    to_scalar(seed),
    known$labels,
    known$field,
    to_scalar(unlabelled),
    draw_seed
  ))
  from_tiles(answer_value(answer, call))
}

#' @export
`$.edaphosbridge_tiles` <- function(x, name) {
  if (identical(name, "sample")) {
    return(function(batch_size, seed = NULL) sample_tiles(x, batch_size, seed, sys.call()))
  }
  if (identical(name, "masks")) {
    return(function() masks_of_tiles(x, sys.call()))
  }
  element_of(x, name)
}

sample_tiles <- function(dataset, batch_size, seed, call) {
  answer <- python_call("tile_sample", list(
    dataset$state, to_scalar(batch_size), to_scalar(seed), draw_seed
  ))
  from_array(answer_value(answer, call))
}

masks_of_tiles <- function(dataset, call) {
  from_masks(answer_value(python_call("tile_masks", list(dataset$state)), call))
}
