# The demo again, from R: map and train through the R package and compare with Python's results.
#
# Run demo.py first, then, from the repository root: Rscript docs/demo/demo.R build/demo

library(edaphosbridge)
options(width = 140) # the table of six classes in one piece

arguments <- commandArgs(trailingOnly = TRUE)
out <- if (length(arguments) > 0) arguments[[1]] else file.path("build", "demo")
started <- proc.time()[["elapsed"]]
seed <- 1

say <- function(...) cat("\n== ", ..., "\n", sep = "")

# Zero mean and unit variance in each band of the patches it is made from. The sums are sums
# of whole numbers and therefore exact, and each further step is one operation on doubles, so
# that Python gets the same bits (see `Standardiser` in demo.py).
standardiser <- function(x) {
  bands <- seq_len(dim(x)[[2]])
  values <- lapply(bands, function(band) as.double(x[, band, , ]))
  n <- length(values[[1]])
  total <- vapply(values, sum, 0)
  squares <- vapply(values, function(value) sum(value * value), 0)
  mean <- total / n
  sd <- sqrt((squares - total * total / n) / (n - 1))
  function(x) {
    z <- array(0, dim(x))
    for (band in bands) z[, band, , ] <- (x[, band, , ] - mean[[band]]) / sd[[band]]
    z
  }
}

# All patches of 3x3 known pixels, row by row of the scene, as demo.py cuts them.
scene_patches <- function(image, size = 3) {
  corner <- expand.grid(
    column = seq_len(dim(image)[[3]] - size + 1), row = seq_len(dim(image)[[2]] - size + 1)
  )
  patches <- array(0L, c(nrow(corner), dim(image)[[1]], size, size))
  for (band in seq_len(dim(image)[[1]])) {
    for (i in seq_len(size)) {
      for (j in seq_len(size)) {
        patches[, band, i, j] <- image[cbind(band, corner$row + i - 1, corner$column + j - 1)]
      }
    }
  }
  patches[rowSums(is.na(patches)) == 0, , , ]
}

# Pretrain MoCo on patches without labels, with the same settings as demo.py.
pretrain <- function(patches) {
  foundation_moco_pretrain(
    patches,
    temperature = 0.2, batch_size = 64, epochs = 10, steps_per_epoch = 50, lr = 1e-3,
    momentum = 0.99, queue_size = 512, channel_drop_prob = 0, brightness_jitter = 0.1,
    noise_sd = 0.05, seed = seed, verbose = TRUE
  )
}

# Train on an encoder, with the same settings as demo.py.
fit_on <- function(encoder, x, y, freeze_backbone) {
  foundation_fit_classifier(
    encoder, x, y,
    freeze_backbone = freeze_backbone, epochs = 30, batch_size = 64,
    lr = if (freeze_backbone) 1e-2 else 1e-3, backbone_lr_mult = 0.1, val_split = 0.2,
    seed = seed, verbose = TRUE
  )
}

# A map of ground that was not seen: the west of the scene trains, the east tests, with the same
# settings as scene_map.py. A list of the map and of the probabilities and entropy, of terra.
map_scene <- function(scene, west = 58) {
  stack <- terra::rast(aperm(scene$image, c(2, 3, 1)))
  names(stack) <- paste0("band_", seq_len(terra::nlyr(stack)))
  tiles <- foundation_tile_dataset(
    terra::crop(stack, terra::ext(0, west, 0, terra::nrow(stack))),
    patch_size = 9, n_patches = 2000, seed = seed
  )
  moco <- foundation_moco_pretrain_tiles(
    tiles,
    batch_size = 64, epochs = 300, lr = 1e-3, momentum = 0.99, queue_size = 512,
    channel_drop_prob = 0, brightness_jitter = 0.1, noise_sd = 0.05, crop_ratio = c(0.35, 1),
    seed = seed
  )
  labels <- t(scene$labels) # in the order of the stack's cells
  points <- terra::xyFromCell(stack, which(!is.na(labels)))
  y <- factor(scene$classes[labels[!is.na(labels)]], scene$classes)
  trains <- points[, "x"] < west
  x <- suppressMessages( # that patches share cells: not those that train with those of the east
    foundation_patches_at_coords(moco, points[trains, ], stack)
  )
  fit <- foundation_fit_classifier(moco, x, y[trains], epochs = 30, val_split = 0, seed = seed)
  list(soils = predict(fit, stack), doubt = predict(fit, stack, type = c("prob", "entropy")))
}

