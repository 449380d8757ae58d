#' Smooth a map of class probabilities
#'
#' Single odd cells of a map go where those around them agree on another class. Class probabilities
#' become those given the cells around; or each cell has the class that most of its window have. Cells
#' without data stay so and count for none.
#'
#' The map is made block by block, and written to a file, as [predict()][predict.edaphosbridge_classifier]
#' makes that of a raster: memory does not grow with it, Ctrl-C stops it, and the same call goes on from
#' the blocks that are finished.
#'
#' @param x A `SpatRaster` of terra, a stars object, or the paths of aligned rasters, with a layer of
#'   probabilities for each class, as `predict(fit, stack, type = "prob")` gives it.
#' @param method `"bayesian"` smooths probabilities. What to expect of a class is learnt from the
#'   `neigh_fraction` of cells in the window where it is most probable; the more these agree, and the
#'   larger `smoothness`, the nearer a cell is drawn to them. `"majority"` gives the class that most
#'   cells of the window have: the cell's own where that is among several, else the first of them.
#' @param window The side of the window in cells, odd.
#' @param neigh_fraction For `"bayesian"`: above 0, at most 1.
#' @param smoothness For `"bayesian"`: the variance of the logits of a class, above 0; one for all, or one
#'   for each, in the order of layers or by their names.
#' @param colours For `"majority"`: a colour for each class, by name or in their order, as
#'   [grDevices::col2rgb()] reads them. By default those of Okabe and Ito.
#' @inheritParams predict.edaphosbridge_classifier
#'
#' @return A `SpatRaster`; of a stars object a stars object, of a proxy a proxy. For `"bayesian"` smoothed
#'   probabilities, a layer a class, whose most probable class is the smoothed one. For `"majority"` one
#'   layer, `class`, with the layers of `x` as levels 1 to K and their colours.
#' @references
#' Camara, G. et al. (2024). Bayesian inference for post-processing of remote-sensing image
#' classification. Remote Sensing 16(23), 4572. Defaults are those of `sits_smooth()` of the package sits
#' 1.5.
#' @seealso [foundation_uncertainty()]
#' @examplesIf edaphosbridge::edaphosbridge_available() && requireNamespace("terra", quietly = TRUE)
#' forest <- terra::rast(nrows = 20, ncols = 30, crs = "EPSG:32723", vals = 0.9)
#' forest[10, 10] <- 0.4
#' prob <- c(forest, 1 - forest)
#' names(prob) <- c("forest", "field")
#' foundation_smooth(prob, window = 3)[10, 10]
#' soils <- foundation_smooth(prob, "majority", colours = c(forest = "darkgreen", field = "tan"))
#' terra::freq(soils)
#' @export
foundation_smooth <- function(x, method = c("bayesian", "majority"), window = 9L,
                              neigh_fraction = 0.5, smoothness = 20, colours = NULL, filename = "",
                              overwrite = FALSE, wopt = list(), block_size = NULL, client = NULL,
                              resume = TRUE, verbose = FALSE) {
  call <- sys.call()
  if (!missing(x) && is.array(x)) {
    problem <- paste(
      "must be a SpatRaster of terra, a stars object, or the paths of aligned rasters; found an array.",
      "terra::rast() makes a raster of an array (H, W, K)."
    )
    stop_input("x", problem, call)
  }
  raster <- as_spat_raster(x, "x", call)
  method <- to_choice(method, c("bayesian", "majority"))
  settings <- list(
    method = method,
    window = to_scalar(window),
    neigh_fraction = to_scalar(neigh_fraction),
    smoothness = to_smoothness(smoothness, names(raster), call),
    colours = to_colours(colours, call)
  )
  datatype <- if (identical(method, "majority")) datatype_of_codes(terra::nlyr(raster)) else "FLT4S"
  make_map(
    name = "smooth_raster", list(), x, "x", list(), settings, environment(), datatype, "prob", call,
    raster = raster
  )
}
