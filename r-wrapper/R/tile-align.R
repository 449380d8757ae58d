#' Bring rasters of different grids on one grid
#'
#' Rasters of any grids, resolutions and coordinate reference systems become the bands of one GeoTIFF,
#' by GDAL's warper in Python, window by window: neither a source nor the result is ever held whole.
#'
#' @section The grid:
#' Where resolution and coordinate reference system are those of the first source, the grid is its
#' own, cut or extended by whole cells so that it takes in the area; its cells are copied bit by bit,
#' as are those of any other source that lie on the same lattice, whatever the method. Else the grid
#' begins at the upper left corner of the area. Elsewhere GDAL places cells to a thousandth of a
#' source's cell.
#'
#' @param sources A list of rasters, of one or more bands each, or a `SpatRasterCollection`: a
#'   `SpatRaster` of terra, a stars object or a path, as in [foundation_tile_dataset()]. Of a character
#'   vector each path is a source. The first one gives the defaults.
#' @param target_res Size of a cell, or its width and height, in units of the coordinate reference
#'   system. By default that of the first source's cells; where `target_crs` is another, that of a
#'   square as large as one of them in the middle of the area.
#' @param target_crs `"EPSG:32723"`, the number of an EPSG code, WKT, a PROJ string, a `crs` of sf, or
#'   an object of terra or sf that has one. By default that of the first source.
#' @param aoi The area: `c(xmin, ymin, xmax, ymax)`, a `SpatExtent` of terra or a raster's `bbox` of sf, in
#'   the coordinate reference system of the result unless they carry one; or an sf object or a
#'   `SpatVector`, whose bounding box is taken, transformed. By default what all sources have in common:
#'   the intersection of their bounding boxes.
#' @param method `"nearest"`, `"bilinear"`, `"cubic"`, `"cubic_spline"`, `"lanczos"`, `"average"`,
#'   `"mode"`, `"max"`, `"min"`, `"med"`, `"q1"`, `"q3"`, `"sum"` or `"rms"`; one for all, or one a
#'   source. Classes take `"nearest"`, or `"mode"` where cells become larger: any other makes numbers
#'   between them, and is an error for a `SpatRaster` with levels.
#' @param filename The GeoTIFF to write, ending in `.tif` or `.tiff`. By default one in the temporary
#'   folder of the session.
#' @param overwrite Whether a file of that name may be replaced. That happens when the new one is whole.
#'
#' @return A `SpatRaster` of that file: the bands of all sources in order, with their names; float32
#'   where that holds the cells of all sources as they are, else float64; `NA` without data. Levels
#'   become their numbers.
#' @seealso [foundation_tile_dataset()]
#' @examplesIf edaphosbridge::edaphosbridge_available() && requireNamespace("terra", quietly = TRUE)
#' elevation <- terra::rast(system.file("ex/elev.tif", package = "terra"))
#' coarse <- terra::aggregate(terra::project(elevation, "EPSG:32632"), 3)
#' names(coarse) <- "coarse"
#' foundation_tile_align(list(elevation, coarse))
#' foundation_tile_align(
#'   list(elevation, coarse),
#'   target_crs = "EPSG:32632", target_res = 1000, method = c("bilinear", "nearest")
#' )
#' @export
foundation_tile_align <- function(sources, target_res = NULL, target_crs = NULL, aoi = NULL,
                                  method = "bilinear", filename = NULL, overwrite = FALSE) {
  call <- sys.call()
  frame <- environment()
  sources <- to_sources(sources, call)
  stop_if_blended(sources, method, call)
  target <- if (is.null(filename)) tempfile("aligned-", fileext = ".tif") else to_path(filename)
  answer <- python_call("tile_align", list(
    lapply(sources, to_raster, call = call, argument = "sources", frame = frame),
    if (!is.null(target_res)) to_numbers(target_res),
    to_crs(target_crs, call),
    to_area(aoi, call),
    if (is.character(method) && length(method) != 1L) to_numbers(method) else to_scalar(method),
    target,
    to_scalar(overwrite)
  ))
  path <- answer_value(answer, call)
  terra::rast(path)
}

