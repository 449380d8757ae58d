test_that("integrated gradients give each cell of each band, and Grad-CAM each cell", {
  skip_if_no_python()
  found <- foundation_attribute(soil_fit(), patches(1:5))
  expect_s3_class(found, c("edaphosbridge_attribution", "edaphosbridge_result"), exact = TRUE)
  expect_identical(found$method, "integrated_gradients") # of 5 x 5 cells
  expect_identical(dim(found$values), c(5L, 4L, 5L, 5L))
  predicted <- as.character(predict(soil_fit(), patches(1:5)))
  expect_identical(found$target, predicted)
  expect_identical(found$prediction, predicted)
  expect_close(found$patches, patches(1:5), 1e-6)
  cam <- foundation_attribute(soil_fit(), patches(1:5), "grad", target = "Oxisol")
  expect_identical(dim(cam$values), c(5L, 1L, 5L, 5L))
  expect_true(all(cam$values >= 0))
  expect_identical(cam$target, rep("Oxisol", 5))
  expect_identical(capture.output(print(cam)), c(
    "<edaphos_foundation_attribution>", "  method:   Grad-CAM", "  patches:  5 of 5 x 5 cells",
    "  bands:    all together"
  ))
})

test_that("as.data.frame() sums cells for each patch and band", {
  skip_if_no_python()
  found <- foundation_attribute(soil_fit(), patches(1:2), baseline = c(1, 0, 0, 0), n_steps = 5)
  table <- as.data.frame(found)
  expect_identical(names(table), c("row", "prediction", "target", "band", "attribution", "share"))
  expect_identical(table$band, rep(paste("band", 1:4), 2))
  expect_close(table$attribution[[7]], sum(found$values[2, 3, , ]), 1e-12)
  expect_close(
    table$share[[7]], sum(abs(found$values[2, 3, , ])) / sum(abs(found$values[2, , , ])), 1e-12
  )
  skip_if_lacking("generics")
  expect_identical(generics::tidy(found), table)
})

test_that("importance falls on the bands that tell the classes", {
  skip_if_no_python()
  found <- foundation_band_importance(soil_fit(), soil_x, soil_y, n_repeats = 5, seed = 1)
  table <- as.data.frame(found)
  expect_identical(table$band, paste("band", 1:4))
  expect_true(all(table$importance[1:3] > 0)) # each class is bright in one of them
  expect_close(table$importance, rowMeans(found$losses), 1e-12)
  expect_close(table$sd, apply(found$losses, 1, stats::sd), 1e-12)
  expect_close(found$score, mean(predict(soil_fit(), soil_x) == soil_y), 1e-12)
  expect_identical(foundation_band_importance(soil_fit(), soil_x, soil_y, n_repeats = 5, seed = 1), found)
})

test_that("attributions and importance are drawn, and par() is left as it was", {
  skip_if_no_python()
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  before <- graphics::par("mfrow", "mar", "oma", "mai")
  found <- foundation_attribute(soil_fit(), patches(1:5))
  cam <- foundation_attribute(soil_fit(), patches(1:5), "grad_cam")
  importance <- foundation_band_importance(soil_fit(), soil_x, soil_y, n_repeats = 2, seed = 1)
  for (result in list(found, cam, importance)) {
    expect_identical(withVisible(plot(result)), list(value = result, visible = FALSE))
    expect_identical(graphics::par("mfrow", "mar", "oma", "mai"), before)
  }
  refused <- function(code, argument, says) {
    condition <- expect_error(code, says, class = "edaphosbridge_input_error", fixed = TRUE)
    expect_identical(condition$argument, argument)
  }
  refused(plot(found, rows = 6), "rows", "5 patches")
  refused(plot(found, alpha = 2), "alpha", "from 0 to 1")
  refused(plot(found, bands = 9), "bands", "from 1 to 4")
  skip_if_lacking("ggplot2")
  # nothing is left of the patch where all of it is covered: the strongest cell is dark red or blue
  covered <- ggplot2::autoplot(found, rows = 2, alpha = 1)$data
  seen <- apply(found$values[2, , , ], 2:3, sum)
  strongest <- covered$colour[[which.max(abs(seen))]]
  expect_identical(strongest, if (seen[[which.max(abs(seen))]] > 0) "#67001F" else "#053061")
  bars <- ggplot2::layer_data(ggplot2::autoplot(importance), 1)
  expect_equal(bars$x[order(-as.numeric(bars$y))], importance$importance$importance)
})

test_that("bad input is refused by its name", {
  skip_if_no_python()
  refused <- function(code, argument, says, of = "foundation_attribute") {
    expect_refused(code, argument, says, of = of)
  }
  fit <- soil_fit()
  refused(foundation_attribute(NULL, soil_x), "fit", "found NULL")
  refused(foundation_attribute(fit, soil_x, "saliency"), "method", "integrated_gradients")
  refused(foundation_attribute(fit, soil_x, target = "Gelisol"), "target", "Oxisol")
  refused(foundation_attribute(fit, soil_x, baseline = 1:2), "baseline", "4 bands")
  refused(foundation_attribute(fit, soil_x, n_steps = 0), "n_steps", "positive whole")
  refused(foundation_attribute(fit, soil_x, steps = 3), "steps", "foundation_attribute()")
  of_bands <- function(code, argument, says) {
    refused(code, argument, says, of = "foundation_band_importance")
  }
  of_bands(foundation_band_importance(fit, soil_x, soil_y, n_repeats = 0), "n_repeats", "positive")
  of_bands(foundation_band_importance(fit, soil_x), "y", "is missing")
  of_bands(foundation_band_importance(fit, soil_x, soil_y, seed = 1.5), "seed", "found 1.5")
})
