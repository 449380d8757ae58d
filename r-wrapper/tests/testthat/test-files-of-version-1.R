# Objects that version 0.1.0 saved (tests/fixtures/v1/README.md in the repository) give what they gave.

version_1 <- function(name) readRDS(test_path("v1", paste0(name, ".rds")))

# Another processor gives other last bits, and those only.
expect_as_then <- function(found, name) {
  expected <- version_1("expected")[[name]]
  expect_close(found, expected, 1e-6, size_of(expected))
}

test_that("an encoder has its features", {
  skip_if_no_python()
  found <- foundation_simclr_embed(version_1("encoder"), version_1("expected")$patches)
  expect_as_then(found, "encoder")
})

test_that("pretraining fits have their features", {
  skip_if_no_python()
  x <- version_1("expected")$patches
  expect_as_then(foundation_moco_embed(version_1("pretrain"), x), "pretrain")
  expect_as_then(foundation_simclr_embed(version_1("simclr"), x), "simclr")
  expect_identical(version_1("pretrain")$normalisation$bands, c("clay", "ndvi", "slope"))
})

test_that("classifiers have their probabilities, of patches and at points", {
  skip_if_no_python()
  x <- version_1("expected")$patches
  fit <- version_1("classifier")
  expect_as_then(predict(fit, x, type = "prob"), "classifier")
  expect_as_then(predict(version_1("tuned"), x, type = "prob"), "tuned")
  at_points <- predict(
    fit, test_path("v1", "scene.tif"),
    type = "prob", coords = version_1("expected")$points
  )
  expect_as_then(at_points, "classifier_at_points")
})

test_that("a sweep has its probabilities", {
  skip_if_no_python()
  found <- predict(version_1("sweep"), version_1("expected")$patches, type = "prob")
  expect_as_then(found, "sweep")
})

test_that("a tile dataset opens its raster again", {
  skip_if_no_python()
  tiles <- version_1("tiles")
  # the raster was named by a relative path
  found <- withr::with_dir(test_path("v1"), tiles$sample(3, seed = 1))
  expect_as_then(found, "tiles")
})

test_that("all of them are printed", {
  for (name in c("encoder", "pretrain", "simclr", "classifier", "tuned", "sweep", "tiles")) {
    expect_match(format(version_1(name))[[1]], "^<edaphos", label = name)
  }
})

test_that("a classifier goes on with its head, and is one for what looks at fits", {
  skip_if_no_python()
  x <- version_1("expected")$patches
  fit <- version_1("classifier")
  y <- factor(rep_len(fit$classes, dim(x)[[1]]), fit$classes)
  tune <- function(start) foundation_fine_tune(start, x, y, epochs = 1, base_lr = 1e-30, seed = 1, val_split = 0)
  # with almost no rate the head stays what it was; a new one would be another
  expect_close(unlist(tune(fit)$head), unlist(fit$head), 1e-6)
  expect_identical(foundation_interpret(fit, x, y, n_boot = 0)$predicted, predict(fit, x))
  expect_s3_class(suppressWarnings(foundation_calibrate(fit, x, y)), "edaphosbridge_classifier")
})
