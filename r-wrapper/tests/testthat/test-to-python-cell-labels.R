# Two fields and a hole, no edge of which goes through the centre of a cell, and their codes.
field_shapes <- function(crs = "EPSG:32723") {
  shapes <- terra::vect(c(
    "POLYGON ((502 601, 702 608, 633 753, 502 601), (618 613, 641 616, 626 641, 618 613))",
    "MULTIPOLYGON (((751 753, 861 751, 863 859, 751 753)), ((751 612, 768 611, 762 633, 751 612)))"
  ), crs = "EPSG:32723")
  shapes$crop <- c("soy", "maize")
  if (crs == "EPSG:32723") shapes else terra::project(shapes, crs)
}

# What terra makes of it: classes by cell, NA where `stack` has no data in any band.
classes_by_terra <- function(shapes, field = "crop") {
  numbers <- terra::rasterize(shapes, soil_stack(), seq_len(nrow(shapes)))
  seen <- terra::as.array(any(!is.na(soil_stack())))[, , 1] == 1
  classes <- as.character(shapes[[field]][[1]])[terra::as.array(numbers)[, , 1]]
  matrix(ifelse(seen, classes, NA), nrow(soil_stack()))
}

# The masks of a dataset as text, and the same cut from a matrix of all cells.
text_of <- function(masks) array(levels(masks)[masks], dim(masks))
cut_from <- function(cells, dataset) {
  before <- dataset$patch_size %/% 2
  places <- seq_len(dataset$patch_size) - 1L - before
  tiles <- apply(dataset$cells, 1, function(at) cells[at[[1]] + places, at[[2]] + places])
  aperm(array(tiles, c(dataset$patch_size, dataset$patch_size, nrow(dataset$cells))), c(3, 1, 2))
}

labelled_tiles <- function(labels, field = NULL, ..., n_patches = 60) {
  soil_tiles(n_patches = n_patches, labels = labels, field = field, ...)
}

test_that("masks of polygons are those of terra::rasterize()", {
  skip_if_no_python()
  for (crs in c("EPSG:32723", "EPSG:4326", "EPSG:3857")) {
    dataset <- labelled_tiles(field_shapes(crs), "crop")
    masks <- dataset$masks()
    expect_type(masks, "integer")
    expect_identical(dim(masks), c(60L, 5L, 5L))
    expect_identical(levels(masks), c("maize", "soy"))
    expect_identical(dataset$classes, levels(masks))
    expect_identical(text_of(masks), cut_from(classes_by_terra(field_shapes()), dataset))
    expect_true(all(apply(!is.na(masks), 1, any)))
  }
})

test_that("polygons may cross each other, and the last one counts", {
  skip_if_no_python()
  star <- function(seed) {
    corners <- withr::with_seed(seed, cbind(stats::runif(7, 480, 920), stats::runif(7, 590, 910)))
    terra::vect(rbind(corners, corners[1, ]), "polygons", crs = "EPSG:32723")
  }
  shapes <- do.call(rbind, lapply(1:6, star))
  shapes$crop <- c("a", "b", "c", "a", "b", "c")
  expect_warning(
    dataset <- labelled_tiles(shapes, "crop", n_patches = 200),
    "cells of `stack` lie in shapes of several classes",
    class = "edaphosbridge_warning"
  )
  expect_identical(text_of(dataset$masks()), cut_from(classes_by_terra(shapes), dataset))
})

test_that("polygons of sf, with heights or empty, and of a file are those of terra", {
  skip_if_no_python()
  skip_if_lacking("sf")
  expected <- labelled_tiles(field_shapes(), "crop")
  same <- function(dataset) {
    expect_identical(dataset$masks(), expected$masks())
    expect_identical(dataset$cells, expected$cells)
  }
  fields <- sf::st_as_sf(field_shapes())
  same(labelled_tiles(fields, "crop"))
  same(labelled_tiles(sf::st_transform(fields, 4326), "crop"))
  same(labelled_tiles(sf::st_zm(fields, drop = FALSE, what = "Z"), "crop"))
  with_empty <- rbind(fields, fields[1, ])
  sf::st_geometry(with_empty)[[3]] <- sf::st_polygon()
  same(labelled_tiles(with_empty, "crop"))
  renamed <- stats::setNames(fields, c("crop", "shape"))
  sf::st_geometry(renamed) <- "shape"
  same(labelled_tiles(renamed, "crop"))
  folder <- withr::local_tempdir()
  sf::write_sf(fields, file.path(folder, "fields.gpkg"))
  same(labelled_tiles(file.path(folder, "fields.gpkg"), "crop"))
})

