# Maps on their way to Python: what is a raster to map, where the map goes, and how it is computed.

# Whether `x` is a raster, and not patches: an object of terra or stars, or paths. A path is one of
# patches where Python takes it for one, as it ends in .npy or leads into a .zarr folder.
is_raster <- function(x) {
  if (!is.character(x) || length(x) == 0L || anyNA(x)) {
    return(inherits(x, c("SpatRaster", "stars", "stars_proxy")))
  }
  of_patches <- !is_name_of_gdal(x) & grepl("\\.npy$|\\.zarr([/\\\\]|$)", x)
  !any(of_patches | !nzchar(x))
}

# Arguments of predict() that only maps have.
names_of_map <- c(
  "filename", "overwrite", "wopt", "stride", "block_size", "method", "colours", "client", "resume",
  "verbose"
)

# For patches and points: an argument that only maps use would be ignored without a word. `values` are
# those of the function that the user called.
stop_if_of_maps <- function(values, defaults, call, names = names_of_map) {
  for (name in intersect(names, names(defaults))) {
    if (!identical(values[[name]], eval(defaults[[name]], baseenv()))) {
      problem <- paste(
        "is for the map of a raster: a SpatRaster, a stars object or the path of a raster%s."
      )
      problem <- sprintf(problem, if ("coords" %in% names(defaults)) ", without `coords`" else "")
      stop_input(name, problem, call)
    }
  }
}

# The other way round: an argument of predict() that no map follows.
stop_if_of_patches <- function(more, call) {
  for (name in names(Filter(Negate(is.null), more))) {
    problem <- sprintf(
      paste(
        "is for patches and points: a map has that of the fit. Give type = \"prob\" and compare,",
        "map >= %s."
      ), name
    )
    stop_input(name, problem, call)
  }
}

# A table of predictions has a row for each patch or point.
stop_if_map <- function(newdata, coords, call) {
  if (is.null(coords) && !missing(newdata) && is_raster(newdata)) {
    call[[1]] <- quote(augment)
    problem <- "is a raster, of which predict() makes a map. For rows of a table give points, `coords`."
    stop_input("newdata", problem, call)
  }
}

# Settings of a map that all verbs of maps have, and `out`, the path of its file.
to_map <- function(values, raster, datatype, call) {
  list(
    out = to_map_file(values$filename, values$overwrite, raster, call),
    block_size = to_scalar(values$block_size),
    client = if (is_python_object(values$client)) values$client else to_scalar(values$client),
    overwrite = to_scalar(values$overwrite),
    resume = to_scalar(values$resume),
    options = to_creation_options(values$wopt, datatype, call),
    verbose = to_scalar(values$verbose)
  )
}

# Settings of a map of what is computed of patches; a segmenter maps every cell of tiles.
to_patch_places <- function(values) {
  if (!exists("stride", values, inherits = FALSE)) {
    return(list(stride = 1L, method = "exact"))
  }
  list(
    stride = to_scalar(values$stride),
    method = to_choice(values$method, c("exact", "dense"))
  )
}

# Of each layer, in their order: one number for all, several in order, or by the names of the layers.
to_smoothness <- function(smoothness, layers, call) {
  named <- if (is.atomic(smoothness)) names(smoothness)
  if (is.null(named)) {
    return(to_scalar(smoothness))
  }
  if (anyDuplicated(named) || !setequal(named, layers)) {
    problem <- sprintf(
      "must be one number, or one for each layer; names are those of the layers, %s; found %s.",
      paste(layers, collapse = ", "), paste(named, collapse = ", ")
    )
    stop_input("smoothness", problem, call)
  }
  to_scalar(unname(smoothness[layers]))
}

