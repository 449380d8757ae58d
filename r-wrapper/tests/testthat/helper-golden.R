# Golden cases, shared with pytest (tests/interop/golden.py computes them).

golden_cases <- function() {
  folder <- get0("golden_folder", ifnotfound = "golden")
  jsonlite::read_json(file.path(folder, "cases.json"))
}

# Patches from whole numbers, so that Python gets the same bits.
golden_patches <- function(shape) {
  at <- arrayInd(seq_len(prod(unlist(shape))), unlist(shape)) - 1
  n <- at[, 1]
  c <- at[, 2]
  h <- at[, 3]
  w <- at[, 4]
  values <- (131 * n + 17 * c + 7 * h + 3 * w + n * (c + 1) * (h + 2 * w)) %% 257
  array((values - 128) / 64, unlist(shape))
}

golden_fit <- function(case, freeze_backbone) {
  levels <- unlist(case$levels)
  labels <- factor(rep_len(levels, case$shape[[1]]), levels = levels)
  encoder <- foundation_encoder(
    "moco", case$shape[[2]], feature_dim = 8, proj_dim = 4, seed = 3
  )
  foundation_fit_classifier(
    encoder, golden_patches(case$shape), labels, freeze_backbone = freeze_backbone,
    epochs = 3, batch_size = 16, lr = 0.01, val_split = 0, seed = 5
  )
}
