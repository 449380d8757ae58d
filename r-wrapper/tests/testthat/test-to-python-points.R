# Four points inside the stack: what is read at them is the same, however they are given.
plain <- data.frame(x = c(505, 895, 705, 655), y = c(895, 605, 755, 845), id = letters[1:4])
at <- function(coords, stack = soil_stack()) foundation_patches_at_coords(tile_fit(), coords, stack)

as_sf <- function(crs = 32723) sf::st_as_sf(plain, coords = c("x", "y"), crs = crs)

test_that("tables have their columns by name, in any case and beside others", {
  skip_if_no_python()
  skip_if_lacking("tibble")
  expected <- at(plain)
  expect_false(anyNA(expected))
  for (names in list(
    c("X", "Y"), c("lon", "lat"), c("Longitude", "Latitude"), c("EASTING", "Northing")
  )) {
    expect_identical(at(stats::setNames(plain, c(names, "id"))), expected)
    expect_identical(at(stats::setNames(plain, c(names, "id"))[c(3, 2, 1)]), expected)
    expect_identical(at(as.matrix(stats::setNames(plain[1:2], names))[, 2:1]), expected)
  }
  expect_identical(at(tibble::as_tibble(plain)), expected)
  expect_identical(at(unname(as.matrix(plain[1:2]))), expected)
  expect_identical(at(data.frame(a = 1:4, x = as.integer(plain$x), y = as.integer(plain$y))), expected)
  expect_identical(dim(at(plain[0, ])), c(0L, 3L, 5L, 5L))
  expect_true(all(is.na(at(data.frame(x = NA, y = NA)))))
})

test_that("names are read alike in a Turkish locale", {
  locales <- suppressWarnings(system2("locale", "-a", stdout = TRUE, stderr = FALSE))
  turkish <- intersect(c("tr_TR.utf8", "tr_TR.UTF-8"), locales)
  for (locale in c(Sys.getlocale("LC_CTYPE"), turkish)) {
    lower <- withr::with_locale(c(LC_CTYPE = locale), ascii_lower(c("LATITUDE", "EASTING")))
    expect_identical(lower, c("latitude", "easting"))
  }
  expect_identical(ascii_lower("X\xe9"), "X\xe9") # what is no text stays
})

test_that("points of sf and terra are their coordinates", {
  skip_if_no_python()
  skip_if_lacking("sf")
  expected <- at(plain)
  expect_identical(at(as_sf()), expected)
  expect_identical(at(sf::st_geometry(as_sf())), expected)
  expect_identical(at(sf::st_cast(as_sf(), "MULTIPOINT")), expected)
  expect_identical(at(sf::st_point(c(505, 895))), expected[1, , , , drop = FALSE])
  expect_identical(at(sf::st_as_sf(plain, coords = c("x", "y"))), expected) # no CRS: the raster's
  expect_identical(at(terra::vect(as_sf())), expected)
  high <- sf::st_sf(sf::st_sfc(sf::st_point(c(505, 895, 12)), crs = 32723))
  expect_identical(at(high), expected[1, , , , drop = FALSE])
  tall <- cbind(as_sf(), x = 0, y = 0) # the geometry counts, not columns of that name
  expect_identical(at(tall), expected)
  expect_identical(dim(at(as_sf()[0, ])), c(0L, 3L, 5L, 5L))
  expect_identical(dim(at(terra::vect(as_sf())[0, ])), c(0L, 3L, 5L, 5L))
})

test_that("an empty geometry is a missing point", {
  skip_if_no_python()
  skip_if_lacking("sf")
  points <- as_sf()
  points$geometry[[2]] <- sf::st_point()
  for (coords in list(points, terra::vect(points))) {
    patches <- at(coords)
    expect_identical(is.na(patches[, 1, 1, 1]), c(FALSE, TRUE, FALSE, FALSE))
    expect_identical(patches[-2, , , ], at(plain)[-2, , , ])
  }
})

