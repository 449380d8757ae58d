test_that("embeddings are numeric matrices of features or of projections", {
  skip_if_no_python()
  features <- foundation_simclr_embed(soil_encoder(), soil_x)
  expect_true(is.matrix(features) && is.double(features))
  expect_identical(dim(features), c(48L, 32L))
  projections <- foundation_simclr_embed(soil_encoder(), soil_x, projection = TRUE)
  expect_identical(dim(projections), c(48L, 16L))
  expect_close(rowSums(projections^2), rep(1, 48), 1e-6)
  expect_identical(dim(foundation_simclr_embed(soil_encoder(), patches(0))), c(0L, 32L))
  expect_identical(dim(foundation_simclr_embed(soil_encoder(), patches(1))), c(1L, 32L))
})

test_that("the encoder of a fit is used, and integers are read as doubles are", {
  skip_if_no_python()
  expected <- foundation_simclr_embed(soil_encoder(), soil_x)
  expect_identical(foundation_simclr_embed(soil_fit(), soil_x), expected)
  whole <- soil_x
  storage.mode(whole) <- "integer"
  expect_identical(foundation_simclr_embed(soil_encoder(), whole), expected)
})

test_that("what does not fit is refused by its own name", {
  skip_if_no_python()
  refused <- function(code, argument, says, of = "foundation_simclr_embed") {
    expect_refused(code, argument, says, of = of)
  }
  refused(
    foundation_moco_embed(soil_encoder(), soil_x), "object", "foundation_simclr_embed()",
    of = "foundation_moco_embed"
  )
  refused(foundation_simclr_embed("simclr", soil_x), "object", "found character")
  refused(foundation_simclr_embed(soil_encoder()), "patches", "is missing")
  refused(
    foundation_simclr_embed(soil_encoder(), soil_x[, 1:3, , ]), "patches", "must have 4 channels"
  )
  with_na <- soil_x
  with_na[7, 1, 1, 1] <- NA
  refused(foundation_simclr_embed(soil_encoder(), with_na), "patches", c("1 of 48", "first: 7"))
  storage.mode(with_na) <- "integer"
  refused(foundation_simclr_embed(soil_encoder(), with_na), "patches", c("1 of 48", "first: 7"))
  refused(foundation_simclr_embed(soil_encoder(), soil_x, NA), "projection", "found NA")
})