# A list of SpatRasters: each path of a vector is one, and so is one raster alone.
to_sources <- function(sources, call) {
  if (missing(sources)) {
    stop_input("sources", "is missing: a list of rasters.", call)
  }
  is_one <- inherits(sources, c("SpatRaster", "stars", "stars_proxy"))
  if (is_one) {
    sources <- list(sources)
  } else if (inherits(sources, c("SpatRasterCollection", "SpatRasterDataset"))) {
    sources <- lapply(seq_along(sources), function(i) sources[i])
  } else if (is.character(sources)) {
    sources <- as.list(unname(sources))
  }
  if (!is.list(sources) || length(sources) == 0L) {
    problem <- sprintf("must be a list of rasters or their paths; found %s.", class(sources)[[1]])
    stop_input("sources", problem, call)
  }
  lapply(unname(sources), as_spat_raster, argument = "sources", call = call)
}

# Levels stand for classes, and a mean of two is a third one.
stop_if_blended <- function(sources, method, call) {
  if (!is.character(method) || !length(method) %in% c(1L, length(sources))) {
    return(invisible()) # Python says so
  }
  keeps <- rep_len(method, length(sources)) %in% c("near", "nearest", "mode", "max", "min")
  classed <- vapply(sources, function(source) any(terra::is.factor(source)), NA)
  bad <- which(classed & !keeps)
  if (length(bad)) {
    problem <- sprintf(
      paste0(
        "makes numbers between classes, which source %d has (levels); found '%s'. Give that source ",
        "\"nearest\" or \"mode\": one method a source, c(\"bilinear\", \"nearest\", ...)."
      ),
      bad[[1]], rep_len(method, length(sources))[[bad[[1]]]]
    )
    stop_input("method", problem, call)
  }
}

# A coordinate reference system as WKT or as it was written, NULL where there is none to be asked for.
to_crs <- function(crs, call) {
  if (is.null(crs)) {
    return(NULL)
  }
  if (inherits(crs, c("SpatRaster", "SpatVector"))) {
    crs <- terra::crs(crs)
  } else if (inherits(crs, c("sf", "sfc", "stars", "bbox"))) {
    crs <- sf::st_crs(crs)$wkt
  } else if (inherits(crs, "crs")) {
    crs <- crs$wkt
  }
  if (is.numeric(crs) && length(crs) == 1L && !is.na(crs)) {
    crs <- sprintf("EPSG:%.0f", crs)
  }
  if (!is.character(crs) || length(crs) != 1L || is.na(crs) || !nzchar(crs)) {
    stop_input(
      "target_crs",
      "must be a coordinate reference system: a code (\"EPSG:32723\"), a PROJ string or WKT, or an object that has one.",
      call
    )
  }
  crs
}

# Bounds in the order xmin, ymin, xmax, ymax, and their coordinate reference system where it is known.
to_area <- function(aoi, call) {
  if (is.null(aoi)) {
    return(NULL)
  }
  crs <- NULL
  if (inherits(aoi, c("SpatVector", "SpatRaster"))) {
    crs <- terra::crs(aoi)
    aoi <- terra::ext(aoi)
  } else if (inherits(aoi, c("sf", "sfc", "bbox"))) {
    crs <- sf::st_crs(aoi)$wkt
    aoi <- sf::st_bbox(aoi)
  }
  if (inherits(aoi, "SpatExtent")) {
    aoi <- as.vector(aoi)
  }
  edges <- c("xmin", "ymin", "xmax", "ymax")
  if (is.numeric(aoi) && setequal(names(aoi), edges)) {
    aoi <- aoi[edges]
  }
  if (!is.numeric(aoi) || length(aoi) != 4L) {
    stop_input(
      "aoi",
      sprintf(
        paste(
          "must be c(xmin, ymin, xmax, ymax), a SpatExtent, or an object of sf or terra; found %s of",
          "length %d."
        ),
        class(aoi)[[1]], length(aoi)
      ),
      call
    )
  }
  list(bounds = as.list(unname(as.double(aoi))), crs = if (length(crs) && !is.na(crs)) crs)
}