# Whether the cells of a map equal those of the file that demo.py wrote.
map_equals_python <- function(map, name) {
  file <- file.path(out, paste0(name, ".tif"))
  if (!file.exists(file)) {
    cat(file, "is missing: run docs/demo/demo.py first\n")
    return(FALSE)
  }
  cells <- function(map) unname(terra::values(map))
  python <- suppressWarnings(terra::rast(file)) # neither has a georeference
  equal <- identical(cells(map), cells(python))
  cat(sprintf(
    "%-9s R's %d x %d x %d cells equal Python's bit for bit: %s\n",
    name, terra::nrow(map), terra::ncol(map), terra::nlyr(map), if (equal) "yes" else "NO"
  ))
  equal
}

# Whether probabilities equal those that demo.py wrote: raw doubles, column-major.
equals_python <- function(probabilities, name) {
  file <- file.path(out, paste0("python_", name, ".f64"))
  if (!file.exists(file)) {
    cat(file, "is missing: run docs/demo/demo.py first\n")
    return(FALSE)
  }
  python <- readBin(file, "double", n = length(probabilities) + 1, endian = "little")
  equal <- identical(as.vector(probabilities), python)
  difference <- if (length(python) == length(probabilities)) {
    sprintf("largest difference %.3g", max(abs(python - probabilities)))
  } else {
    "of another size"
  }
  cat(sprintf(
    "%-9s R's %d x %d probabilities equal Python's bit for bit: %s (%s)\n",
    name, nrow(probabilities), ncol(probabilities), if (equal) "yes" else "NO", difference
  ))
  equal
}

data <- statlog_landsat()
train <- data$train
standardise <- standardiser(data$x[train, , , ])
x_train <- standardise(data$x[train, , , ])
x_test <- standardise(data$x[!train, , , ])
y_train <- data$y[train]
truth <- data$y[!train]
cat(R.version.string, ": ", sum(train), " training and ", sum(!train), " test patches\n", sep = "")

say("A map: MoCo and a linear probe on it learn in the west of the scene, from R (about 15 s)")
map <- map_scene(statlog_scene())
print(map$soils)

say("Linear probe, from R")
untrained <- foundation_encoder("moco", in_channels = 4, seed = seed)
probe <- fit_on(untrained, x_train, y_train, freeze_backbone = TRUE)
say("MoCo pretraining without labels, and a linear probe on its features, from R (about 15 s)")
moco <- pretrain(standardise(scene_patches(statlog_scene()$image)))
moco_probe <- fit_on(moco, x_train, y_train, freeze_backbone = TRUE)
say("Full fine-tuning, from R (about 20 s)")
finetune <- fit_on(untrained, x_train, y_train, freeze_backbone = FALSE)
print(finetune)

say("Test patches, full fine-tuning: table(predicted, truth)")
predicted <- predict(finetune, x_test, type = "class")
print(table(predicted, truth))
cat(sprintf(
  "\ntest accuracy: fine-tuning %.3f, linear probe %.3f, linear probe after MoCo %.3f\n",
  mean(predicted == truth), mean(predict(probe, x_test, type = "class") == truth),
  mean(predict(moco_probe, x_test, type = "class") == truth)
))

say("R against Python")
equal <- c(
  map_equals_python(map$soils, "map"),
  map_equals_python(map$doubt, "doubt"),
  equals_python(predict(probe, x_test, type = "prob"), "probe"),
  equals_python(predict(moco_probe, x_test, type = "prob"), "moco"),
  equals_python(predict(finetune, x_test, type = "prob"), "finetune")
)
cat(sprintf("The R part took %.0f s.\n", proc.time()[["elapsed"]] - started))
if (!all(equal)) {
  cat("FAILED: R's numbers are not Python's.\n")
  quit(status = 1)
}
