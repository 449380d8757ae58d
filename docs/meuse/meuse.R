# Zinc in the floodplain of the Meuse: regressors on an encoder beside linear regression and a random
# forest, in spatial blocks.
#
# Run from the repository root: Rscript docs/meuse/meuse.R docs/results (README.md has what it needs set)
# It writes meuse.csv, meuse.md, meuse.png and meuse_map.png. Needs edaphosbridge, terra, sp (the data) and
# randomForest; on Debian r-cran-terra, r-cran-sp and r-cran-randomforest. One thread.

library(edaphosbridge)

arguments <- commandArgs(trailingOnly = TRUE)
out <- if (length(arguments) > 0) arguments[[1]] else file.path("docs", "results")
started <- proc.time()[["elapsed"]]

# All settings, fixed before the first run.
seed <- 1
cell <- 40 # metres
patch_size <- 9
block_size <- 600 # metres
n_folds <- 5
n_boot <- 2000

# --- data ------------------------------------------------------------------------------------

data(meuse, meuse.grid, package = "sp", envir = environment())
y <- log(meuse$zinc)
points <- meuse[c("x", "y")]

# The distance, and each class but the first of flooding frequency and soil.
covariates <- function(table) {
  data.frame(
    dist = table$dist,
    ffreq2 = as.numeric(table$ffreq == 2), ffreq3 = as.numeric(table$ffreq == 3),
    soil2 = as.numeric(table$soil == 2), soil3 = as.numeric(table$soil == 3)
  )
}
at_points <- data.frame(zinc = meuse$zinc, covariates(meuse))
grid <- data.frame(meuse.grid[c("x", "y")], covariates(meuse.grid))
stack <- terra::extend(terra::rast(grid, type = "xyz", crs = "EPSG:28992"), patch_size %/% 2)

# Whole blocks are held out; points that train lie so far from them that no patches share a cell.
block <- paste(points$x %/% block_size, points$y %/% block_size)
blocks <- unique(block)
set.seed(seed)
fold <- sample(rep_len(seq_len(n_folds), length(blocks)))[match(block, blocks)]
apart <- pmax(abs(outer(points$x, points$x, "-")), abs(outer(points$y, points$y, "-")))
folds <- lapply(seq_len(n_folds), function(k) {
  test <- which(fold == k)
  near <- apply(apart[, test] < patch_size * cell, 1, any)
  list(train = which(!near), test = test)
})

# --- encoders and patches --------------------------------------------------------------------

# The covariates are known everywhere, as they are when a map is made: the encoder sees all of them,
# and no zinc.
tiles <- foundation_tile_dataset(stack, patch_size = patch_size, n_patches = 1000, seed = seed)
moco <- foundation_moco_pretrain_tiles(
  tiles,
  batch_size = 64, epochs = 300, lr = 0.001, momentum = 0.99, queue_size = 512,
  channel_drop_prob = 0, brightness_jitter = 0.1, noise_sd = 0.05, crop_ratio = c(0.35, 1),
  seed = seed
)
random <- foundation_encoder("moco", in_channels = 5, seed = seed)
x <- suppressMessages( # that patches share cells: not those that train with those that are held out
  foundation_patches_at_coords(moco, points, stack)
)
stopifnot(!anyNA(x))

# --- methods: predictions of held-out points --------------------------------------------------------

probe <- list(epochs = 100, lr = 0.01)
tuned <- list(epochs = 50, lr = 0.001)
full <- c(tuned, freeze_backbone = FALSE)

# `method` gives predictions for rows that are held out from rows that train.
held_out <- function(method) {
  predicted <- rep(NA_real_, length(y))
  for (each in folds) predicted[each$test] <- method(each$train, each$test)
  predicted
}
of_regressor <- function(encoder, settings, recipe = NULL) {
  held_out(function(train, test) {
    data <- list(x = x[train, , , ], y = y[train], val_split = 0, seed = seed)
    fit <- do.call(foundation_fit_regressor, c(list(encoder), data, settings))
    if (!is.null(recipe)) {
      more <- c(tuned, recipe = recipe)
      fit <- do.call(foundation_finetune_classifier, c(list(fit), data, more))
    }
    predict(fit, x[test, , , ])
  })
}

linear <- "linear regression, sqrt(dist) + ffreq + soil"
predicted <- cbind(
  "mean of what trains" = held_out(function(train, test) mean(y[train])),
  "linear" = held_out(function(train, test) {
    fit <- stats::lm(log(zinc) ~ sqrt(dist) + ffreq2 + ffreq3 + soil2 + soil3, at_points[train, ])
    suppressWarnings(stats::predict(fit, at_points[test, ])) # a class that did not train adds nothing
  }),
  "random forest, dist + ffreq + soil" = held_out(function(train, test) {
    set.seed(seed)
    fit <- randomForest::randomForest(log(zinc) ~ dist + ffreq + soil, meuse[train, ])
    stats::predict(fit, meuse[test, ])
  }),
  "probe, from MoCo" = of_regressor(moco, probe),
  "full fine-tuning, from MoCo" = of_regressor(moco, full),
  "LP-FT, from MoCo" = of_regressor(moco, probe, "lp_ft"),
  "probe, from random weights" = of_regressor(random, probe),
  "full fine-tuning, from random weights" = of_regressor(random, full),
  "LP-FT, from random weights" = of_regressor(random, probe, "lp_ft")
)
colnames(predicted)[[2]] <- linear

