# Fits on patches of soil_stack(), each made once: what maps are made of.
map_fit <- function(task = "classifier") {
  if (is.null(made$map_fits[[task]])) made$map_fits[[task]] <- make_map_fit(task)
  made$map_fits[[task]]
}

make_map_fit <- function(task) {
  centres <- centres_of(soil_stack())[seq(1, 1200, 25), ]
  x <- foundation_patches_at_coords(soil_tiles(), centres, soil_stack())
  x <- x[!is.na(x[, 1, 1, 1]), , , ]
  score <- x[, 1, 3, 3] + x[, 2, 3, 3]
  thirds <- stats::quantile(score, c(0, 1 / 3, 2 / 3, 1))
  class <- cut(score, thirds, c("Oxisol", "Ultisol", "Gleisol"), TRUE)
  labels <- cbind(crop = x[, 1, 3, 3] > 0, water = x[, 3, 3, 3] > 0)
  targets <- cbind(clay = 30 + 5 * score, sand = 60 - 9 * score)
  cells <- x[, 1, , ] + x[, 2, , ]
  masks <- structure(
    cut(cells, thirds + c(-9, 0, 0, 9), labels = FALSE),
    dim = dim(cells), levels = levels(class)
  )
  encoder <- tile_fit()
  drops <- list(head = "mlp", hidden = 8, dropout = 0.3)
  fitted <- function(verb, y, ...) {
    verb(encoder, x, y, epochs = 6, lr = 0.02, val_split = 0, seed = 1, ...)
  }
  ensemble <- function(y, task) {
    foundation_finetune_ensemble(encoder, x, y, task, K_ens = 3, epochs = 3, lr = 0.02, val_split = 0)
  }
  suppressMessages(switch(task,
    classifier = fitted(foundation_fit_classifier, class),
    regressor = fitted(foundation_fit_regressor, targets[, "clay"]),
    regressor_of_two = fitted(foundation_fit_regressor, targets),
    multilabel = fitted(foundation_fit_multilabel, labels),
    segmenter = fitted(foundation_fit_segmenter, masks, decoder = "unet"),
    ensemble_of_segmenters = foundation_finetune_ensemble(
      encoder, x, masks, "segmentation",
      K_ens = 2, decoder = "linear", epochs = 3, lr = 0.02, val_split = 0
    ),
    ensemble = ensemble(class, "classification"),
    ensemble_of_regressors = ensemble(targets, "regression"),
    dropping = do.call(fitted, c(list(foundation_fit_classifier, class), drops)),
    plain = quick_fit()
  ))
}

# The centres of all cells, row by row.
centres_of <- function(stack) terra::xyFromCell(stack, seq_len(terra::ncell(stack)))

# Cells of a map as predictions at points are: a row a cell, codes of classes, NA for no data.
cells_of <- function(map) {
  for (layer in seq_len(terra::nlyr(map))) levels(map[[layer]]) <- NULL
  values <- terra::values(map)
  values[is.nan(values)] <- NA
  storage.mode(values) <- "double" # of codes terra 1.8 gives integers
  values
}
