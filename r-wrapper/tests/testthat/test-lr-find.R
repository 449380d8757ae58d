# The learning rate finder; tests/test_lr_find.py has what it does.

found_rates <- function(start = soil_encoder(), ..., num_it = 20, seed = 1) {
  foundation_lr_find(start, soil_x, soil_y, ..., num_it = num_it, seed = seed)
}

test_that("its table and suggestions are Python's", {
  skip_if_no_python()
  bridge <- reticulate::import("edaphos_bridge", convert = FALSE)
  held <- reticulate::import("edaphos_bridge.interop.calls.held", convert = FALSE)
  classes <- as.list(as.character(soil_y))
  encoder <- held$encoder_behind(soil_encoder()$state)
  fit <- held$fit_behind(soil_fit()$state)
  pairs <- list(
    list(
      found_rates(freeze_backbone = TRUE, start_lr = 1e-5, end_lr = 1, batch_size = 16),
      bridge$foundation_lr_find(
        encoder, soil_x, as.list(as.integer(soil_y)),
        freeze_backbone = TRUE, start_lr = 1e-5, end_lr = 1, batch_size = 16L, num_it = 20L, seed = 1L
      )
    ),
    list(
      foundation_lr_find(soil_fit(), soil_x, as.character(soil_y), num_it = 12, weight_decay = 0.1, seed = 2),
      bridge$foundation_lr_find(fit, soil_x, classes, num_it = 12L, weight_decay = 0.1, seed = 2L)
    ),
    list(
      found_rates(head = "concat_pool", hidden = 4, dropout = c(0.1, 0.2), split = list(c("conv1", "conv2"))),
      bridge$foundation_lr_find(
        encoder, soil_x, as.list(as.integer(soil_y)),
        head = "concat_pool", hidden = list(4L), dropout = c(0.1, 0.2),
        split = list(list("conv1", "conv2")), num_it = 20L, seed = 1L
      )
    )
  )
  for (pair in pairs) {
    expect_identical(as.list(pair[[1]]$table), reticulate::py_to_r(pair[[2]]$table$to_dict("list")))
    suggestion <- lapply(reticulate::py_to_r(pair[[2]]$suggestion), from_history)
    expect_identical(pair[[1]]$suggestion, suggestion)
  }
})

test_that("rates grow by one factor, and losses stand beside them", {
  skip_if_no_python()
  found <- found_rates(start_lr = 1e-6, end_lr = 1e-2, num_it = 9)
  expect_s3_class(found, "edaphosbridge_lr_find", exact = TRUE)
  expect_named(found, c("table", "suggestion"))
  expect_close(found$table$lr, 10^seq(-6, -2, length.out = 9), 1e-12, 0)
  expect_named(found$table, c("lr", "loss", "smoothed"))
  expect_named(found$suggestion, c("valley", "steep", "minimum"))
  expect_identical(found_rates(start_lr = 1e-6, end_lr = 1e-2, num_it = 9), found)
})

test_that("it is printed, is a table, and survives saveRDS()", {
  skip_if_no_python()
  found <- found_rates(end_lr = 1e-2)
  expect_output(print(found), "steps: +20, from 1e-07 to 0.01")
  expect_output(print(found), "valley:")
  expect_identical(as.data.frame(found), found$table)
  expect_identical(generics::tidy(found), found$table)
  file <- withr::local_tempfile()
  saveRDS(found, file)
  expect_identical(readRDS(file), found)
})

fake_rates <- function(smoothed = c(3, 2, 1, 4), valley = 2e-3) {
  structure(
    list(
      table = data.frame(lr = c(1e-3, 1e-2, 1e-1, 1), loss = smoothed, smoothed = smoothed),
      suggestion = list(valley = valley, steep = 1e-3, minimum = NA_real_)
    ),
    class = "edaphosbridge_lr_find"
  )
}

test_that("plot() draws the smoothed loss and returns the result invisibly", {
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  found <- fake_rates()
  expect_identical(withVisible(plot(found)), list(value = found, visible = FALSE))
  expect_identical(graphics::par("xlog"), TRUE)
  plot(found, ylim = c(0, 10), main = "rates")
  expect_identical(graphics::par("usr")[3:4], c(-0.4, 10.4))
  expect_refused(plot(found, log_base = 2), "log_base", "is no argument of plot()", of = "plot")
})

test_that("what is suggested lies on the curve, and nothing where the loss never falls", {
  expect_identical(
    suggested_points(fake_rates(valley = 1e-2)),
    data.frame(name = c("valley", "steep"), lr = c(1e-2, 1e-3), loss = c(2, 3))
  )
  none <- fake_rates()
  none$suggestion[] <- NA_real_
  expect_identical(nrow(suggested_points(none)), 0L)
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  expect_identical(plot(none), none)
})

test_that("autoplot() shows the same curve and points", {
  skip_if_lacking("ggplot2")
  plot <- ggplot2::autoplot(fake_rates(valley = 1e-2))
  expect_s3_class(plot, "ggplot")
  expect_equal(ggplot2::layer_data(plot, 1)[c("x", "y")], data.frame(x = -3:0, y = c(3, 2, 1, 4)))
  expect_equal(ggplot2::layer_data(plot, 2)$y, c(2, 3))
  none <- fake_rates()
  none$suggestion[] <- NA_real_
  expect_s3_class(ggplot2::ggplot_build(ggplot2::autoplot(none)), "ggplot_built")
})

test_that("a fit of another task is searched too", {
  skip_if_no_python()
  y <- as.numeric(1:48)
  regressor <- foundation_fit_regressor(soil_encoder(), soil_x, y, epochs = 1, seed = 1)
  expect_identical(nrow(foundation_lr_find(regressor, soil_x, y, num_it = 5, seed = 1)$table), 5L)
})

test_that("what it cannot use is refused with the user's call", {
  skip_if_no_python()
  encoder <- soil_encoder()
  refused <- function(argument, says, ...) {
    expect_refused(foundation_lr_find(encoder, soil_x, soil_y, ...), argument, says, of = "foundation_lr_find")
  }
  refused("freeze_backbone", "found NA", freeze_backbone = NA)
  refused("start_lr", "found 0", start_lr = 0)
  refused("end_lr", "greater than `start_lr`, 1", start_lr = 1, end_lr = 1)
  refused("num_it", "found 1", num_it = 1)
  refused("head", "found 'attention'", head = "attention")
  refused("hidden", "found c(0)", head = "mlp", hidden = 0)
  refused("dropout", "found 1", dropout = 1)
  refused("weight_decay", "found -1", weight_decay = -1)
  refused("batch_size", "found 0", batch_size = 0)
  refused("split", "must name", split = "conv1")
  refused("device", "found 'tpu'", device = "tpu")
  refused("seed", "found 0.5", seed = 0.5)
  of <- "foundation_lr_find"
  expect_refused(foundation_lr_find("moco", soil_x, soil_y), "encoder_or_fit", "found character", of = of)
  expect_refused(foundation_lr_find(encoder, soil_x, soil_y[-1]), "y", "48 patches", of = of)
})
