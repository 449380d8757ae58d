refused_embedding <- function(code, argument, says, of = "foundation_embed_raster") {
  expect_refused(code, argument, says, of = of)
}

test_that("a map of embeddings has those at the centres of cells", {
  skip_if_no_python()
  expected <- foundation_embed_at_coords(tile_fit(), centres_of(soil_stack()), soil_stack())
  map <- foundation_embed_raster(tile_fit(), soil_stack())
  expect_true(terra::compareGeom(map, soil_stack(), stopOnError = FALSE))
  expect_identical(names(map), paste0("e", 1:6))
  expect_close(unname(cells_of(map)), expected, 1e-6, size_of(expected))
  map <- foundation_embed_raster(tile_fit()$encoder, terra::sources(soil_stack()), stride = 4)
  cells <- as.vector(t(outer((pmin(seq(3, by = 4, length.out = 8), 30) - 1) * 40, seq(3, 40, 4), "+")))
  expect_close(unname(cells_of(map)), expected[cells, ], 1e-6, size_of(expected))
})

test_that("projections are unit vectors, and edaphos' name has its order of arguments", {
  skip_if_no_python()
  map <- foundation_embed_raster(tile_fit(), soil_stack(), projection = TRUE, stride = 5)
  expect_identical(names(map), paste0("e", 1:4))
  length_of <- sqrt(rowSums(cells_of(map)^2))
  expect_close(unname(length_of), ifelse(is.na(unname(length_of)), NA, 1), 1e-6)
  alias <- foundation_moco_embed_raster(tile_fit(), soil_stack(), NULL, NULL, 5L, TRUE)
  expect_identical(cells_of(alias), cells_of(map))
  path <- withr::local_tempfile(fileext = ".tif")
  alias <- foundation_moco_embed_raster(
    moco = tile_fit(), stack = soil_stack(), stride = 5, projection = TRUE, filename = path
  )
  expect_identical(terra::sources(alias), path)
  refused_embedding(
    foundation_moco_embed_raster(tile_fit(), soil_stack(), stryde = 2), "stryde", "is no argument",
    of = "foundation_moco_embed_raster"
  )
  plain <- foundation_encoder("moco", in_channels = 3, seed = 1)
  refused_embedding(
    foundation_moco_embed_raster(plain, soil_stack()), "moco", "Give a `dataset`",
    of = "foundation_moco_embed_raster"
  )
})

test_that("a dataset and a patch size stand in for what an encoder does not know", {
  skip_if_no_python()
  plain <- foundation_encoder("moco", in_channels = 3, seed = 1)
  centres <- centres_of(soil_stack())
  map <- foundation_embed_raster(plain, soil_stack(), dataset = soil_tiles(), patch_size = 7)
  expected <- foundation_embed_at_coords(plain, centres, soil_stack(), soil_tiles(), patch_size = 7)
  expect_close(unname(cells_of(map)), expected, 1e-6, size_of(expected))
})

test_that("models of R predict on a map of embeddings with terra::predict()", {
  skip_if_no_python()
  map <- foundation_embed_raster(tile_fit(), soil_stack(), stride = 2, projection = TRUE)
  cells <- as.data.frame(cells_of(map))
  cells$clay <- cells_of(terra::aggregate(soil_stack()[[1]], 2, na.rm = TRUE))[, 1]
  model <- stats::lm(clay ~ e1 + e2 + e3, cells)
  predicted <- terra::predict(map, model)
  expected <- unname(stats::predict(model, cells))
  expect_close(as.vector(cells_of(predicted)), expected, 1e-6, size_of(expected))
  cells$wet <- cells$clay > 0
  chance <- stats::glm(wet ~ e1 + e2, stats::binomial(), cells)
  expected <- unname(stats::predict(chance, cells, type = "response"))
  expect_close(as.vector(cells_of(terra::predict(map, chance, type = "response"))), expected, 1e-6)
})

test_that("a stars object gives a stars object", {
  skip_if_no_python()
  skip_if_lacking("stars")
  map <- foundation_embed_raster(tile_fit(), stars::st_as_stars(soil_stack()), stride = 3)
  expect_s3_class(map, "stars")
  expect_identical(names(map), "embedding")
  expect_identical(stars::st_get_dimension_values(map, 3), paste0("e", 1:6))
  expected <- cells_of(foundation_embed_raster(tile_fit(), soil_stack(), stride = 3))
  expect_equal(as.vector(map[[1]]), as.vector(expected))
})

test_that("what cannot be used is refused by its name", {
  skip_if_no_python()
  stack <- soil_stack()
  refused_embedding(foundation_embed_raster(tile_fit()), "stack", "is missing")
  refused_embedding(foundation_embed_raster(), "encoder", "is missing")
  refused_embedding(foundation_embed_raster(1, stack), "encoder", "found numeric")
  refused_embedding(foundation_embed_raster(tile_fit(), soil_x), "stack", "found array")
  path <- withr::local_tempfile(fileext = ".npy", lines = "patches")
  refused_embedding(foundation_embed_raster(tile_fit(), path), "stack", "cannot be opened")
  refused_embedding(foundation_embed_raster(tile_fit(), stack[[1]]), "stack", "3 bands")
  refused_embedding(foundation_embed_raster(tile_fit(), stack, dataset = 1), "dataset", "found numeric")
  refused_embedding(foundation_embed_raster(tile_fit(), stack, patch_size = 1), "patch_size", "found 1")
  refused_embedding(
    foundation_embed_raster(tile_fit(), stack, projection = NA), "projection", "found NA"
  )
  refused_embedding(
    foundation_embed_raster(own_module(), stack, soil_tiles(), projection = TRUE), "projection",
    "needs an encoder that has a projection"
  )
  refused_embedding(foundation_embed_raster(tile_fit(), stack, device = "tpu"), "device", "tpu")
  refused_embedding(
    foundation_embed_raster(tile_fit(), stack, wopt = list(datatype = "INT1U")), "wopt", "FLT4S"
  )
})
