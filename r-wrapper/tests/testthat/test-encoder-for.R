# Encoders of one sensor or of both, out of one of two.

two_sensors <- function() {
  if (is.null(made$two_sensors)) {
    made$two_sensors <- foundation_swav_pretrain(
      soil_x[, 1:3, , ], soil_x[, 4, , , drop = FALSE], 6, 4,
      batch_size = 8, epochs = 2, seed = 1
    )
  }
  made$two_sensors
}

of_sensors <- function(sensors) {
  channels <- switch(sensors, a = 1:3, b = 4, 1:4)
  soil_x[, channels, , , drop = FALSE]
}

test_that("each is an encoder for a fit, which predicts and survives saveRDS()", {
  skip_if_no_python()
  for (sensors in c("mean", "concat", "a", "b")) {
    encoder <- foundation_encoder_for(two_sensors(), sensors)
    expect_s3_class(encoder, "edaphosbridge_encoder")
    x <- of_sensors(sensors)
    fit <- quick_fit(encoder, x)
    expect_identical(fit$feature_dim, if (sensors == "concat") 12L else 6L)
    file <- withr::local_tempfile()
    saveRDS(list(fit, encoder), file)
    back <- readRDS(file)
    expect_identical(prob(back[[1]], x), prob(fit, x))
    expect_identical(foundation_embed(back[[2]], x), foundation_embed(encoder, x))
  }
})

test_that("the default is the mean, which the fit itself has", {
  skip_if_no_python()
  expect_identical(foundation_encoder_for(two_sensors()), two_sensors()$encoder)
  expect_identical(foundation_encoder_for(two_sensors()$encoder, "mean"), two_sensors()$encoder)
})

test_that("the features are Python's, to the last bit", {
  skip_if_no_python()
  python <- reticulate::import("edaphos_bridge", convert = TRUE)
  file <- withr::local_tempfile()
  writeBin(two_sensors()$state, file)
  there <- python$FoundationPretrain$load(file)
  for (sensors in c("concat", "b")) {
    expect_identical(
      foundation_embed(foundation_encoder_for(two_sensors(), sensors), of_sensors(sensors)),
      unname(as.matrix(python$foundation_embed(
        python$foundation_encoder_for(there, sensors), of_sensors(sensors)
      )))
    )
  }
})

test_that("what it knows cannot be assigned, but for normalisation and orientation", {
  skip_if_no_python()
  encoder <- two_sensors()$encoder
  expect_error(
    encoder$sensors <- "concat", "`sensors` cannot be assigned",
    class = "edaphosbridge_input_error"
  )
  encoder$patch_orientation <- "transposed"
  expect_identical(foundation_encoder_for(encoder, "a")$patch_orientation, "transposed")
})

test_that("what cannot be used is refused by name", {
  skip_if_no_python()
  refused <- function(code, argument, says) {
    expect_refused(code, argument, says, of = "foundation_encoder_for")
  }
  refused(foundation_encoder_for(), "object", "is missing")
  refused(foundation_encoder_for(soil_encoder(), "a"), "object", "an encoder of two sensors")
  refused(foundation_encoder_for(two_sensors(), "d"), "sensors", "found 'd'")
  refused(foundation_encoder_for(two_sensors(), NA), "sensors", "found NA")
})
