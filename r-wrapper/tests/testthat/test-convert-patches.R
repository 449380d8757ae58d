# Patches that are not an R array: a file's path, or a tile dataset.

npy_file <- function(x) {
  python_module()
  path <- tempfile(fileext = ".npy")
  reticulate::import("numpy", convert = FALSE)$save(path, reticulate::r_to_py(unname(x)))
  path
}

test_that("the path of a file stands for its patches", {
  skip_if_no_python()
  path <- npy_file(soil_x)
  expect_identical(quick_fit(x = path), quick_fit())
  expect_identical(prob(soil_fit(), path), prob(soil_fit()))
  encoder <- soil_encoder()
  expect_identical(foundation_simclr_embed(encoder, path), foundation_simclr_embed(encoder, soil_x))
  settings <- list(batch_size = 8, epochs = 2, seed = 1)
  expect_identical(
    do.call(foundation_simclr_pretrain, c(list(path), settings)),
    do.call(foundation_simclr_pretrain, c(list(soil_x), settings))
  )
})

test_that("a path is expanded", {
  expect_identical(to_patches("~/x.npy", NULL), path.expand("~/x.npy"))
  expect_identical(to_patches("scene.zarr/patches", NULL), "scene.zarr/patches")
})

test_that("a tile dataset stands for its patches", {
  skip_if_no_python()
  skip_if_not_installed("terra")
  stack <- terra::rast(array(soil_x[1:4000], c(40, 25, 4)))
  tiles <- foundation_tile_dataset(stack, patch_size = 5, n_patches = 48, seed = 1)
  encoder <- soil_encoder()
  features <- foundation_simclr_embed(encoder, tiles)
  sampled <- foundation_simclr_embed(encoder, tiles$sample(48, seed = 1))
  sorted <- function(rows) unname(rows[order(rows[, 1]), ])
  expect_close(sorted(features), sorted(sampled), 1e-6, size_of(sampled))
  fit <- quick_fit(x = tiles)
  expect_identical(dim(prob(fit, tiles)), c(48L, 3L))
})

test_that("a path of nothing that holds patches is an error that names the argument", {
  skip_if_no_python()
  encoder <- soil_encoder()
  expect_refused(
    foundation_simclr_embed(encoder, "gone.npy"), "patches", "names no file",
    of = "foundation_simclr_embed"
  )
  expect_refused(foundation_fit_classifier(encoder, "gone.zarr", soil_y), "x", "names no file")
  expect_refused(
    foundation_fit_classifier(encoder, "x.tif", soil_y), "x", c("path of a .npy", "found 'x.tif'")
  )
  expect_refused(
    foundation_fit_classifier(encoder, c("a.npy", "b.npy"), soil_y), "x", "found character"
  )
  path <- tempfile(fileext = ".npy")
  writeLines("no array", path)
  expect_refused(predict(soil_fit(), path), "x", "cannot be opened", of = "predict")
})
