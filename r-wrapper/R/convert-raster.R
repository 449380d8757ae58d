# Rasters on their way to Python: where their cells lie, never the cells themselves.

# Python reads files, in windows. A SpatRaster that is one on disk crosses as its files and bands,
# any other (computed, in memory, with another NA flag, ...) is written to a temporary GeoTIFF,
# block by block. `keep` leaves that file for the session; otherwise it goes with the caller.
to_raster <- function(stack, call, keep = FALSE, argument = "stack", frame = parent.frame()) {
  if (missing(stack)) {
    stop_input(argument, "is missing: a SpatRaster of terra, or the path of a raster.", call)
  }
  raster <- as_spat_raster(stack, argument, call)
  files <- files_of(raster)
  if (is.null(files)) {
    path <- tempfile("edaphosbridge-", fileext = ".tif")
    if (!keep) {
      do.call(on.exit, list(substitute(unlink(path), list(path = path)), add = TRUE), envir = frame)
    }
    terra::writeRaster(raster, path, datatype = "FLT8S", NAflag = NaN)
    files <- list(list(path = path, bands = as.list(seq_len(terra::nlyr(raster)))))
  }
  cell <- terra::res(raster)
  list(
    files = files,
    names = as.list(names(raster)),
    transform = as.list(c(cell[[1]], 0, terra::xmin(raster), 0, -cell[[2]], terra::ymax(raster)))
  )
}

as_spat_raster <- function(stack, argument, call) {
  is_path <- is.character(stack) && length(stack) > 0L && !anyNA(stack)
  if (!is_path && !inherits(stack, "SpatRaster")) {
    stop_input(
      argument,
      sprintf(
        "must be a SpatRaster of terra, or the paths of aligned rasters; found %s.",
        class(stack)[[1]]
      ),
      call
    )
  }
  if (!requireNamespace("terra", quietly = TRUE)) {
    stop_input(argument, "needs the package terra: install.packages(\"terra\")", call)
  }
  if (!is_path) {
    if (!terra::hasValues(stack)) {
      stop_input(argument, "is a SpatRaster without values.", call)
    }
    return(stack)
  }
  missing_files <- stack[!file.exists(stack)]
  if (length(missing_files) > 0L) {
    stop_input(argument, sprintf("names no file: %s", missing_files[[1]]), call)
  }
  tryCatch(
    suppressWarnings(terra::rast(path.expand(stack))),
    error = function(error) {
      stop_input(
        argument, paste0("cannot be opened as a raster: ", conditionMessage(error)), call
      )
    }
  )
}

# The GeoTIFFs and bands that hold exactly what `raster` shows, or NULL.
files_of <- function(raster) {
  table <- terra::sources(raster, bands = TRUE)
  paths <- unique(table$source)
  if (nrow(table) != terra::nlyr(raster) || !all(grepl("\\.tiff?$", paths, ignore.case = TRUE))) {
    return(NULL)
  }
  if (!all(file.exists(paths)) || any(terra::window(raster))) {
    return(NULL)
  }
  runs <- rle(table$sid)
  ends <- cumsum(runs$lengths)
  files <- Map(
    function(from, to) list(path = table$source[[from]], bands = as.list(table$bands[from:to])),
    ends - runs$lengths + 1L, ends
  )
  twin <- do.call(c, lapply(unname(files), function(file) {
    terra::rast(file$path)[[unlist(file$bands)]]
  }))
  same <- function(property) identical(property(twin), property(raster))
  grid <- function(x) c(dim(x), as.vector(terra::ext(x)))
  if (same(grid) && same(terra::NAflag) && same(terra::scoff)) unname(files)
}
