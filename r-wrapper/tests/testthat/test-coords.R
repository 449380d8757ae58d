# Centres of cells, some of them close to the edge, one without data, two outside.
points <- data.frame(
  x = c(505, 895, 705, 595, 495, 705), y = c(895, 605, 755, 855, 755, NA),
  order = c("a", "b", "a", "b", "a", "b")
)

# A classifier on patches of the stack.
point_fit <- function() {
  x <- foundation_patches_at_coords(tile_fit(), points[1:3, ], soil_stack())
  foundation_fit_classifier(tile_fit(), x, c("a", "b", "a"), val_split = 0, epochs = 1, seed = 1)
}

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
  embedded <- foundation_moco_embed(fit, x[1:3, , , ])
  expect_close(features[1:3, ], embedded, 1e-6, size_of(embedded))
  expect_identical(dim(foundation_embed_at_coords(fit, points[0, ], soil_stack())), c(0L, 6L))
  cell <- terra::cellFromXY(soil_stack(), points[, c("x", "y")])
  centres <- as.matrix(soil_stack()[cell])
  expected <- t((t(centres) - fit$normalisation$means) / fit$normalisation$sds)
  expect_close(x[1:3, , 3, 3], unname(expected[1:3, ]), 1e-6)
  expect_identical(as.vector(x[1, , 1, 1]), c(0, 0, 0)) # beyond the corner
})

test_that("the call of edaphos works by position and by name, and so does that of before", {
  skip_if_no_python()
  encoder <- foundation_encoder("moco", in_channels = 3, seed = 1)
  dataset <- soil_tiles()
  stack <- soil_stack()
  expected <- foundation_embed_at_coords(encoder, points, stack, dataset = dataset)
  expect_close(
    foundation_embed_at_coords(encoder, points, stack, dataset, 5L, 2L), expected,
    1e-6, size_of(expected)
  )
  expect_identical(
    foundation_embed_at_coords(
      moco = encoder, coords = points, stack = stack, dataset = dataset, patch_size = 5L,
      batch_size = 64L
    ),
    expected
  )
  expect_identical(
    foundation_embed_at_coords(moco = encoder, points, stack, dataset, 5L, 64L), expected
  )
  passed_on <- function(...) foundation_embed_at_coords(...)
  expect_identical(
    passed_on(moco = encoder, coords = points, stack = stack, dataset = dataset), expected
  )
  larger <- foundation_embed_at_coords(encoder, points, stack, dataset, patch_size = 7)
  expect_false(isTRUE(all.equal(larger, expected)))
  projected <- foundation_embed_at_coords(encoder, points, stack, dataset, projection = TRUE)
  expect_identical(dim(projected), c(6L, 32L))
  expect_identical(foundation_embed_at_coords(encoder, points, stack, TRUE, dataset), projected)
  expect_identical(foundation_embed_at_coords(encoder, points, stack, FALSE, dataset), expected)
  refused <- function(code, argument, says) {
    expect_refused(code, argument, says, of = "foundation_embed_at_coords")
  }
  refused(
    foundation_embed_at_coords(fit = encoder, points, stack, moco = encoder), "moco", "`fit`"
  )
  refused(foundation_embed_at_coords(encoder, points, stack, dataset = TRUE), "dataset", "logical")
  refused(foundation_embed_at_coords(tile_fit(), points, stack, patch_size = 1), "patch_size", "1")
  refused(foundation_embed_at_coords(tile_fit(), points, stack, batch_size = 0), "batch_size", "0")
})

