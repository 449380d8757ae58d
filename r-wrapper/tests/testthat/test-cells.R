# Data frames of cells, for fits on patches of one cell.

soil_cells <- function() {
  cells <- terra::as.data.frame(soil_stack())
  cells[seq_len(40), ]
}

# Fits on single cells of the stack: `known` ones have an encoder that carries its normalisation.
cell_fit <- function(known = TRUE, fit = foundation_fit_classifier, y = NULL, ...) {
  raw <- as.matrix(soil_cells())
  x <- scale(raw, soil_tiles()$means, soil_tiles()$sds)
  encoder <- foundation_encoder("moco", in_channels = 3, seed = 1)
  if (known) encoder$normalisation <- soil_tiles()
  if (is.null(y)) y <- ifelse(raw[, "clay"] > 0, "high", "low")
  fit(encoder, array(x, c(40, 3, 1, 1)), y, epochs = 2, seed = 1, ...)
}

cell_patches <- function() {
  array(scale(as.matrix(soil_cells()), soil_tiles()$means, soil_tiles()$sds), c(40, 3, 1, 1))
}

test_that("raw cells are predicted as their normalised patches, by the names of the bands", {
  skip_if_no_python()
  skip_if_lacking("tibble")
  fit <- cell_fit()
  expected <- predict(fit, cell_patches(), type = "prob")
  cells <- soil_cells()
  expect_close(predict(fit, cells, type = "prob"), expected, 1e-6)
  expect_identical(predict(fit, cells), predict(fit, cell_patches()))
  expect_identical(predict(fit, newdata = cells), predict(fit, cells))
  for (table in list(
    cbind(id = letters[1], cells[c(3, 1, 2)]), tibble::as_tibble(cells), as.matrix(cells),
    unname(as.matrix(cells))
  )) {
    expect_close(predict(fit, table, type = "prob"), expected, 1e-6)
  }
  expect_identical(length(predict(fit, cells[0, ])), 0L)
  expect_identical(generics::augment(fit, newdata = cells)$.pred_class, predict(fit, cells))
})

test_that("an encoder that knows no bands takes columns in their order, or a dataset", {
  skip_if_no_python()
  fit <- cell_fit(known = FALSE)
  expected <- predict(fit, cell_patches(), type = "prob")
  cells <- as.data.frame(matrix(cell_patches(), 40))
  expect_close(predict(fit, cells, type = "prob"), expected, 1e-6)
  expect_close(predict(fit, soil_cells(), type = "prob", dataset = soil_tiles()), expected, 1e-6)
})

test_that("a row with NA is NA, in integers and logicals too", {
  skip_if_no_python()
  cells <- soil_cells()
  cells$ndvi <- as.integer(cells$ndvi)
  cells$ndvi[2] <- NA
  cells$clay[5] <- NaN
  gone <- seq_len(40) %in% c(2, 5)
  expect_identical(is.na(predict(cell_fit(), cells)), gone)
  expect_identical(rowSums(is.na(predict(cell_fit(), cells, type = "prob"))) == 2, gone)
  cells$slope <- NA
  expect_true(all(is.na(predict(cell_fit(), cells))))
  whole <- matrix(c(1L, NA, 3L, 1L, 2L, 3L), 2)
  expect_identical(is.na(predict(cell_fit(known = FALSE), whole)), c(FALSE, TRUE))
})

test_that("terra::predict() makes a map of classes, probabilities and numbers", {
  skip_if_no_python()
  stack <- soil_stack()
  holes <- terra::values(sum(is.na(stack)))[, 1] > 0
  fit <- cell_fit()
  map <- terra::predict(stack, fit)
  expect_identical(is.na(terra::values(map)[, 1]), holes)
  expect_identical(sort(terra::levels(map)[[1]][[2]]), c("high", "low"))
  cells <- terra::values(stack, dataframe = TRUE)
  expect_identical(
    as.character(terra::values(map, dataframe = TRUE)[[1]]), as.character(predict(fit, cells))
  )
  prob <- terra::predict(stack, fit, type = "prob")
  expect_identical(names(prob), c("high", "low"))
  expected <- unname(predict(fit, cells, type = "prob"))
  expect_close(unname(terra::values(prob)), expected, 1e-6)
  skipping <- terra::predict(stack, fit, type = "prob", na.rm = TRUE)
  expect_close(unname(terra::values(skipping)), expected, 1e-6)
  clay <- cell_fit(fit = foundation_fit_regressor, y = soil_cells()$clay)
  map <- terra::predict(stack, clay)
  expect_close(terra::values(map)[, 1], predict(clay, cells), 1e-5)
})

test_that("every task, ensembles and draws of dropout take data frames", {
  skip_if_no_python()
  cells <- soil_cells()
  cells$slope[3] <- NA
  gone <- seq_len(40) == 3
  clay <- soil_cells()$clay
  regressor <- cell_fit(fit = foundation_fit_regressor, y = clay, head = "mlp", dropout = 0.3)
  expect_identical(is.na(predict(regressor, cells)), gone)
  labels <- cell_fit(fit = foundation_fit_multilabel, y = cbind(a = clay > 0, b = clay < 1))
  expect_identical(rowSums(is.na(predict(labels, cells))) == 2, gone)
  expect_identical(predict(labels, cells, type = "label")[[3]], NA_character_)
  draws <- foundation_mcdropout_predict(regressor, cells, n_draws = 3, seed = 1)
  expect_identical(colSums(is.na(draws)) == 3, gone)
  encoder <- regressor$encoder
  ensemble <- foundation_finetune_ensemble(
    encoder, cell_patches(), clay, "regression", K_ens = 2, epochs = 1
  )
  expect_identical(is.na(predict(ensemble, cells, type = "mean")), gone)
})

test_that("a data frame that does not fit is refused with what is missing, or what to call", {
  skip_if_no_python()
  refused <- function(x, says, fit = cell_fit()) {
    expect_refused(predict(fit, x), "x", says, of = "predict")
  }
  cells <- soil_cells()
  refused(cells[c("clay", "ndvi")], c("there is none for slope", "found c('clay', 'ndvi')"))
  refused(transform(cells, ndvi = factor("a")), "numbers in its column 'ndvi'; found factor")
  refused(cbind(cells, clay = 1), c("one column for each band", "clay"))
  refused(cells[1:2], "must have 3 columns", cell_fit(known = FALSE))
  refused(cells, c("5 x 5 cells", "predict(fit, stack)"), soil_fit())
  refused(as.matrix(cells), "5 x 5 cells", soil_fit())
  labels <- cell_fit(fit = foundation_fit_multilabel, y = cbind(a = cells$clay > 0, b = cells$clay < 1))
  expect_refused(
    foundation_multi_top_losses(labels, cells, cbind(a = TRUE, b = FALSE)[rep(1, 40), ]), "x",
    "(N, C, H, W)", of = "foundation_multi_top_losses"
  )
})