# The path of the map's file. "" is one in terra's folder of temporary files, where its tmpFiles() finds
# it.
to_map_file <- function(filename, overwrite, raster, call) {
  if (!is.character(filename) || length(filename) != 1L || is.na(filename)) {
    found <- if (is.character(filename)) sprintf("%d paths", length(filename)) else class(filename)[[1]]
    if (identical(filename, NA_character_)) found <- "NA"
    problem <- sprintf("must be the path of one file, or \"\" for a temporary one; found %s.", found)
    stop_input("filename", problem, call)
  }
  if (!nzchar(filename)) {
    return(tempfile("spat_", terra::terraOptions(print = FALSE)$tempdir, ".tif"))
  }
  path <- path.expand(filename)
  sources <- unique(terra::sources(raster))
  real <- function(paths) normalizePath(paths, "/", mustWork = FALSE)
  if (real(path) %in% real(sources[nzchar(sources)])) {
    problem <- sprintf("is a file of the raster itself; found '%s'. Give another path.", filename)
    stop_input("filename", problem, call)
  }
  if (dir.exists(path)) {
    stop_input("filename", sprintf("must be the path of a file; found the folder '%s'.", filename), call)
  }
  if (file.exists(path) && identical(overwrite, FALSE)) {
    problem <- sprintf(
      "exists already; found '%s'. overwrite = TRUE replaces it when the new map is whole.", filename
    )
    stop_input("filename", problem, call)
  }
  to_path(path)
}

# What terra::writeRaster() calls `wopt`, as creation options of GDAL: of its names those that a map can
# follow. A map is always a cloud-optimised GeoTIFF, and so a GeoTIFF too, of the type `datatype`.
to_creation_options <- function(wopt, datatype, call) {
  if (!is.list(wopt) || is.object(wopt) || (length(wopt) > 0L && !all(nzchar(names_or_none(wopt))))) {
    found <- if (is.list(wopt)) "a list without names" else class(wopt)[[1]]
    problem <- sprintf("must be a named list, as terra::writeRaster() takes it; found %s.", found)
    stop_input("wopt", problem, call)
  }
  unknown <- setdiff(names(wopt), c("gdal", "datatype", "filetype"))
  if (length(unknown) > 0L) {
    problem <- sprintf(
      "has `%s`, which maps do not follow. They follow `gdal`, `filetype` and `datatype`.%s",
      unknown[[1]], if (unknown[[1]] == "names") " names(map) <- ... names the layers of a map." else ""
    )
    stop_input("wopt", problem, call)
  }
  stop_if_not_among(wopt$filetype, c("GTiff", "COG"), "filetype", call)
  stop_if_not_among(wopt$datatype, datatype, "datatype", call)
  to_gdal_options(wopt$gdal, call)
}

stop_if_not_among <- function(value, choices, name, call) {
  if (!is.null(value) && !(is.character(value) && length(value) == 1L && value %in% choices)) {
    problem <- sprintf(
      "has `%s`, which must be %s for this map; found %s.", name,
      paste0("\"", choices, "\"", collapse = " or "), paste(format(value), collapse = ", ")
    )
    stop_input("wopt", problem, call)
  }
}

# c("COMPRESS=ZSTD", "LEVEL=9") as a list of texts by name.
to_gdal_options <- function(options, call) {
  if (length(options) == 0L) {
    return(NULL)
  }
  if (!is.character(options) || !all(grepl("^[^=]+=", options))) {
    problem <- "has `gdal`, which must be creation options such as \"COMPRESS=ZSTD\"; found %s."
    stop_input("wopt", sprintf(problem, paste(format(options), collapse = ", ")), call)
  }
  structure(as.list(sub("^[^=]+=", "", options)), names = sub("=.*", "", options))
}

# Colours as R writes them, "red" or "#ff0000", as "#rrggbb", by name if they have names.
to_colours <- function(colours, call) {
  if (is.null(colours)) {
    return(NULL)
  }
  problem <- "must be colours of the classes, such as c(wet = \"blue\", dry = \"#e69f00\"); found %s."
  if (!is.character(colours) || anyNA(colours)) {
    stop_input("colours", sprintf(problem, paste(format(colours), collapse = ", ")), call)
  }
  parts <- tryCatch(grDevices::col2rgb(colours), error = function(error) {
    stop_input("colours", sprintf(problem, paste(colours, collapse = ", ")), call)
  })
  as_written <- grDevices::rgb(parts[1L, ], parts[2L, ], parts[3L, ], maxColorValue = 255)
  structure(as.list(as_written), names = names(colours))
}

# Some of the kinds of layers, each as in `to_choice()`; NULL is Python's default.
to_kinds <- function(type, default, choices) {
  if (identical(type, default)) {
    return(NULL)
  }
  if (is.character(type) && length(type) > 0L) lapply(type, to_choice, choices) else to_scalar(type)
}