test_that("an encoder that learnt from transposed patches gets them so", {
  skip_if_no_python()
  turned <- function(x) aperm(x, c(1, 2, 4, 3))
  encoder <- foundation_encoder("moco", in_channels = 3, seed = 1)
  expect_identical(encoder$patch_orientation, "rows_first")
  encoder$patch_orientation <- "transposed"
  x <- foundation_patches_at_coords(soil_tiles(), points, soil_stack())
  transposed <- foundation_patches_at_coords(encoder, points, soil_stack(), dataset = soil_tiles())
  expect_identical(transposed, turned(x))
  embedded <- foundation_moco_embed(encoder, turned(x[1:3, , , ]))
  expect_close(
    foundation_embed_at_coords(encoder, points, soil_stack(), soil_tiles())[1:3, ], embedded,
    1e-6, size_of(embedded)
  )
  tiles <- soil_tiles()
  expect_close(
    sum(foundation_moco_embed(encoder, tiles)),
    sum(foundation_moco_embed(encoder, turned(tiles$sample(40)))),
    1e-6
  )
  fit <- foundation_fit_classifier(
    encoder, turned(x[1:3, , , ]), c("a", "b", "a"), val_split = 0, epochs = 2, seed = 1
  )
  expect_identical(fit$encoder$patch_orientation, "transposed")
  expect_close(
    predict(fit, soil_stack(), "prob", coords = points, dataset = tiles)[1:3, ],
    predict(fit, turned(x[1:3, , , ]), "prob"),
    1e-6
  )
})

test_that("points that all lie outside are a warning with both ranges", {
  skip_if_no_python()
  lonlat <- data.frame(Longitude = c(-47.5, -46), Latitude = c(-15, -14))
  warned <- expect_warning(
    found <- foundation_embed_at_coords(tile_fit(), lonlat, soil_stack()),
    class = "edaphosbridge_warning"
  )
  expect_match(
    conditionMessage(warned),
    "All 2 points of `coords` lie outside `stack`: x from -47.5 to -46, y from -15 to -14; the raster",
    fixed = TRUE
  )
  expect_true(all(is.na(found)))
  expect_warning(
    predict(point_fit(), soil_stack(), coords = lonlat), "outside `x`",
    class = "edaphosbridge_warning"
  )
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
  embedded <- foundation_moco_embed(encoder, x[1:3, , , ])
  expect_close(found[1:3, ], embedded, 1e-6, size_of(embedded))
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
  expect_close(prob[1:3, ], predict(fit, x, type = "prob"), 1e-6)
  expect_true(all(is.na(prob[4:6, ])))
  plain <- quick_fit()
  expect_refused(
    predict(plain, soil_stack(), coords = points), "coords", "Give a `dataset`", of = "predict"
  )
})

test_that("predict() takes a dataset for an encoder without normalisation", {
  skip_if_no_python()
  x <- foundation_patches_at_coords(soil_tiles(), points[1:3, ], soil_stack())
  encoder <- foundation_encoder("moco", in_channels = 3, seed = 1)
  fit <- foundation_fit_classifier(
    encoder, x, points$order[1:3],
    val_split = 0, epochs = 2, seed = 1
  )
  at_points <- predict(fit, soil_stack(), coords = points, dataset = soil_tiles())
  expect_identical(at_points, factor(c(as.character(predict(fit, x)), NA, NA, NA), c("a", "b")))
  expect_refused(predict(fit, x, dataset = soil_tiles()), "dataset", "Give `coords`", of = "predict")
  expect_refused(
    predict(fit, soil_stack(), coords = points, dataset = soil_tiles(patch_size = 7)), "dataset",
    "5 x 5; found 7", of = "predict"
  )
})

