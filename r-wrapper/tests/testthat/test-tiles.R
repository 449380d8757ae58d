# The values of `stack` as an array (bands, rows, columns).
cells_of <- function(stack) aperm(terra::as.array(stack), c(3, 1, 2))

test_that("a dataset has the original's elements, in R's types", {
  skip_if_no_python()
  dataset <- soil_tiles()
  expect_s3_class(dataset, c("edaphosbridge_tiles", "edaphos_tile_dataset"), exact = TRUE)
  expect_identical(dataset$patch_size, 5L)
  expect_identical(dataset$n_patches, 40L)
  expect_identical(dataset$n_channels, 3L)
  expect_identical(dataset$bands, c("clay", "ndvi", "slope"))
  expect_identical(c(dataset$height, dataset$width), c(30L, 40L))
  expect_identical(dataset$seed, 2L)
  expect_type(dataset$cells, "integer")
  expect_identical(dim(dataset$cells), c(40L, 2L))
})

test_that("means and standard deviations are terra's", {
  skip_if_no_python()
  dataset <- soil_tiles()
  of_stack <- function(name) terra::global(soil_stack(), name, na.rm = TRUE)[[1]]
  expect_close(dataset$means, of_stack("mean"), 1e-12)
  expect_close(dataset$sds, of_stack("sd"), 1e-12)
})

test_that("sample() gives the normalised cells around the centres, missing ones as the mean", {
  skip_if_no_python()
  dataset <- soil_tiles()
  sampled <- dataset$sample(40, seed = 7)
  expect_type(sampled, "double")
  expect_identical(dim(sampled), c(40L, 3L, 5L, 5L))
  cells <- (cells_of(soil_stack()) - dataset$means) / dataset$sds
  expect_false(anyNA(vapply(seq_len(40), function(i) {
    cells[, dataset$cells[i, 1], dataset$cells[i, 2]]
  }, numeric(3))))
  cells[is.na(cells)] <- 0
  expected <- lapply(seq_len(40), function(i) {
    cells[, dataset$cells[i, 1] + -2:2, dataset$cells[i, 2] + -2:2]
  })
  found <- lapply(seq_len(40), function(i) sampled[i, , , ])
  by_first <- function(patches) patches[order(vapply(patches, `[[`, 0, 1))]
  expect_close(unlist(by_first(found)), unlist(by_first(expected)), 1e-6)
})

test_that("without normalise the cells keep their values and missing ones are the mean", {
  skip_if_no_python()
  dataset <- soil_tiles(normalise = FALSE, n_patches = 500)
  expect_false(dataset$normalise)
  sampled <- dataset$sample(500, seed = 1)
  expect_false(anyNA(sampled))
  expect_true(any(abs(sampled[, 2, , ] / dataset$means[[2]] - 1) < 1e-7))
  expect_gt(mean(sampled[, 2, , ]), 900)
})

test_that("the seed alone decides, and without one set.seed() does", {
  skip_if_no_python()
  expect_identical(soil_tiles()$cells, soil_tiles()$cells)
  expect_false(identical(soil_tiles(seed = 3)$cells, soil_tiles()$cells))
  drawn <- function() withr::with_seed(5, soil_tiles(seed = NULL))
  expect_identical(drawn()$cells, drawn()$cells)
  dataset <- soil_tiles()
  expect_identical(dataset$sample(3, seed = 1), dataset$sample(3, seed = 1))
  sampled <- function() withr::with_seed(5, dataset$sample(3))
  expect_identical(sampled(), sampled())
})

test_that("a path, several paths and a SpatRaster are the same raster", {
  skip_if_no_python()
  dataset <- soil_tiles()
  same <- c("bands", "means", "sds", "cells", "height", "width")
  expect_identical(unclass(soil_tiles(terra::sources(soil_stack())))[same], unclass(dataset)[same])
  folder <- withr::local_tempdir()
  paths <- file.path(folder, paste0(names(soil_stack()), ".tif"))
  for (i in 1:3) {
    terra::writeRaster(soil_stack()[[i]], paths[[i]], datatype = "FLT8S")
  }
  expect_identical(unclass(soil_tiles(paths))[same], unclass(dataset)[same])
})

