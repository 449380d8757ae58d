# An argument that nothing uses is refused by its name, with the nearest one that there is.
refused <- function(code, argument, says, of) expect_refused(code, argument, says, of = of)

test_that("predict() and augment() refuse misspelt and nameless arguments", {
  skip_if_no_python()
  skip_if_lacking("generics")
  fit <- soil_fit()
  refused(
    predict(fit, soil_x, probability = TRUE), "probability", "Did you mean `type = \"prob\"`?",
    "predict"
  )
  refused(predict(fit, soil_stack(), coord = cbind(1, 2)), "coord", "Did you mean `coords`?", "predict")
  refused(predict(fit, soil_x, newdta = soil_x), "newdta", "Did you mean `newdata`?", "predict")
  refused(
    predict(fit, soil_x, zzz = 1), "zzz",
    "`zzz` is no argument of predict(). It takes `x`, `type`, `device`,", "predict"
  )
  refused(predict(fit, soil_x, "prob", "cpu", 7), "...", "has 7, an argument without a name", "predict")
  refused(generics::augment(fit, soil_x, type = "class"), "type", "no argument of augment()", "augment")
  pretrained <- tile_fit()
  refused(generics::augment(pretrained, soil_x, device = "cpu"), "device", "augment()", "augment")
})

test_that("a sweep refuses what its classifier does", {
  skip_if_no_python()
  sweep <- foundation_probe_sweep(
    soil_encoder(), soil_x, soil_y,
    lr = 0.01, weight_decay = 0, C = 1, seeds = 1, epochs = 1
  )
  refused(predict(sweep, soil_x, probs = TRUE), "probs", "`type = \"prob\"`", "predict")
  refused(update(sweep, soil_x, soil_y, epoch = 5), "epoch", "Did you mean `epochs`?", "update")
})

test_that("what takes no arguments says so", {
  skip_if_no_python()
  skip_if_lacking("generics")
  skip_if_lacking("ggplot2")
  for (fit in list(soil_fit(), tile_fit())) {
    refused(summary(fit, digits = 3), "digits", "It takes no more arguments", "summary")
    refused(generics::tidy(fit, conf.int = TRUE), "conf.int", "no more arguments", "tidy")
    refused(generics::glance(fit, 1), "...", "has 1, an argument without a name", "glance")
    refused(ggplot2::autoplot(fit, which = "loss"), "which", "no more arguments", "autoplot")
  }
})

test_that("plot() takes graphical parameters and nothing else", {
  skip_if_no_python()
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  for (fit in list(soil_fit(), tile_fit())) {
    expect_identical(plot(fit, log = "y", col = 2, lwd = 2, cex.axis = 0.5, las = 1), fit)
    refused(plot(fit, tipe = "l"), "tipe", "Did you mean `type`?", "plot")
  }
  refused(plot(soil_fit(), wich = "loss"), "wich", "Did you mean `which`?", "plot")
  refused(plot(soil_fit(), accuracy = TRUE), "accuracy", "plot()", "plot")
})

test_that("update() takes the settings of the function that made the fit", {
  skip_if_no_python()
  refused(update(soil_fit(), soil_x, soil_y, epoch = 5), "epoch", "Did you mean `epochs`?", "update")
  refused(update(soil_fit(), soil_x, soil_y, 5), "...", "has 5,", "update")
  refused(update(tile_fit(), dataset = soil_tiles(), lrate = 5), "lrate", "It takes", "update")
  refused(update(tile_fit(), soil_x, queue = 5), "queue", "Did you mean `queue_size`?", "update")
})

test_that("digits are harmless when printing", {
  skip_if_no_python()
  expect_output(print(soil_fit(), digits = 3), "edaphos_foundation_classifier")
  expect_output(print(tile_fit(), digits = 3), "edaphos_foundation_moco")
})

test_that("no argument is evaluated to be refused", {
  skip_if_no_python()
  refused(predict(soil_fit(), soil_x, zzz = stop("evaluated")), "zzz", "no argument", "predict")
})