test_that("a raster of classes has its levels, from memory, a file or stars", {
  skip_if_no_python()
  expected <- labelled_tiles(field_shapes(), "crop")
  classes <- terra::rasterize(field_shapes(), soil_stack(), "crop")
  path <- withr::local_tempfile(fileext = ".tif")
  terra::writeRaster(classes, path)
  for (labels in list(classes, path, terra::rast(path))) {
    found <- labelled_tiles(labels)
    expect_identical(found$masks(), expected$masks())
    expect_identical(found$cells, expected$cells)
  }
  # the order is that of levels, and without any numbers are classes
  other <- classes
  levels(other) <- data.frame(value = c(1, 0), crop = c("soy", "maize"))
  expect_identical(labelled_tiles(other)$classes, c("soy", "maize"))
  plain <- terra::rast(path)
  levels(plain) <- NULL
  expect_identical(labelled_tiles(plain)$classes, c("0", "1"))
  named_twice <- classes
  levels(named_twice) <- data.frame(value = 0:1, crop = c("maize", "soy"), use = c("food", "feed"))
  terra::activeCat(named_twice) <- 2
  expect_identical(labelled_tiles(named_twice)$classes, c("food", "feed"))
  levels(other) <- data.frame(value = c(0, 5), crop = c("maize", "soy"))
  expect_warning(
    expect_error(labelled_tiles(other), "at least two classes"), "1, which none of its classes is"
  )
  skip_if_lacking("stars")
  expect_identical(labelled_tiles(stars::st_as_stars(classes))$masks(), expected$masks())
})

test_that("numbers, factors and flags are classes, and one may stand for no label", {
  skip_if_no_python()
  shapes <- rbind(field_shapes(), field_shapes()[1, ])
  shapes$number <- c(10, 9, NA)
  shapes$soil <- factor(c("z", "a", NA), levels = c("z", "m", "a"))
  shapes$wet <- c(TRUE, FALSE, NA)
  classes_of <- function(field, ...) labelled_tiles(shapes, field, ...)$classes
  expect_identical(classes_of("number"), c("9", "10"))
  expect_identical(classes_of("soil"), c("z", "a"))
  expect_identical(classes_of("wet"), c("FALSE", "TRUE"))
  shapes$number[3] <- 0
  expected <- labelled_tiles(field_shapes(), "crop")$masks()
  found <- labelled_tiles(shapes, "number", unlabelled = 0)$masks() # which hides nothing
  expect_identical(as.vector(found), as.vector(expected))
  raster <- terra::rasterize(field_shapes(), soil_stack(), c(3, 7), background = 255)
  found <- labelled_tiles(raster, unlabelled = 255)$masks()
  expect_identical(levels(found), c("3", "7"))
  expect_identical(as.vector(found), 3L - as.vector(expected)) # "soy" is 3, and the second by name
})

test_that("points label the cells that they lie in", {
  skip_if_no_python()
  places <- rbind(c(505, 605), c(704, 701), c(857, 852))
  points <- terra::vect(places, crs = "EPSG:32723")
  points$crop <- c("a", "b", "a")
  dataset <- labelled_tiles(points, "crop", n_patches = 30)
  known <- matrix(NA_character_, 30, 40)
  known[terra::rowColFromCell(soil_stack(), terra::cellFromXY(soil_stack(), places))] <- points$crop
  expect_identical(text_of(dataset$masks()), cut_from(known, dataset))
  skip_if_lacking("sf")
  several <- sf::st_sf(
    crop = c("a", "b"),
    geometry = sf::st_sfc(sf::st_multipoint(places[c(1, 3), ]), sf::st_point(places[2, ]), crs = 32723)
  )
  expect_identical(labelled_tiles(several, "crop", n_patches = 30)$masks(), dataset$masks())
})