test_that("a raster where patches are needed, and points without their name, say what to write", {
  skip_if_no_python()
  says <- "predict(fit, stack, coords = points)"
  expect_refused(
    foundation_moco_embed(tile_fit(), soil_stack()), "patches", says, "foundation_moco_embed"
  )
  expect_refused(predict(point_fit(), soil_stack(), points), "type", says, of = "predict")
  at <- as.matrix(points[1:2])
  expect_refused(predict(point_fit(), soil_stack(), at), "type", says, of = "predict")
  expect_refused(foundation_moco_pretrain(soil_stack()), "patches", "foundation_tile_dataset()",
    of = "foundation_moco_pretrain")
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
  refused(foundation_embed_at_coords(fit, points, stack[[1:2]]), "stack", "3 bands")
  refused(foundation_embed_at_coords(fit, points, "none.tif"), "stack", "names no file")
  refused(foundation_embed_at_coords(fit, points, stack, NA), "projection", "found NA")
  refused(foundation_embed_at_coords(fit, points, stack, dataset = 1), "dataset", "found numeric")
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

test_that("patches and rasters in other units than the pretraining's are told with both numbers", {
  skip_if_no_python()
  x <- foundation_patches_at_coords(soil_tiles(normalise = FALSE), points[1:3, ], soil_stack())
  known <- foundation_patches_at_coords(tile_fit(), points[1:3, ], soil_stack())
  says <- function(argument) {
    paste0("`", argument, "` does not look like .* ndvi has mean \\d.* expects mean 0 and sd 1")
  }
  told <- function(code, argument) {
    expect_warning(code, says(argument), class = "edaphosbridge_warning")
  }
  fit <- point_fit()
  told(
    foundation_fit_classifier(tile_fit(), x, c("a", "b", "a"), val_split = 0, epochs = 1, seed = 1), "x"
  )
  told(predict(fit, x), "x")
  told(foundation_moco_embed(tile_fit(), x), "patches")
  other <- soil_stack() * 1000
  names(other) <- names(soil_stack())
  for (read in list(foundation_embed_at_coords, foundation_patches_at_coords)) {
    expect_warning(
      read(tile_fit(), points[1:3, ], other), "`stack` does not look like .*the same units",
      class = "edaphosbridge_warning"
    )
  }
  expect_warning(
    predict(fit, other, coords = points[1:3, ]), "`x` does not look like .*the same units",
    class = "edaphosbridge_warning"
  )
  expect_no_warning(predict(fit, known))
  expect_no_warning(foundation_moco_embed(tile_fit(), known))
})

test_that("patches that share cells are told, when they are read and in the fit", {
  skip_if_no_python()
  points <- cbind(c(705, 715, 555), c(755, 755, 655))
  expect_message(
    foundation_patches_at_coords(soil_tiles(), points, soil_stack()), "2 of 3 patches share cells"
  )
  expect_no_message(foundation_patches_at_coords(soil_tiles(), points[2:3, ], soil_stack()))
  y <- rep(c("a", "b"), 20)
  encoder <- foundation_encoder("simclr", in_channels = 3, seed = 1)
  fit_tiles <- function(...) {
    foundation_fit_classifier(encoder, soil_tiles(), y, epochs = 1, ...)
  }
  apart <- as.matrix(stats::dist(soil_tiles()$cells, "maximum"))
  diag(apart) <- Inf
  sharing <- sum(apply(apart, 1, min) < 5)
  said <- sprintf("%d of 40 patches share cells", sharing)
  expect_message(fit <- fit_tiles(seed = 1), said)
  expect_identical(fit$overlapping, sharing)
  expect_match(format(fit), paste("overlap: .*", said), all = FALSE)
  expect_match(format(summary(fit)), paste("overlap: .*", said), all = FALSE)
  expect_message(sweep <- foundation_probe_sweep(encoder, soil_tiles(), y, epochs = 1), said)
  expect_match(format(sweep), paste("overlap: .*", said), all = FALSE)
  expect_no_message(fit <- fit_tiles(seed = 1, val_split = 0))
  expect_no_match(paste(format(fit), collapse = " "), "overlap")
  expect_null(soil_fit()$overlapping)
})

test_that("patches of a tile dataset refuse another dataset, as Python does", {
  skip_if_no_python()
  other <- foundation_tile_dataset(soil_stack(), patch_size = 7, n_patches = 4, seed = 1)
  own <- foundation_patches_at_coords(soil_tiles(), points, soil_stack())
  expect_identical(
    foundation_patches_at_coords(soil_tiles(), points, soil_stack(), dataset = soil_tiles()), own
  )
  expect_error(
    foundation_patches_at_coords(soil_tiles(), points, soil_stack(), dataset = other),
    "`dataset` must not differ from the normalisation", class = "edaphosbridge_input_error"
  )
})