# The stack where its CRS is at home, so that points go to another CRS and back.
utm_stack <- function() {
  stack <- terra::shift(soil_stack(), dx = 5e5, dy = 8e6)
  names(stack) <- names(soil_stack())
  stack
}

test_that("points in another CRS are transformed to that of the raster", {
  skip_if_no_python()
  skip_if_lacking("sf")
  points <- sf::st_as_sf(transform(plain, x = x + 5e5, y = y + 8e6), coords = c("x", "y"), crs = 32723)
  expected <- at(points, utm_stack())
  expect_false(anyNA(expected))
  for (crs in c("EPSG:4326", "EPSG:3857", "EPSG:31983")) {
    moved <- sf::st_transform(points, crs)
    expect_identical(at(moved, utm_stack()), expected)
    expect_identical(at(terra::vect(moved), utm_stack()), expected)
  }
  skip_if_lacking("stars")
  expect_identical(at(moved, stars::st_as_stars(utm_stack())), expected)
})

test_that("one CRS written in two ways moves no point by a bit", {
  skip_if_lacking("sf")
  edges <- matrix(c(510, 890, 520, 880), ncol = 2, byrow = TRUE)
  wkt1 <- terra::crs(terra::rast(crs = "+proj=utm +zone=23 +south +datum=WGS84 +units=m"))
  expect_false(identical(wkt1, terra::crs(soil_stack())))
  expect_identical(in_crs_of(soil_stack(), edges, wkt1, NULL, "stack"), edges)
})

test_that("a shift in x alone moves points over a file whose columns run from east to west too", {
  skip_if_no_python()
  skip_if_lacking("sf")
  cells <- array(seq_len(70), c(1, 7, 10))
  stack <- terra::rast(write_tif(cells, c(-30, 0, 500300, 0, -30, 5399490), dtype = "float64"))
  utm <- "+proj=tmerc +lon_0=-45 +k=0.9996 +y_0=10000000 +datum=WGS84 +units=m"
  moved <- in_crs_of(stack, cbind(15, 5399475), paste(utm, "+x_0=0"), NULL, "stack")
  expect_close(moved, cbind(500015, 5399475), 1e-9)
})

test_that("points that the CRS of the raster does not reach are outside, with the warning", {
  skip_if_no_python()
  skip_if_lacking("sf")
  pole <- sf::st_sfc(sf::st_point(c(0, 95)), crs = 4326)
  expect_warning(at(pole), "outside `stack`: x from inf", class = "edaphosbridge_warning")
})

test_that("points with a CRS over a raster without one are taken as they are, with a warning", {
  skip_if_no_python()
  skip_if_lacking("sf")
  bare <- soil_stack() * 1
  terra::crs(bare) <- ""
  names(bare) <- names(soil_stack())
  expect_warning(
    found <- at(as_sf(), bare),
    "system (WGS 84 / UTM zone 23S) and `stack` has none", fixed = TRUE,
    class = "edaphosbridge_warning"
  )
  expect_identical(found, at(plain))
})

test_that("what is not one point a row is refused with its kind", {
  skip_if_no_python()
  skip_if_lacking("sf")
  refused <- function(coords, says) {
    expect_refused(at(coords), "coords", says, of = "foundation_patches_at_coords")
  }
  areas <- sf::st_buffer(as_sf(), 5)
  refused(areas, "found POLYGON. Take one point of each")
  refused(terra::vect(areas), "found polygons")
  line <- sf::st_cast(sf::st_combine(as_sf()), "LINESTRING")
  refused(line, "found LINESTRING")
  refused(terra::vect(line), "found lines")
  refused(sf::st_combine(as_sf()), "found MULTIPOINT")
  refused(terra::vect(sf::st_combine(as_sf())), "found multipoints")
  refused(c(sf::st_geometry(as_sf())[1], line), "found LINESTRING")
})

