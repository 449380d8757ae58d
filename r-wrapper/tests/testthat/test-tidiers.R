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

test_that("augment() keeps what the points are, their attributes and their coordinates", {
  skip_if_no_python()
  skip_if_lacking("generics")
  skip_if_lacking("sf")
  skip_if_lacking("tibble")
  plain <- data.frame(id = c("p", "q", "r"), x = c(705, 505, 0), y = c(755, 895, 0))
  plain$depth <- c(0.1, 0.2, 0.3)
  expected <- generics::augment(tile_fit(), soil_stack(), coords = plain)
  expect_identical(expected[1:4], plain)
  at <- function(coords) generics::augment(tile_fit(), soil_stack(), coords = coords)

  tibble <- at(tibble::as_tibble(plain))
  expect_s3_class(tibble, "tbl_df")
  expect_identical(as.data.frame(tibble), expected)

  points <- sf::st_as_sf(plain, coords = c("x", "y"), crs = 32723)
  simple <- at(points)
  expect_s3_class(simple, "sf")
  expect_identical(sf::st_geometry(simple), sf::st_geometry(points))
  expect_identical(sf::st_drop_geometry(simple), expected[-(2:3)])
  geometry <- at(sf::st_geometry(points))
  expect_identical(sf::st_drop_geometry(geometry), expected[-(1:4)])

  vector <- terra::vect(points)
  spatial <- at(vector)
  expect_s4_class(spatial, "SpatVector")
  expect_equal(as.data.frame(spatial), expected[-(2:3)], tolerance = 1e-12)
  expect_identical(terra::crds(spatial), terra::crds(vector))
  expect_named(vector, c("id", "depth")) # the caller's own is as it was

  matrix <- at(cbind(x = plain$x, y = plain$y))
  expect_identical(matrix, expected[-c(1, 4)])
  expect_identical(at(unname(as.matrix(plain[2:3]))), matrix)

  fit <- quick_fit(
    tile_fit(), foundation_patches_at_coords(tile_fit(), plain[c(1, 2, 1, 2), ], soil_stack()),
    c("b", "a", "b", "a"), val_split = 0
  )
  classes <- generics::augment(fit, soil_stack(), coords = vector)
  expect_identical(classes$.pred_class, predict(fit, soil_stack(), coords = plain))
})

test_that("augment() takes a dataset for an encoder without normalisation", {
  skip_if_no_python()
  skip_if_lacking("generics")
  points <- data.frame(x = c(705, 505), y = c(755, 895))
  x <- foundation_patches_at_coords(soil_tiles(), points[c(1, 2, 1, 2), ], soil_stack())
  pretrained <- foundation_moco_pretrain(x, 6, 4, batch_size = 2, epochs = 1, seed = 1)
  features <- generics::augment(pretrained, soil_stack(), coords = points, dataset = soil_tiles())
  embedded <- foundation_moco_embed(pretrained, x[1:2, , , ])
  expect_close(unname(as.matrix(features[-(1:2)])), embedded, 1e-6, size_of(embedded))
  fit <- quick_fit(pretrained, x, c("a", "b", "a", "b"), val_split = 0)
  classes <- generics::augment(fit, soil_stack(), coords = points, dataset = soil_tiles())
  expect_identical(classes$.pred_class, predict(fit, x[1:2, , , ]))
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
