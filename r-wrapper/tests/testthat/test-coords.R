# Centres of cells, some of them close to the edge, one without data, two outside.
points <- data.frame(
  x = c(505, 895, 705, 595, 495, 705), y = c(895, 605, 755, 855, 755, NA),
  order = c("a", "b", "a", "b", "a", "b")
)

test_that("embeddings at points are those of the normalised cells around them", {
  skip_if_no_python()
  fit <- tile_fit()
  features <- foundation_embed_at_coords(fit, points, soil_stack())
  expect_type(features, "double")
  expect_identical(dim(features), c(6L, 6L))
  expect_identical(is.na(features[, 1]), c(FALSE, FALSE, FALSE, TRUE, TRUE, TRUE))
  expect_true(all(is.na(features[4:6, ])))
  x <- foundation_patches_at_coords(fit, points, soil_stack())
  expect_identical(dim(x), c(6L, 3L, 5L, 5L))
  expect_equal(features[1:3, ], foundation_moco_embed(fit, x[1:3, , , ]), tolerance = 1e-6)
  cell <- terra::cellFromXY(soil_stack(), points[, c("x", "y")])
  centres <- as.matrix(soil_stack()[cell])
  expected <- t((t(centres) - fit$normalisation$means) / fit$normalisation$sds)
  expect_equal(x[1:3, , 3, 3], unname(expected[1:3, ]), tolerance = 1e-6)
  expect_identical(as.vector(x[1, , 1, 1]), c(0, 0, 0)) # beyond the corner
})

test_that("points may be a matrix, lon and lat, or a SpatVector", {
  skip_if_no_python()
  expected <- foundation_embed_at_coords(tile_fit(), points[1:5, ], soil_stack())
  at <- function(coords) foundation_embed_at_coords(tile_fit(), coords, soil_stack())
  expect_identical(at(unname(as.matrix(points[1:5, 1:2]))), expected)
  expect_identical(at(data.frame(lat = points$y, lon = points$x)[1:5, ]), expected)
  expect_identical(
    at(terra::vect(points[1:5, ], geom = c("x", "y"), crs = "EPSG:32723")), expected
  )
  expect_identical(dim(at(points[0, ])), c(0L, 6L))
})

test_that("a raster that no file holds gives what its file gives", {
  skip_if_no_python()
  expected <- foundation_embed_at_coords(tile_fit(), points, soil_stack())
  in_memory <- soil_stack() * 1
  names(in_memory) <- names(soil_stack())
  before <- list.files(tempdir(), "^edaphosbridge-")
  expect_identical(foundation_embed_at_coords(tile_fit(), points, in_memory), expected)
  expect_identical(list.files(tempdir(), "^edaphosbridge-"), before)
  path <- terra::sources(soil_stack())
  expect_identical(foundation_embed_at_coords(tile_fit(), points, path), expected)
})

test_that("bands are taken by name, else in their order with a warning", {
  skip_if_no_python()
  expected <- foundation_embed_at_coords(tile_fit(), points, soil_stack())
  shuffled <- soil_stack()[[c(3, 1, 2)]]
  expect_identical(foundation_embed_at_coords(tile_fit(), points, shuffled), expected)
  renamed <- soil_stack()
  names(renamed) <- c("a", "b", "c")
  expect_warning(
    found <- foundation_embed_at_coords(tile_fit(), points, renamed),
    class = "edaphosbridge_warning"
  )
  expect_identical(found, expected)
})

test_that("an encoder without normalisation takes that of a dataset", {
  skip_if_no_python()
  encoder <- foundation_encoder("moco", in_channels = 3, seed = 1)
  expect_null(encoder$normalisation)
  expect_refused(
    foundation_embed_at_coords(encoder, points, soil_stack()), "fit", "dataset",
    of = "foundation_embed_at_coords"
  )
  found <- foundation_embed_at_coords(encoder, points, soil_stack(), dataset = soil_tiles())
  x <- foundation_patches_at_coords(soil_tiles(), points, soil_stack())
  expect_equal(found[1:3, ], foundation_moco_embed(encoder, x[1:3, , , ]), tolerance = 1e-6)
  path <- withr::local_tempfile()
  foundation_weights_save(tile_fit(), path)
  expect_identical(
    foundation_embed_at_coords(foundation_weights_load(path), points, soil_stack()),
    foundation_embed_at_coords(tile_fit(), points, soil_stack())
  )
})

