# Points on their way to Python: pairs of numbers in the coordinates of a raster, one a row. What
# says in which coordinate reference system it is (sf, terra) is transformed to the raster's.

# `raster` is what the caller's function calls `stack`. NA is outside any raster.
to_coords <- function(coords, stack, call, raster = "stack") {
  if (missing(coords)) {
    stop_input("coords", "is missing: a matrix or data frame with x and y, or points.", call)
  }
  points <- read_points(coords, call, "coords")
  if (is.null(points$crs)) points$xy else in_crs_of(stack, points$xy, points$crs, call, raster)
}

# Where rows lie, in coordinates of their own: no raster is asked.
to_points <- function(coords, call, argument) {
  read_points(coords, call, argument)$xy
}

# A list of `xy` and, of geometries, `crs`.
read_points <- function(coords, call, argument) {
  if (inherits(coords, c("sf", "sfc", "sfg"))) {
    points_of_sf(coords, call, argument)
  } else if (inherits(coords, "SpatVector")) {
    points_of_terra(coords, call, argument)
  } else {
    list(xy = points_of_table(coords, call, argument))
  }
}

# --- geometries ----------------------------------------------------------------------------

points_of_terra <- function(coords, call, argument) {
  if (nrow(coords) == 0L) {
    return(list(xy = matrix(0, 0L, 2L), crs = ""))
  }
  kind <- terra::geomtype(coords)
  parts <- if (kind == "points") terra::geom(coords) else matrix(0, 0L, 3L)
  if (nrow(parts) != nrow(coords)) {
    stop_no_points(if (kind == "points") "multipoints" else kind, call, argument)
  }
  list(xy = unname(parts[, c("x", "y"), drop = FALSE]), crs = terra::crs(coords))
}

points_of_sf <- function(coords, call, argument) {
  if (!requireNamespace("sf", quietly = TRUE)) {
    stop_input(argument, "needs the package sf: install.packages(\"sf\")", call)
  }
  geometry <- if (inherits(coords, "sfg")) sf::st_sfc(coords) else sf::st_geometry(coords)
  known <- which(!sf::st_is_empty(geometry))
  kind <- as.character(sf::st_geometry_type(geometry))[known]
  single <- kind == "POINT" | (kind == "MULTIPOINT" & vapply(geometry[known], NROW, 0L) == 1L)
  if (!all(single)) {
    stop_no_points(unique(kind[!single]), call, argument)
  }
  xy <- matrix(NA_real_, length(geometry), 2L)
  xy[known, ] <- t(vapply(geometry[known], function(point) as.double(point)[1:2], c(0, 0)))
  wkt <- sf::st_crs(geometry)$wkt
  list(xy = xy, crs = if (is.null(wkt) || is.na(wkt)) "" else wkt)
}

stop_no_points <- function(kinds, call, argument) {
  problem <- sprintf(
    paste(
      "must be points, one a row; found %s. Take one point of each first, for example with",
      "sf::st_centroid() or terra::centroids()."
    ),
    paste(kinds, collapse = ", ")
  )
  stop_input(argument, problem, call)
}

# Points that lie at the same places in both systems, to a thousandth of a cell, stay to the last
# bit: one system can be written in many ways.
in_crs_of <- function(stack, xy, crs, call, raster) {
  grid <- as_spat_raster(stack, raster, call)
  wanted <- terra::crs(grid)
  known <- which(is.finite(xy[, 1L]) & is.finite(xy[, 2L]))
  if (!nzchar(crs) || identical(crs, wanted) || length(known) == 0L) {
    return(xy)
  }
  if (!nzchar(wanted)) {
    text <- sprintf(
      paste(
        "`coords` has a coordinate reference system (%s) and `%s` has none. They are taken to be",
        "the same."
      ),
      terra::crs(crs, describe = TRUE)$name, raster
    )
    warning(warningCondition(text, class = "edaphosbridge_warning", call = call))
    return(xy)
  }
  moved <- tryCatch(
    suppressWarnings(terra::project(xy[known, , drop = FALSE], from = crs, to = wanted)),
    error = function(error) {
      problem <- sprintf(
        "cannot be transformed to the coordinate reference system of `%s` (%s).",
        raster, conditionMessage(error)
      )
      stop_input("coords", problem, call)
    }
  )
  moved[!is.finite(moved)] <- Inf # outside, and not missing
  shift <- abs(moved - xy[known, ]) / rep(abs(terra::res(grid)), each = length(known))
  if (any(shift > 1e-3)) {
    xy[known, ] <- moved
  }
  xy
}

# --- tables --------------------------------------------------------------------------------

point_columns <- list(
  c("x", "y"), c("lon", "lat"), c("longitude", "latitude"), c("easting", "northing")
)

points_of_table <- function(coords, call, argument) {
  if (!is.data.frame(coords) && !is.matrix(coords)) {
    stop_input(
      argument,
      paste0(
        "must be a numeric matrix (N, 2), a data frame with x and y, or points of sf or terra; ",
        "found ", class(coords)[[1]], ".",
        if (is.numeric(coords) && length(coords) == 2L) " One point is cbind(x, y).",
        if (isS4(coords)) " terra::vect() or sf::st_as_sf() may make points of it.",
        if (inherits(coords, "stars")) " sf::st_as_sf() makes points of it."
      ),
      call
    )
  }
  columns <- pair_of_columns(colnames(coords), ncol(coords), is.matrix(coords), call, argument)
  column <- function(i) if (is.matrix(coords)) coords[, i] else .subset2(coords, i)
  do.call(cbind, lapply(unname(columns), function(i) to_coordinate(column(i), call, argument)))
}

# Which columns are x and y: by their names, else both of a matrix that has two.
pair_of_columns <- function(names, n, is_matrix, call, argument) {
  lower <- ascii_lower(names)
  if (is_matrix && !any(unlist(point_columns) %in% lower)) {
    if (n == 2L) {
      return(1:2)
    }
    stop_input(argument, sprintf("must have two columns, x and y; found %d.", n), call)
  }
  pairs <- do.call(rbind, lapply(point_columns, function(pair) {
    expand.grid(which(lower == pair[[1]]), which(lower == pair[[2]]))
  }))
  if (nrow(pairs) != 1L) {
    is_ambiguous <- nrow(pairs) > 1L
    problem <- paste0(
      "must have columns x and y, lon and lat, longitude and latitude, or easting and northing",
      if (is_ambiguous) ", and one such pair only", "; found ", paste(names, collapse = ", "), ".",
      if (is_ambiguous) " Give the two columns that are meant."
    )
    stop_input(argument, problem, call)
  }
  unlist(pairs)
}

# In every locale: Turkish makes another letter of "I".
ascii_lower <- function(names) {
  usable <- validEnc(as.character(names))
  names[usable] <- chartr(
    paste(LETTERS, collapse = ""), paste(letters, collapse = ""), names[usable]
  )
  names
}

to_coordinate <- function(values, call, argument) {
  is_missing <- is.logical(values) && all(is.na(values))
  plain <- is.numeric(values) && is.null(dim(values)) && !inherits(values, c("integer64", "units"))
  if (!is_missing && !plain) {
    stop_input(
      argument,
      sprintf("must be numbers, a numeric matrix or data frame; found %s.", class(values)[[1]]),
      call
    )
  }
  as.double(values)
}
