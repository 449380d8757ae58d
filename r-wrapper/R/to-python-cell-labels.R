# The class of each cell of a raster on its way to Python: a raster of classes with its levels, or the
# corners of polygons and points with the class of each. Cells never cross.

# The elements `labels` and `field` of the call; Python has the field of shapes in their labels.
to_cell_labels <- function(labels, field, call, frame) {
  is_geometry <- inherits(labels, c("sf", "sfc", "SpatVector"))
  if (is_geometry || (!is.null(field) && is.character(labels))) {
    return(list(labels = to_shapes(labels, field, call), field = NULL))
  }
  if (!is.null(labels)) {
    stop_if_no_labels(labels, call)
    raster <- as_spat_raster(labels, "labels", call)
    labels <- to_raster(raster, call, argument = "labels", frame = frame)
    labels["levels"] <- list(to_levels(raster, call))
  }
  list(labels = labels, field = to_scalar(field))
}

stop_if_no_labels <- function(labels, call) {
  if (!is.character(labels) && !inherits(labels, c("SpatRaster", "stars", "stars_proxy"))) {
    problem <- sprintf(
      paste(
        "must be a raster of classes (a SpatRaster, a stars object or a path), or polygons or points",
        "of sf or terra; found %s."
      ), class(labels)[[1]]
    )
    stop_input("labels", problem, call)
  }
}

# Numbers and what they are called; NULL of a raster of plain numbers.
to_levels <- function(raster, call) {
  if (terra::nlyr(raster) != 1L || !terra::is.factor(raster)) {
    return(NULL)
  }
  table <- terra::levels(raster)[[1]]
  table <- table[!is.na(table[[2]]), ]
  names <- checked_text(as.character(table[[2]]), call, "labels")
  list(values = to_numbers(as.double(table[[1]])), names = as.list(names))
}

# --- polygons and points -------------------------------------------------------------------

to_shapes <- function(labels, field, call) {
  if (!requireNamespace("terra", quietly = TRUE)) {
    stop_input("labels", "needs the package terra: install.packages(\"terra\")", call)
  }
  if (is.character(labels)) {
    labels <- read_shapes(labels, call)
  }
  classes <- to_classes_of_shapes(labels, field, call)
  if (!inherits(labels, "SpatVector")) {
    labels <- sf_as_vector(labels, call)
  }
  kind <- terra::geomtype(labels)
  if (nrow(labels) && !kind %in% c("polygons", "points")) {
    stop_no_areas(kind, call)
  }
  corners <- terra::geom(labels)
  corners <- corners[is.finite(corners[, "x"]), , drop = FALSE] # one that is empty has NaN
  shape <- corners[, "geom"]
  begins <- function(column) c(TRUE, diff(column) != 0)
  is_first <- if (kind == "points") {
    rep(TRUE, nrow(corners))
  } else {
    begins(shape) | begins(corners[, "part"]) | begins(corners[, "hole"])
  }
  crs <- terra::crs(labels)
  list(
    x = as.array(unname(corners[, "x"])),
    y = as.array(unname(corners[, "y"])),
    ring = as.array(cumsum(is_first[seq_along(shape)]) - 1),
    shape = as.array(unname(shape[is_first[seq_along(shape)]]) - 1),
    classes = classes,
    crs = if (nzchar(crs)) crs
  )
}

# terra refuses layers that do not say which geometries they hold.
read_shapes <- function(path, call) {
  read <- if (requireNamespace("sf", quietly = TRUE)) sf::read_sf else terra::vect
  tryCatch(read(path.expand(path)), error = function(error) {
    problem <- sprintf(
      "cannot be opened as a file of polygons (%s); found '%s'.", conditionMessage(error), path[[1]]
    )
    stop_input("labels", problem, call)
  })
}

# Numbers cross as numbers, anything else as codes and levels.
to_classes_of_shapes <- function(labels, field, call) {
  columns <- setdiff(names(labels), attr(labels, "sf_column"))
  is_column <- is.character(field) && length(field) == 1L && field %in% columns
  if (!is_column || inherits(labels, "sfc")) {
    found <- if (is.null(field)) "NULL" else paste(format(field), collapse = ", ")
    problem <- sprintf(
      "must be the column of `labels` with the class of each shape: %s; found %s.",
      if (length(columns)) paste(columns, collapse = ", ") else "there is none", found
    )
    stop_input("field", problem, call)
  }
  values <- if (inherits(labels, "sf")) labels[[field]] else labels[[field]][[1]]
  if (is.numeric(values) && !is.object(values)) {
    return(list(numbers = as.array(as.double(values))))
  }
  if (!is.factor(values) && !is.character(values) && !is.logical(values)) {
    problem <- sprintf("must hold classes in its column '%s'; found %s.", field, class(values)[[1]])
    stop_input("labels", problem, call)
  }
  to_labels(values, call, "labels")
}

sf_as_vector <- function(labels, call) {
  if (!requireNamespace("sf", quietly = TRUE)) {
    stop_input("labels", "needs the package sf: install.packages(\"sf\")", call)
  }
  geometry <- sf::st_geometry(labels)
  kinds <- as.character(sf::st_geometry_type(geometry))[!sf::st_is_empty(geometry)]
  areas <- c("POLYGON", "MULTIPOLYGON")
  points <- c("POINT", "MULTIPOINT")
  if (!all(kinds %in% areas) && !all(kinds %in% points)) {
    others <- setdiff(kinds, c(areas, points))
    stop_no_areas(if (length(others)) others else unique(kinds), call)
  }
  type <- if (all(kinds %in% areas)) "MULTIPOLYGON" else "MULTIPOINT"
  terra::vect(sf::st_sf(geometry = sf::st_cast(geometry, type)))
}

stop_no_areas <- function(kinds, call) {
  problem <- sprintf(
    paste(
      "must be polygons or points, and not both; found %s. sf::st_buffer() makes polygons of lines,",
      "sf::st_collection_extract() takes collections apart."
    ), paste(kinds, collapse = ", ")
  )
  stop_input("labels", problem, call)
}
