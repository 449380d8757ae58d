# Rasters on their way to Python: where their cells lie, never the cells themselves, but for a small
# raster that no file holds.

# Python reads files, in windows. A SpatRaster that is one on disk crosses as its files and bands,
# any other (computed, in memory, with another NA flag, ...) is written to a temporary GeoTIFF,
# block by block, which goes with the caller. `keep` is for what outlives the session: the content of
# that GeoTIFF crosses, unless it is large.
#
# terra shows every raster north up, and its columns as in the file. Python reads a file in the
# directions that the transform says.
to_raster <- function(stack, call, keep = FALSE, argument = "stack", frame = parent.frame()) {
  raster <- as_spat_raster(stack, argument, call)
  files <- files_of(raster)
  if (is.null(files)) {
    files <- list(written(raster, call, keep, argument, frame))
  }
  edges <- as.vector(terra::ext(raster))
  x <- range(edges[1:2]) # where columns run from east to west terra has xmin > xmax
  y <- range(edges[3:4])
  cell <- c(diff(x) / terra::ncol(raster), diff(y) / terra::nrow(raster))
  list(
    files = files,
    names = as.list(names(raster)),
    transform = as.list(c(cell[[1]], 0, x[[1]], 0, -cell[[2]], y[[2]])),
    crs = terra::crs(raster)
  )
}

# A raster without a file of its own, as a file: what it holds if that may be kept, else its path.
written <- function(raster, call, keep, argument, frame) {
  sources <- unique(terra::sources(raster))
  sources <- sources[nzchar(sources)]
  shown <- if (length(sources)) paste(sources, collapse = ", ") else "a SpatRaster in memory"
  # terra 1.7 reads the wrong rows of a window on such a file, and 1.8 mirrors all of it
  if (!counts_cells(raster) && any(vapply(sources, runs_north, NA))) {
    stop_input(
      argument,
      sprintf(
        paste0(
          "shows a file whose rows run from south to north, and not as it is, so that terra would have ",
          "to read it, which goes wrong; found %s. Give the whole file, or turn it first: ",
          "sf::gdal_utils(\"warp\", path, \"north-up.tif\")."
        ),
        shown
      ),
      call
    )
  }
  path <- tempfile("edaphosbridge-", fileext = ".tif")
  files <- paste0(path, c("", ".aux.xml")) # terra keeps levels beside the file
  # Colour tables do not fit numbers, and warnings would name a file that is not the user's.
  tryCatch(
    suppressWarnings(terra::writeRaster(raster, path, datatype = "FLT8S", NAflag = NaN)),
    error = function(error) {
      unlink(files)
      stop_input(
        argument, sprintf("cannot be read (%s); found %s.", conditionMessage(error), shown), call
      )
    }
  )
  bands <- as.list(seq_len(terra::nlyr(raster)))
  if (keep && file.size(path) <= largest_kept) {
    on.exit(unlink(files))
    data <- readBin(path, "raw", file.size(path))
    return(list(path = "", bands = bands, data = data, shown = shown))
  }
  if (keep) {
    text <- sprintf(
      paste0(
        "`%s` is in no file that Python can read as it is, and too large to be kept in the ",
        "dataset: a temporary file holds it, which goes with this R session. ",
        "terra::writeRaster() to a GeoTIFF gives it one that stays."
      ),
      argument
    )
    warning(warningCondition(text, class = "edaphosbridge_warning", call = call))
  } else {
    do.call(on.exit, list(substitute(unlink(files), list(files = files)), add = TRUE), envir = frame)
  }
  list(path = path, bands = bands, shown = shown)
}

largest_kept <- 64 * 2^20 # bytes

