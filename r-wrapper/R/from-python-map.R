# Maps on their way to R: from the file that Python wrote to what the user gave.

# A SpatRaster, or of a stars object one of its kind, on the file of a map. `codes` are classes and
# colours of a map of classes, `what` names what several layers are.
from_raster_map <- function(path, codes, like, what) {
  raster <- terra::rast(path)
  # terra takes a file without one for longitude and latitude where its numbers could be
  if (inherits(like, "SpatRaster") && !nzchar(terra::crs(like))) terra::crs(raster) <- ""
  if (!is.null(codes)) {
    classes <- as.character(unlist(codes$classes))
    colours <- as.character(unlist(codes$colours))
    levels(raster) <- data.frame(ID = seq_along(classes), class = classes)
    terra::coltab(raster) <- data.frame(value = seq_along(colours), col = colours)
  }
  if (inherits(like, c("stars", "stars_proxy"))) {
    return(from_raster_map_to_stars(raster, path, codes, like, what))
  }
  raster
}

# A proxy stays one: its cells are in the file until they are asked for.
from_raster_map_to_stars <- function(raster, path, codes, like, what) {
  is_proxy <- inherits(like, "stars_proxy")
  map <- stars::read_stars(path, proxy = is_proxy, quiet = TRUE)
  names(map) <- if (terra::nlyr(raster) == 1L) names(raster) else what
  if (!is.null(codes) && !is_proxy) {
    classes <- as.character(unlist(codes$classes))
    levels(raster) <- NULL
    cells <- as.vector(terra::values(raster))
    map[[1]] <- structure(
      factor(classes[cells], classes),
      dim = dim(map), colors = as.character(unlist(codes$colours)), exclude = rep(FALSE, length(classes))
    )
  }
  map
}