test_that("a dataset keeps its masks without its labels, in a fresh session too", {
  skip_if_no_python()
  labels <- withr::local_tempfile(fileext = ".tif")
  terra::writeRaster(terra::rasterize(field_shapes(), soil_stack(), "crop"), labels)
  dataset <- labelled_tiles(labels)
  unlink(labels)
  path <- withr::local_tempfile(fileext = ".rds")
  saveRDS(dataset, path)
  there <- in_fresh_r(function(path) {
    library(edaphosbridge)
    dataset <- readRDS(path)
    list(dataset$masks(), dataset$classes, format(dataset), dataset$sample(3, seed = 1))
  }, list(path))
  expect_identical(
    there, list(dataset$masks(), dataset$classes, format(dataset), dataset$sample(3, seed = 1))
  )
  expect_match(format(dataset)[6:7], "classes     : maize, soy|labelled    : .* %")
})

test_that("coords are where patches are found again", {
  skip_if_no_python()
  dataset <- soil_tiles()
  expect_identical(dimnames(dataset$coords), list(NULL, c("x", "y")))
  cells <- terra::rowColFromCell(soil_stack(), terra::cellFromXY(soil_stack(), dataset$coords))
  expect_equal(cells, unname(dataset$cells))
  x <- suppressMessages(foundation_patches_at_coords(dataset, dataset$coords, soil_stack()))
  expect_identical(x[order(x[, 1, 1, 1]), , , ], {
    sampled <- dataset$sample(40, seed = 1)
    sampled[order(sampled[, 1, 1, 1]), , , ]
  })
})

test_that("labels that are none are refused by their name", {
  skip_if_no_python()
  shapes <- field_shapes()
  shapes$day <- as.Date("2024-05-01") + 0:1
  shapes$size <- c(1.5, 2)
  refused <- function(labels, argument, says, field = "crop", ...) {
    expect_refused(labelled_tiles(labels, field, ...), argument, says, of = "foundation_tile_dataset")
  }
  for (field in list(NULL, "soil", c("crop", "size"), 3, NA)) {
    refused(shapes, "field", "class of each shape: crop, day, size; found", field)
  }
  refused(shapes, "labels", "'day'; found Date", "day")
  refused(shapes, "labels", "not whole; found 1.5", "size")
  refused(terra::as.lines(shapes), "labels", "found lines")
  refused(shapes[0, ], "labels", "must have polygons or points")
  refused(shapes[1, ], "labels", "at least two classes")
  refused(terra::shift(shapes, 5000), "labels", "must lie on `stack`: x from 500 to 900")
  terra::crs(shapes) <- "EPSG:4326"
  refused(shapes, "labels", "must have a place in the coordinate reference system")
  refused("missing.gpkg", "labels", "cannot be opened as a file of polygons")
  classes <- terra::rasterize(field_shapes(), soil_stack(), "crop")
  refused(classes, "field", "must be left out where `labels` is a raster")
  refused(NULL, "field", "is about `labels`")
  refused("missing.tif", "labels", "names no file", NULL)
  refused(matrix(1, 30, 40), "labels", "found matrix", NULL)
  refused(soil_stack(), "labels", "one band", NULL)
  refused(terra::aggregate(classes, 2), "labels", "height and width", NULL)
  refused(terra::shift(classes, 10), "labels", "grid of `stack`", NULL)
  refused(classes, "unlabelled", "maize, soy; found 0", NULL, unlabelled = 0)
  refused(NULL, "unlabelled", "is about `labels`", NULL, unlabelled = 0)
  skip_if_lacking("sf")
  fields <- sf::st_as_sf(field_shapes())
  refused(sf::st_geometry(fields), "field", "there is none")
  refused(suppressWarnings(sf::st_cast(fields, "LINESTRING")), "labels", "found LINESTRING")
  points <- suppressWarnings(sf::st_centroid(fields))
  refused(rbind(fields, points), "labels", "and not both; found")
})

test_that("a dataset without labels has no masks", {
  skip_if_no_python()
  dataset <- soil_tiles()
  expect_null(dataset$classes)
  caught <- expect_error(dataset$masks(), "`labels` are needed", class = "edaphosbridge_input_error")
  expect_identical(conditionCall(caught), quote(dataset$masks()))
})