as_spat_raster <- function(stack, argument, call) {
  if (missing(stack)) {
    stop_input(argument, "is missing: a SpatRaster of terra, or the path of a raster.", call)
  }
  is_path <- is.character(stack) && length(stack) > 0L && !anyNA(stack)
  several <- c("list", "SpatRasterCollection", "SpatRasterDataset")
  if (inherits(stack, several) && !inherits(stack, c("stars", "stars_proxy"))) {
    stop_input(
      argument,
      sprintf(
        paste0(
          "must be one raster; found %s of %d. terra::rast() makes one of rasters on one grid, ",
          "foundation_tile_align() of any others."
        ),
        class(stack)[[1]], length(stack)
      ),
      call
    )
  }
  if (!is_path && !inherits(stack, c("SpatRaster", "stars", "stars_proxy"))) {
    stop_input(
      argument,
      sprintf(
        "must be a SpatRaster of terra, a stars object, or the paths of aligned rasters; found %s.",
        class(stack)[[1]]
      ),
      call
    )
  }
  if (!requireNamespace("terra", quietly = TRUE)) {
    stop_input(argument, "needs the package terra: install.packages(\"terra\")", call)
  }
  if (inherits(stack, "SpatRaster")) {
    if (!terra::hasValues(stack)) {
      stop_input(argument, "is a SpatRaster without values.", call)
    }
    return(stack)
  }
  if (!is_path && !requireNamespace("stars", quietly = TRUE)) {
    stop_input(argument, "needs the package stars: install.packages(\"stars\")", call)
  }
  if (inherits(stack, c("stars", "stars_proxy"))) stop_if_other_dimensions(stack, argument, call)
  if (is_path) {
    stack <- path.expand(stack)
    missing_files <- stack[!file.exists(stack) & !is_name_of_gdal(stack)]
    if (length(missing_files) > 0L) {
      stop_input(argument, sprintf("names no file: %s", missing_files[[1]]), call)
    }
  }
  raster <- tryCatch(
    suppressWarnings(terra::rast(stack)),
    error = function(error) {
      found <- conditionMessage(error)
      hint <- if (is_path && length(stack) > 1L && grepl("extent|dimensions|resolution|rows|columns", found)) {
        " foundation_tile_align() brings files of different grids on one."
      }
      stop_input(argument, paste0("cannot be opened as a raster: ", found, hint), call)
    }
  )
  # terra calls attributes of a stars object, if it has no bands, "clay_lyr.1"
  if (!is_path && length(stack) > 1L && length(stack) == terra::nlyr(raster)) {
    names(raster) <- names(stack)
  }
  raster
}

# A stars object of times and bands would become a raster of all pairs of them.
stop_if_other_dimensions <- function(stack, argument, call) {
  dimensions <- names(stars::st_dimensions(stack))
  if (length(dimensions) > 3L) {
    problem <- sprintf(
      paste(
        "must have two dimensions of places, and at most one of bands; found %s. Take one of each",
        "further dimension, as stack[, , , , 1] does and then abind::adrop()."
      ),
      paste(dimensions, collapse = ", ")
    )
    stop_input(argument, problem, call)
  }
}

# "/vsizip/a.zip/b.tif", "NETCDF:a.nc:b", "vrt://a.tif?bands=1": what is no path, but known to GDAL.
is_name_of_gdal <- function(path) grepl("^(/vsi|[A-Za-z][A-Za-z0-9_+.]+:)", path)

# The files and bands that hold exactly what `raster` shows, or NULL.
files_of <- function(raster) {
  table <- terra::sources(raster, bands = TRUE)
  paths <- unique(table$source)
  if (nrow(table) != terra::nlyr(raster) || !all(is_read_alike(paths))) {
    return(NULL)
  }
  if (any(terra::window(raster)) || counts_cells(raster)) {
    return(NULL)
  }
  runs <- rle(table$sid)
  ends <- cumsum(runs$lengths)
  files <- Map(
    function(from, to) list(path = table$source[[from]], bands = as.list(table$bands[from:to])),
    ends - runs$lengths + 1L, ends
  )
  twin <- suppressWarnings(do.call(c, lapply(unname(files), function(file) {
    terra::rast(file$path)[[unlist(file$bands)]]
  })))
  same <- function(property) identical(property(twin), property(raster))
  grid <- function(x) c(dim(x), as.vector(terra::ext(x)))
  if (same(grid) && same(terra::NAflag) && same(terra::scoff)) unname(files)
}

# Whether terra and rasterio read a file alike: both by GDAL, without a driver of terra's own.
is_read_alike <- function(path) {
  is_file <- file.exists(path) | startsWith(path, "/vsi")
  ifelse(is_file, grepl("\\.(tiff?|vrt)$", path, ignore.case = TRUE), is_name_of_gdal(path))
}

# Whether coordinates are counts of cells: a file without georeference. terra turns the rows of some
# of these round, and of which depends on its version.
counts_cells <- function(raster) {
  edges <- as.vector(terra::ext(raster))
  all(edges == c(0, terra::ncol(raster), 0, terra::nrow(raster)))
}

# Whether the rows of a file run from south to north, by GDAL's report.
runs_north <- function(path) {
  any(grepl("^Pixel Size = \\([^,]*,[^-]", suppressWarnings(terra::describe(path))))
}
