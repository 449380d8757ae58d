test_that("neither generics nor ggplot2 is loaded by the package", {
  loaded <- callr::r(function() {
    library(edaphosbridge)
    loadedNamespaces()
  })
  expect_false(any(c("generics", "ggplot2") %in% loaded))
})

test_that("tidy() has a row for each epoch", {
  skip_if_no_python()
  skip_if_lacking("generics")
  fit <- soil_fit()
  expect_identical(generics::tidy(fit), data.frame(
    epoch = 1:20, loss = fit$loss_history, val_accuracy = fit$val_accuracy_history
  ))
  pretrained <- tile_fit()
  expect_identical(
    generics::tidy(pretrained), data.frame(epoch = 1:3, loss = pretrained$loss_history)
  )
})

test_that("glance() is one row", {
  skip_if_no_python()
  skip_if_lacking("generics")
  fit <- soil_fit()
  expect_identical(generics::glance(fit), data.frame(
    nobs = 48L, n_classes = 3L, architecture = "simclr", feature_dim = 32L, head = "linear",
    regime = "linear probing", epochs = 20L, final_loss = fit$loss_history[20],
    best_val_accuracy = max(fit$val_accuracy_history),
    best_epoch = which.max(fit$val_accuracy_history),
    final_val_accuracy = fit$val_accuracy_history[20], device = "cpu"
  ))
  unvalidated <- generics::glance(quick_fit(val_split = 0))
  expect_identical(unvalidated$best_val_accuracy, NA_real_)
  expect_identical(unvalidated$best_epoch, NA_integer_)
  expect_identical(generics::glance(tile_fit()), data.frame(
    method = "moco", in_channels = 3L, feature_dim = 6L, proj_dim = 4L, batch_size = 8L,
    epochs = 3L, final_loss = tile_fit()$final_loss, device = "cpu"
  ))
})

test_that("augment() has the predicted class and the probabilities of predict()", {
  skip_if_no_python()
  skip_if_lacking("generics")
  fit <- soil_fit()
  columns <- generics::augment(fit, soil_x)
  expect_named(columns, c(".pred_class", paste0(".pred_", soil_classes)))
  expect_identical(columns$.pred_class, predict(fit, soil_x))
  expect_identical(unname(as.matrix(columns[-1])), unname(prob(fit)))
  data <- data.frame(id = 48:1, depth = seq(0, 1, length.out = 48))
  expect_identical(generics::augment(fit, newdata = soil_x, data = data), cbind(data, columns))
  expect_identical(dim(generics::augment(fit, patches(7))), c(1L, 4L))
  expect_identical(dim(generics::augment(fit, patches(0))), c(0L, 4L))
})

test_that("augment() keeps class names as they are", {
  skip_if_no_python()
  skip_if_lacking("generics")
  fit <- quick_fit(y = c("Glei solo", "1-Argissolo", "Planossolo")[soil_y])
  expect_identical(names(generics::augment(fit, soil_x))[-1], paste0(".pred_", fit$classes))
})

test_that("augment() at points of a raster binds to the points, NA outside", {
  skip_if_no_python()
  skip_if_lacking("generics")
  points <- data.frame(x = c(700, 0), y = c(750, 0))
  x <- foundation_patches_at_coords(tile_fit(), terra::xyFromCell(soil_stack(), 401:424), soil_stack())
  fit <- foundation_fit_classifier(tile_fit(), x, rep(c("a", "b"), 12), epochs = 2, seed = 1)
  at_points <- generics::augment(fit, soil_stack(), coords = points)
  expect_named(at_points, c("x", "y", ".pred_class", ".pred_a", ".pred_b"))
  expect_identical(at_points$.pred_class, predict(fit, soil_stack(), coords = points))
  expect_identical(is.na(at_points$.pred_class), c(FALSE, TRUE))
  features <- generics::augment(tile_fit(), soil_stack(), coords = points)
  expect_named(features, c("x", "y", paste0(".feature_", 1:6)))
  expect_true(all(is.na(features[2, 3:8])))
})

test_that("augment() of a pretraining fit has its features", {
  skip_if_no_python()
  skip_if_lacking("generics")
  fit <- foundation_simclr_pretrain(soil_x, 6, 4, epochs = 2, seed = 1)
  expect_identical(
    unname(as.matrix(generics::augment(fit, soil_x))), foundation_simclr_embed(fit, soil_x)
  )
})

test_that("augment() refuses data of another length", {
  skip_if_no_python()
  skip_if_lacking("generics")
  refused <- function(data, says) {
    expect_refused(
      generics::augment(soil_fit(), soil_x, data = data), "data", says,
      of = "augment.edaphosbridge_classifier"
    )
  }
  refused(data.frame(id = 1:47), c("48 rows", "found 47 rows"))
  refused(1:48, "found integer")
})
