# foundation_mcdropout_predict()

dropping <- function(...) quick_fit(head = "mlp", hidden = 8, dropout = 0.4, ...)

draw <- function(fit, ..., n_draws = 5, seed = 1) {
  foundation_mcdropout_predict(fit, soil_x, n_draws = n_draws, seed = seed, ...)
}

test_that("draws of a classifier are (draws, N, classes) of probabilities", {
  skip_if_no_python()
  draws <- draw(dropping())
  expect_identical(dim(draws), c(5L, 48L, 3L))
  expect_identical(dimnames(draws), list(NULL, NULL, soil_classes))
  expect_close(c(apply(draws, 1:2, sum)), rep(1, 5 * 48), 1e-12)
  expect_true(all(apply(draws, 2, sd) > 0))
})

test_that("draws of a regressor are (draws, N)", {
  skip_if_no_python()
  y <- 30 + apply(soil_x, 1, mean)
  fit <- foundation_fit_regressor(
    soil_encoder(), soil_x, y,
    head = "mlp", dropout = 0.4, epochs = 2, seed = 1
  )
  expect_identical(dim(draw(fit)), c(5L, 48L))
  expect_identical(dim(foundation_mcdropout_predict(fit, patches(1:2), seed = 1)), c(50L, 2L))
})

test_that("draws come from the seed, or from R's generator", {
  skip_if_no_python()
  fit <- dropping()
  before <- random_state()
  one <- draw(fit)
  expect_identical(random_state(), before)
  expect_identical(draw(fit), one)
  expect_false(identical(draw(fit, seed = 2), one))
  free <- withr::with_seed(3, draw(fit, seed = NULL))
  expect_identical(withr::with_seed(3, draw(fit, seed = NULL)), free)
  expect_false(identical(withr::with_seed(4, draw(fit, seed = NULL)), free))
})

test_that("what cannot be drawn from is refused", {
  skip_if_no_python()
  refused <- function(code, argument, says) {
    expect_refused(code, argument, says, of = "foundation_mcdropout_predict")
  }
  refused(foundation_mcdropout_predict(soil_fit(), soil_x), "object", "has no dropout to draw from")
  refused(foundation_mcdropout_predict(soil_encoder(), soil_x), "object", "as of foundation_fit_classifier() or its sisters")
  fit <- dropping()
  refused(foundation_mcdropout_predict(fit, soil_x, n_draws = 0), "n_draws", "found 0")
  refused(foundation_mcdropout_predict(fit, soil_x, seed = 1.5), "seed", "found 1.5")
  refused(foundation_mcdropout_predict(fit, soil_x[, 1:2, , ]), "x", "must have 4 channels")
})