# --- scores, with whole blocks resampled ----------------------------------------------------------

scores <- function(rows) {
  errors <- (predicted[rows, , drop = FALSE] - y[rows])^2
  rmse <- sqrt(colMeans(errors))
  cbind(
    rmse = rmse,
    r2 = 1 - colSums(errors) / sum((y[rows] - mean(y[rows]))^2),
    difference = rmse - rmse[[linear]]
  )
}
of_block <- split(seq_along(y), block)
set.seed(seed)
drawn <- replicate(n_boot, scores(unlist(sample(of_block, replace = TRUE))))
ends <- apply(drawn, 1:2, stats::quantile, c(0.025, 0.975))
estimates <- scores(seq_along(y))
result <- data.frame(
  method = rownames(estimates), n = length(y),
  do.call(cbind, lapply(colnames(estimates), function(name) {
    columns <- data.frame(estimates[, name], ends[1, , name], ends[2, , name])
    stats::setNames(columns, paste0(name, c("", "_low", "_high")))
  }))
)
numbers <- vapply(result, is.numeric, NA)
result[numbers] <- lapply(result[numbers], round, 6)
dir.create(out, showWarnings = FALSE, recursive = TRUE)
utils::write.csv(result, file.path(out, "meuse.csv"), row.names = FALSE, quote = 1)

# --- figure ----------------------------------------------------------------------------------------

grDevices::png(file.path(out, "meuse.png"), width = 1000, height = 1000, res = 110)
graphics::par(mfrow = c(3, 3), mar = c(4, 4, 2.5, 0.5), mgp = c(2.2, 0.7, 0), las = 1)
limits <- range(y, predicted)
for (name in colnames(predicted)) {
  short <- sub("(regression|forest), .*", "\\1", name)
  graphics::plot(
    y, predicted[, name],
    xlim = limits, ylim = limits, pch = 16, cex = 0.7, col = "#0072b299", cex.main = 1,
    xlab = "log zinc, measured", ylab = "predicted, held out", main = short
  )
  graphics::abline(0, 1, col = "grey50")
}
invisible(grDevices::dev.off())

# --- maps of the grid, of what learnt from all points -------------------------------------------------

on_grid <- function(values) {
  table <- data.frame(meuse.grid[c("x", "y")], values = values)
  terra::rast(table, type = "xyz", crs = "EPSG:28992")
}
line <- stats::lm(log(zinc) ~ sqrt(dist) + ffreq2 + ffreq3 + soil2 + soil3, at_points)
set.seed(seed)
forest <- randomForest::randomForest(log(zinc) ~ dist + ffreq + soil, meuse)
fit <- do.call(
  foundation_fit_regressor, c(list(moco, x = x, y = y, val_split = 0, seed = seed), probe)
)
maps <- c(
  on_grid(stats::predict(line, grid)), on_grid(stats::predict(forest, meuse.grid)),
  terra::crop(predict(fit, stack), on_grid(1))
)
names(maps) <- c("linear regression", "random forest", "probe, from MoCo")

grDevices::png(file.path(out, "meuse_map.png"), width = 1250, height = 560, res = 110)
graphics::layout(matrix(1:4, 1), widths = c(1, 1, 1, 0.32))
limits <- range(terra::minmax(maps), y)
shades <- grDevices::hcl.colors(64, "YlOrRd", rev = TRUE)
shade <- function(values) shades[1 + floor(63.999 * (values - limits[[1]]) / diff(limits))]
for (name in names(maps)) {
  terra::plot(
    maps[[name]],
    range = limits, col = shades, legend = FALSE, axes = FALSE, mar = c(0.5, 0.5, 2.5, 0.5)
  )
  graphics::title(name, line = 1, cex.main = 1.3)
  graphics::points(points, pch = 21, bg = shade(y), col = "grey30", cex = 1.1, lwd = 0.5)
}
graphics::par(mar = c(3, 1, 4, 4.5), las = 1)
ticks <- seq(limits[[1]], limits[[2]], length.out = 65)
graphics::image(1, ticks, matrix(seq_len(64), 1), col = shades, axes = FALSE, xlab = "", ylab = "")
graphics::axis(4)
graphics::mtext("log zinc", line = 0.8, cex = 0.8)
invisible(grDevices::dev.off())