test_that("it survives saveRDS() and is used in a fresh session", {
  skip_if_no_python()
  path <- withr::local_tempfile(fileext = ".rds")
  dataset <- soil_tiles()
  saveRDS(dataset, path)
  there <- in_fresh_r(function(path) {
    library(edaphosbridge)
    dataset <- readRDS(path)
    list(sample = dataset$sample(4, seed = 1), printed = capture.output(print(dataset)))
  }, list(path))
  expect_identical(there$sample, dataset$sample(4, seed = 1))
  expect_identical(there$printed, capture.output(print(dataset)))
})

test_that("a dataset of a raster in memory survives too, and says what it reads", {
  skip_if_no_python()
  path <- withr::local_tempfile(fileext = ".rds")
  dataset <- soil_tiles(soil_stack() * 2)
  saveRDS(dataset, path)
  there <- in_fresh_r(function(path) {
    library(edaphosbridge)
    dataset <- readRDS(path)
    list(
      sample = dataset$sample(4, seed = 1),
      fit = foundation_moco_pretrain_tiles(dataset, epochs = 1, batch_size = 8, seed = 1)$loss_history
    )
  }, list(path))
  expect_identical(there$sample, dataset$sample(4, seed = 1))
  expect_close(there$sample, soil_tiles()$sample(4, seed = 1), 1e-6)
  expect_true(is.finite(there$fit))
})

test_that("sample() knows its argument by the original's name, short or long", {
  skip_if_no_python()
  dataset <- soil_tiles()
  expect_identical(dataset$sample(batch_size = 3, seed = 1), dataset$sample(3, seed = 1))
  expect_identical(dataset$sample(b = 3, seed = 1), dataset$sample(3, seed = 1))
})

test_that("centres are only where valid_mask has data that are not 0", {
  skip_if_no_python()
  expect_identical(
    names(formals(foundation_tile_dataset)),
    c(
      "stack", "patch_size", "n_patches", "valid_mask", "normalise", "seed", "labels", "field",
      "unlabelled"
    )
  )
  mask <- soil_stack()[[1]] * 0
  mask[10:20, 5:30] <- 1
  mask[12, ] <- NA
  path <- withr::local_tempfile(fileext = ".tif")
  terra::writeRaster(mask, path)
  for (given in list(mask, path, mask > 0)) {
    dataset <- soil_tiles(n_patches = 150, valid_mask = given)
    allowed <- mask[cbind(terra::cellFromRowCol(mask, dataset$cells[, 1], dataset$cells[, 2]))]
    expect_true(all(allowed[[1]] == 1))
    expect_identical(dataset$means, soil_tiles()$means)
    expect_equal(dataset$cells, soil_tiles(n_patches = 150, valid_mask = mask)$cells)
  }
  refused <- function(mask, says) {
    expect_refused(
      soil_tiles(valid_mask = mask), "valid_mask", says, "foundation_tile_dataset"
    )
  }
  refused(terra::aggregate(mask, 2), "height and width")
  refused(terra::shift(mask, 10), "grid")
  refused(soil_stack(), "one band")
  refused(matrix(1, 30, 40), "found matrix")
})

test_that("a stars object is a stack and a mask, and ~ is the home folder for both", {
  skip_if_no_python()
  mask <- soil_stack()[[1]] * 0
  mask[10:20, 5:30] <- 1
  expected <- soil_tiles(valid_mask = mask)
  home <- withr::local_tempdir()
  file.copy(terra::sources(soil_stack()), file.path(home, "stack.tif"))
  terra::writeRaster(mask, file.path(home, "mask.tif"))
  found <- in_fresh_r(
    function(points) {
      library(edaphosbridge)
      dataset <- foundation_tile_dataset("~/stack.tif", 5, 40, valid_mask = "~/mask.tif", seed = 2)
      list(dataset$cells, foundation_patches_at_coords(dataset, points, "~/stack.tif"))
    },
    list(cbind(705, 755)), fresh_environment(HOME = home)
  )
  expect_identical(found[[1]], expected$cells)
  expect_identical(found[[2]], foundation_patches_at_coords(expected, cbind(705, 755), soil_stack()))
  skip_if_lacking("stars")
  of_stars <- soil_tiles(stars::st_as_stars(soil_stack()), valid_mask = stars::st_as_stars(mask))
  expect_identical(of_stars$cells, expected$cells)
  expect_identical(of_stars$sample(9, seed = 1), expected$sample(9, seed = 1))
})