test_that("what holds no points is refused with what would", {
  skip_if_no_python()
  skip_if_lacking("stars")
  refused <- function(coords, ...) {
    expect_refused(at(coords), "coords", c(...), of = "foundation_patches_at_coords")
  }
  refused(c(505, 895), "found numeric. One point is cbind(x, y).")
  refused(list(x = 1, y = 2), "found list")
  refused(soil_stack(), "found SpatRaster")
  refused(stars::st_as_stars(soil_stack()), "found stars. sf::st_as_sf() makes points of it")
  refused(matrix(1, 2, 3), "must have two columns, x and y; found 3")
  refused(matrix("1", 2, 2), "must be numbers", "found character")
  refused(data.frame(x = "505", y = 895), "must be numbers", "found character")
  refused(data.frame(x = factor(505), y = 895), "found factor")
  large <- data.frame(x = 505, y = 895)
  class(large$x) <- "integer64"
  refused(large, "found integer64")
  refused(data.frame(a = 505, b = 895), "must have columns x and y, lon and lat", "found a, b")
  refused(data.frame(x = 505, lat = 895), "found x, lat")
  refused(cbind(X = 1, lat = 2), "found X, lat")
  refused(data.frame(x = 1, y = 2, lon = 3, lat = 4), "one such pair only; found x, y, lon, lat")
  refused(cbind(x = 1, X = 2, y = 3), "one such pair only; found x, X, y")
})

test_that("predictions of every kind, and augment(), take points of sf in their own CRS", {
  skip_if_no_python()
  skip_if_lacking("sf")
  points <- sf::st_transform(as_sf(), 4326)
  outside <- points[1, ]
  sf::st_geometry(outside) <- sf::st_sfc(sf::st_point(c(-40, -10)), crs = 4326)
  points <- rbind(points, outside)
  table <- rbind(plain, data.frame(x = 0, y = 0, id = "a"))
  x <- at(plain)
  how <- list(val_split = 0, epochs = 1, head = "mlp", dropout = 0.3, seed = 1)
  fit_of <- function(fit, y, ...) do.call(fit, c(list(tile_fit(), x, y), how, list(...)))
  classes <- c("a", "b", "a", "b")
  classifier <- fit_of(foundation_fit_classifier, classes)
  regressor <- fit_of(foundation_fit_regressor, 1:4)
  labels <- fit_of(foundation_fit_multilabel, list("a", "b", "a", "b"))
  ensemble <- foundation_finetune_ensemble(
    tile_fit(), x, classes, K_ens = 2, val_split = 0, epochs = 1
  )
  sweep <- suppressWarnings(foundation_probe_sweep(
    tile_fit(), x, classes, C = 1, seeds = 1, val_split = 0.25
  ))
  ways <- list(
    function(coords) predict(classifier, soil_stack(), coords = coords),
    function(coords) predict(classifier, soil_stack(), type = "prob", coords = coords),
    function(coords) predict(regressor, soil_stack(), coords = coords),
    function(coords) predict(labels, soil_stack(), coords = coords),
    function(coords) predict(labels, soil_stack(), type = "prob", coords = coords),
    function(coords) predict(ensemble, soil_stack(), type = "mean", coords = coords),
    function(coords) predict(sweep, soil_stack(), coords = coords),
    function(coords) foundation_mcdropout_predict(regressor, soil_stack(), 2, 1, coords = coords)[1, ]
  )
  for (way in ways) {
    found <- way(points)
    expect_identical(found, way(table))
    expect_identical(which(is.na(if (is.matrix(found)) found[, 1] else found)), 5L)
  }
  for (fit in list(classifier, regressor, labels, sweep)) {
    found <- generics::augment(fit, soil_stack(), coords = points)
    expect_s3_class(found, "sf")
    expect_identical(sf::st_geometry(found), sf::st_geometry(points))
    expect_identical(found$id, points$id)
    plain_columns <- generics::augment(fit, soil_stack(), coords = table)
    new <- setdiff(names(plain_columns), names(table))
    expect_gt(length(new), 0)
    expect_identical(as.list(sf::st_drop_geometry(found)[new]), as.list(plain_columns[new]))
  }
})