# How far the maps are from each other, and where: patches of cells near the edge reach beyond the grid.
whole <- terra::focal(terra::extend(on_grid(1), patch_size), patch_size, function(cells) !anyNA(cells))
whole <- terra::values(terra::crop(whole, on_grid(1)))[, 1] == 1
difference_of_maps <- terra::values(maps[[3]] - maps[[1]])[, 1]
of_grid <- !is.na(difference_of_maps)
between <- stats::cor(terra::values(maps), use = "complete.obs")
spread <- terra::global(maps, "sd", na.rm = TRUE)$sd

# --- page ------------------------------------------------------------------------------------------

cell_of <- function(name, form) {
  values <- result[paste0(name, c("", "_low", "_high"))]
  sprintf(sprintf("%s (%s to %s)", form, form, form), values[[1]], values[[2]], values[[3]])
}
difference <- cell_of("difference", "%+.3f")
difference[result$method == linear] <- ""
table <- c(
  "| method | RMSE of log zinc | R2 | RMSE minus that of linear regression |", "|---|---|---|---|",
  sprintf(
    "| %s | %s | %s | %s |",
    result$method, cell_of("rmse", "%.3f"), cell_of("r2", "%.3f"), difference
  )
)
certain <- result$difference_low > 0 | result$difference_high < 0
listed <- function(which) if (any(which)) paste(result$method[which], collapse = "; ") else "none"
verdict <- sprintf(
  paste(
    "Beside linear regression, where the interval of the difference of RMSE does not hold zero:",
    "better: %s; worse: %s."
  ),
  listed(certain & result$difference < 0), listed(certain & result$difference > 0)
)
sizes <- vapply(folds, function(each) length(each$train), 0L)
versions <- c("edaphosbridge", "sp", "randomForest", "terra")
page <- c(
  "# Zinc on the Meuse: a regressor beside linear regression and a random forest", "",
  "Held-out predictions of log zinc (ppm), with 95 % intervals.", "", table, "", verdict, "",
  "![Predicted against measured log zinc](meuse.png)", "",
  "## Maps", "",
  "![Maps of log zinc by three methods, and the measured points](meuse_map.png)", "",
  sprintf(
    paste(
      "Of fits on all %d points, which are drawn in the colours of what was measured; the probe's map is",
      "`predict(fit, stack)`. Correlation of its cells with those of linear regression %.2f, with those",
      "of the random forest %.2f; standard deviation of cells %s. What lies beyond the grid counts as the",
      "mean of its band, which shows along the edges: minus linear regression, the probe is %+.2f in the",
      "mean at the %d cells whose patch reaches beyond the grid, and %+.2f at the %d others. The table",
      "above says how far to trust each."
    ),
    length(y), between[3, 1], between[3, 2],
    paste(sprintf("%.2f (%s)", spread, names(maps)), collapse = ", "),
    mean(difference_of_maps[of_grid & !whole]), sum(of_grid & !whole),
    mean(difference_of_maps[of_grid & whole]), sum(of_grid & whole)
  ), "",
  "## Protocol", "",
  sprintf(
    "* `meuse` and `meuse.grid` of the R package sp (Rikken and Van Rijn 1993): %d points, each tested once.",
    length(y)
  ),
  sprintf(
    paste(
      "* %d blocks of %d m in %d folds. Points that train are at least %d m in x or in y from any",
      "that is tested, so that no patches share a cell; %d to %d points train in a fold, the same",
      "for all methods."
    ),
    length(blocks), block_size, n_folds, patch_size * cell, min(sizes), max(sizes)
  ),
  sprintf(
    "* Intervals: percentiles of %d bootstrap draws of whole blocks.", n_boot
  ),
  sprintf(
    paste(
      "* Patches of %dx%d cells of %d m around the points, in five bands: distance to the river, and",
      "classes of flooding frequency and soil. MoCo is pretrained on the covariates of the whole grid,",
      "which a map has everywhere, without zinc, 300 steps. The two regressions see the same",
      "covariates at the point alone."
    ),
    patch_size, patch_size, cell
  ),
  paste(
    "* Settings were fixed before the first full run (after a shortened one, the distance between what trains and what is tested was taken down from 400 m to the width of a patch): probes 100 epochs at a rate of 0.01; fine-tuning 50",
    "epochs, 0.001 for the head and 0.0001 for the encoder; randomForest's defaults."
  ),
  "", "## How it was made", "",
  "* Command: `Rscript docs/meuse/meuse.R docs/results`",
  paste0("* Seed: ", seed),
  paste0(
    "* Versions: R ", getRversion(), ", ",
    paste(versions, vapply(versions, function(p) format(utils::packageVersion(p)), ""), collapse = ", ")
  ),
  sprintf("* Time: %.0f s, one thread", proc.time()[["elapsed"]] - started),
  "* Every number: [meuse.csv](meuse.csv)"
)
writeLines(page, file.path(out, "meuse.md"))
cat(table, sep = "\n")