test_that("without its raster a dataset says so", {
  skip_if_no_python()
  path <- withr::local_tempfile(fileext = ".tif")
  file.copy(terra::sources(soil_stack()), path)
  dataset <- soil_tiles(path)
  unlink(path)
  expect_error(dataset$sample(3), class = "edaphosbridge_input_error", regexp = "cannot be opened")
})

test_that("it prints as the original does", {
  skip_if_no_python()
  expect_identical(format(soil_tiles()), c(
    "<edaphos_tile_dataset>",
    "  stack       : 30 x 40 x 3 (rows x cols x channels)",
    "  patch_size  : 5 x 5",
    "  n_patches   : 40",
    "  channels    : clay, ndvi, slope"
  ))
})

test_that("what cannot be used is refused by its name", {
  skip_if_no_python()
  refused <- function(code, argument, says) {
    expect_refused(code, argument, says, of = "foundation_tile_dataset")
  }
  refused(foundation_tile_dataset(), "stack", "is missing")
  refused(foundation_tile_dataset(matrix(1, 3, 3)), "stack", "found matrix")
  refused(foundation_tile_dataset("no such file.tif"), "stack", "names no file")
  refused(foundation_tile_dataset(terra::rast(nrows = 5, ncols = 5)), "stack", "without values")
  refused(foundation_tile_dataset(soil_stack(), 2.5), "patch_size", "found 2.5")
  refused(foundation_tile_dataset(soil_stack(), 31), "patch_size", "found 31")
  refused(foundation_tile_dataset(soil_stack(), n_patches = 0), "n_patches", "found 0")
  refused(foundation_tile_dataset(soil_stack(), normalise = NA), "normalise", "found NA")
  refused(foundation_tile_dataset(soil_stack(), seed = 0.5), "seed", "found 0.5")
  dataset <- soil_tiles()
  drawn <- expect_error(dataset$sample(41), "`batch_size` .* 40", class = "edaphosbridge_input_error")
  expect_identical(conditionCall(drawn), quote(dataset$sample(41)))
})

test_that("tiles pretrain an encoder that carries their normalisation", {
  skip_if_no_python()
  dataset <- soil_tiles()
  fit <- tile_fit()
  expect_s3_class(fit, "edaphos_foundation_moco")
  expect_identical(fit$normalisation, list(
    bands = dataset$bands, means = dataset$means, sds = dataset$sds, normalise = TRUE,
    patch_size = 5L, cell_size = c(10, 10), crs = "EPSG:32723"
  ))
  expect_identical(fit$encoder$normalisation, fit$normalisation)
  expect_identical(fit$patch_size, c(5L, 5L))
  expect_identical(fit$config$queue_size, 32L)
  same <- do.call(foundation_moco_pretrain_tiles, c(list(dataset), small_moco))
  expect_identical(same, fit)
  expect_identical(formals(foundation_moco_pretrain_tiles)$epochs, 100L)
})

test_that("pretraining on tiles takes nothing else", {
  skip_if_no_python()
  refused <- function(code, argument, says) {
    expect_refused(code, argument, says, of = "foundation_moco_pretrain_tiles")
  }
  refused(foundation_moco_pretrain_tiles(), "dataset", "is missing")
  refused(foundation_moco_pretrain_tiles(NULL), "dataset", "found NULL")
  refused(foundation_moco_pretrain_tiles(soil_stack()), "dataset", "found SpatRaster")
  refused(foundation_moco_pretrain_tiles(soil_tiles(), resume = tempdir()), "resume", "checkpoint")
  for (folder in list(globalenv(), "caf\xe9", 1)) { # a class or its bytes are no name of a folder
    refused(
      foundation_moco_pretrain_tiles(soil_tiles(), resume = folder), "resume", "must be the path of a"
    )
  }
})

test_that("resume goes on from another folder, which stays as it is", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  run <- function(...) {
    do.call(
      foundation_moco_pretrain_tiles, utils::modifyList(c(list(soil_tiles()), small_moco), list(...))
    )
  }
  run(checkpoint_dir = folder)
  file <- file.path(folder, "checkpoint.safetensors")
  before <- readBin(file, "raw", file.size(file))
  expect_identical(run(epochs = 5, resume = folder), run(epochs = 5))
  expect_identical(readBin(file, "raw", file.size(file)), before)
  expect_message(fit <- run(batch_size = 41), "number of patches, 40; using batch_size = 40")
  expect_identical(fit[c("batch_size", "queue_size")], list(batch_size = 40L, queue_size = 2L))
})
