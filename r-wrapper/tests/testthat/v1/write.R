# Writes the objects of format version 1: see tests/fixtures/v1/README.md. Only version 0.1.0 can do it.
#
# usage: Rscript r-wrapper/tests/testthat/v1/write.R    with the package at commit 5f39043
library(edaphosbridge)
root <- normalizePath(".")
folder <- file.path(root, "r-wrapper", "tests", "testthat", "v1")

edaphosbridge:::python_module()
reticulate::import_from_path("write", file.path(root, "tests", "fixtures", "v1"))$born_narrow()

set.seed(8)
x <- array(round(rnorm(12 * 3 * 81), 2), c(12, 3, 9, 9))
y <- factor(rep(c("clay", "\u041e\u043a\u0441\u0438\u0441\u043e\u043b", "sand"), 4))
y <- factor(y, levels = rev(levels(y)))
for (class in 1:3) x[as.integer(y) == class, class, , ] <- x[as.integer(y) == class, class, , ] + 1

small <- list(feature_dim = 6, proj_dim = 4, batch_size = 6, epochs = 2, seed = 1)
encoder <- foundation_encoder("simclr", 3, feature_dim = 6, proj_dim = 4, seed = 1)

# terra would give the raster's whole path: the files are named as they lie beside the objects
file.copy(file.path(root, "tests", "fixtures", "v1", "scene.tif"), folder, overwrite = TRUE)
setwd(folder)
scene <- list(
  files = list(list(path = "scene.tif", bands = list(1L, 2L, 3L))),
  names = list("clay", "ndvi", "slope"), transform = list(10, 0, 500, 0, -10, 900)
)
made <- edaphosbridge:::python_call(
  "tile_dataset", list(scene, 9, 12, TRUE, 2, edaphosbridge:::draw_seed)
)
tiles <- edaphosbridge:::from_tiles(edaphosbridge:::answer_value(made, quote(tiles())))
pretrain <- do.call(foundation_moco_pretrain_tiles, c(list(tiles), small))
classifier <- foundation_fit_classifier(pretrain, x, y, epochs = 20, lr = 0.5, seed = 4)
tuned <- foundation_fit_classifier(
  encoder, x, y,
  freeze_backbone = FALSE, head = "mlp", hidden = 5, val_split = 0, epochs = 20, lr = 0.05, seed = 4
)
simclr <- do.call(foundation_simclr_pretrain, c(list(x), small))
sweep <- foundation_probe_sweep(
  pretrain, x, y,
  lr = 0.5, weight_decay = 0, C = c(1, 100), seeds = 1:2
)
points <- cbind(c(560, 600, 500), c(800, 810, 10)) # the last one lies outside

objects <- list(
  encoder = encoder, pretrain = pretrain, simclr = simclr, classifier = classifier, tuned = tuned,
  sweep = sweep, tiles = tiles
)
for (name in names(objects)) saveRDS(objects[[name]], paste0(name, ".rds"), compress = "xz")
expected <- list(
  patches = x,
  points = points,
  encoder = foundation_simclr_embed(encoder, x),
  pretrain = foundation_moco_embed(pretrain, x),
  simclr = foundation_simclr_embed(simclr, x),
  classifier = predict(classifier, x, type = "prob"),
  classifier_at_points = predict(classifier, "scene.tif", type = "prob", coords = points),
  tuned = predict(tuned, x, type = "prob"),
  sweep = predict(sweep, x, type = "prob"),
  tiles = tiles$sample(3, seed = 1)
)
saveRDS(expected, "expected.rds", compress = "xz")
str(expected)