test_that("a classifier predicts points of a raw raster", {
  skip_if_no_python()
  x <- foundation_patches_at_coords(soil_tiles(), points[1:3, ], soil_stack())
  fit <- foundation_fit_classifier(
    tile_fit(), x, points$order[1:3], val_split = 0, epochs = 2, seed = 1
  )
  expect_identical(fit$normalisation, tile_fit()$normalisation)
  at_points <- predict(fit, soil_stack(), coords = points)
  expect_identical(levels(at_points), c("a", "b"))
  expect_identical(at_points, factor(c(as.character(predict(fit, x)), NA, NA, NA), c("a", "b")))
  prob <- predict(fit, terra::sources(soil_stack()), type = "prob", coords = points)
  expect_identical(dimnames(prob), list(NULL, c("a", "b")))
  expect_equal(prob[1:3, ], predict(fit, x, type = "prob"), tolerance = 1e-6)
  expect_true(all(is.na(prob[4:6, ])))
  plain <- quick_fit()
  expect_refused(
    predict(plain, soil_stack(), coords = points), "coords", "normalisation", of = "predict"
  )
})

test_that("what cannot be used is refused by its name", {
  skip_if_no_python()
  refused <- function(code, argument, says) {
    expect_refused(code, argument, says, of = "foundation_embed_at_coords")
  }
  fit <- tile_fit()
  stack <- soil_stack()
  refused(foundation_embed_at_coords(fit, , stack), "coords", "is missing")
  refused(foundation_embed_at_coords(fit, points), "stack", "is missing")
  refused(foundation_embed_at_coords(fit, 1:2, stack), "coords", "found integer")
  refused(foundation_embed_at_coords(fit, data.frame(a = 1, b = 2), stack), "coords", "data frame")
  refused(foundation_embed_at_coords(fit, points, stack[[1:2]]), "stack", "3 bands")
  refused(foundation_embed_at_coords(fit, points, "none.tif"), "stack", "names no file")
  refused(foundation_embed_at_coords(fit, points, stack, NA), "projection", "found NA")
  refused(foundation_embed_at_coords(fit, points, stack, dataset = 1), "dataset", "found numeric")
  elsewhere <- terra::vect(points[1, ], geom = c("x", "y"), crs = "EPSG:4326")
  refused(foundation_embed_at_coords(fit, elsewhere, stack), "coords", "another CRS")
})

test_that("a raster of other cells than the pretraining's is read with a warning that says both", {
  skip_if_no_python()
  points <- cbind(705, 755)
  coarse <- terra::aggregate(soil_stack(), 2, na.rm = TRUE)
  moved <- soil_stack()
  terra::crs(moved) <- "EPSG:32722"
  expect_warning(
    foundation_embed_at_coords(tile_fit(), points, coarse),
    "cells of 20 x 20 in EPSG:32723, but .* cells of 10 x 10 in EPSG:32723"
  )
  expect_warning(
    foundation_embed_at_coords(tile_fit(), points, moved),
    "10 x 10 in EPSG:32722, but .* 10 x 10 in EPSG:32723"
  )
  expect_no_warning(foundation_embed_at_coords(tile_fit(), points, soil_stack() * 1))
})

test_that("patches that share cells are told, when they are read and in the fit", {
  skip_if_no_python()
  points <- cbind(c(705, 715, 555), c(755, 755, 655))
  expect_warning(
    foundation_patches_at_coords(soil_tiles(), points, soil_stack()), "2 of 3 patches share cells"
  )
  expect_no_warning(foundation_patches_at_coords(soil_tiles(), points[2:3, ], soil_stack()))
  y <- rep(c("a", "b"), 20)
  encoder <- foundation_encoder("simclr", in_channels = 3, seed = 1)
  fit_tiles <- function(...) {
    foundation_fit_classifier(encoder, soil_tiles(), y, epochs = 1, ...)
  }
  apart <- as.matrix(stats::dist(soil_tiles()$cells, "maximum"))
  diag(apart) <- Inf
  sharing <- sum(apply(apart, 1, min) < 5)
  said <- sprintf("%d of 40 patches share cells", sharing)
  expect_warning(fit <- fit_tiles(seed = 1), said)
  expect_identical(fit$overlapping, sharing)
  expect_match(format(fit), paste("overlap: .*", said), all = FALSE)
  expect_match(format(summary(fit)), paste("overlap: .*", said), all = FALSE)
  expect_warning(sweep <- foundation_probe_sweep(encoder, soil_tiles(), y, epochs = 1), said)
  expect_match(format(sweep), paste("overlap: .*", said), all = FALSE)
  expect_no_warning(fit <- fit_tiles(seed = 1, val_split = 0))
  expect_no_match(paste(format(fit), collapse = " "), "overlap")
  expect_null(soil_fit()$overlapping)
})
