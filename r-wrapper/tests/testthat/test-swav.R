# SwAV on one sensor and on two.

soil_a <- soil_x[, 1:3, , ]
soil_b <- soil_x[, 3:4, , ]

quick_swav <- function(x_a = soil_a, x_b = soil_b, ..., batch_size = 8, epochs = 4, seed = 1) {
  foundation_swav_pretrain(
    x_a, x_b, 6, 4, batch_size = batch_size, epochs = epochs, seed = seed, ...
  )
}

swav_fit <- function() {
  if (is.null(made$swav)) made$swav <- quick_swav()
  made$swav
}

test_that("the defaults of both functions are Python's", {
  skip_if_no_python()
  inspect <- reticulate::import("inspect")
  python <- reticulate::import("edaphos_bridge")
  for (name in c("foundation_swav_pretrain", "foundation_swav_pretrain_tiles")) {
    there <- inspect$signature(python[[name]])$parameters
    here <- formals(get(name))
    expect_identical(names(here), unlist(reticulate::iterate(there)))
    for (argument in names(here)[-1]) {
      default <- eval(here[[argument]])
      if (argument == "device") default <- default[[1]]
      expect_equal(unlist(default), unlist(there[[argument]]$default), label = argument)
    }
  }
})

test_that("a fit of two sensors is a plain list that knows both", {
  skip_if_no_python()
  fit <- swav_fit()
  expect_identical(
    class(fit), c("edaphosbridge_pretrain", "edaphosbridge_fit", "edaphos_foundation_swav")
  )
  expect_named(fit, c(
    "encoder", "loss_history", "entropy_history", "final_loss", "config", "method",
    "normalisation", "device", "in_channels", "channels", "feature_dim", "proj_dim", "patch_size",
    "batch_size", "queue_size", "state"
  ))
  expect_identical(fit$channels, c(3L, 2L))
  expect_identical(fit$in_channels, 5L)
  expect_length(fit$entropy_history, 4)
  expect_identical(
    fit$config[c("n_prototypes", "shared_stem", "small_crop_ratio", "small_crops")],
    list(n_prototypes = 32L, shared_stem = FALSE, small_crop_ratio = c(0.3, 0.6), small_crops = 0L)
  )
  encoder <- fit$encoder
  expect_identical(
    encoder[c("architecture", "sensors", "channels", "in_channels", "feature_dim")],
    list(
      architecture = "sensors", sensors = "mean", channels = c(3L, 2L), in_channels = 5L,
      feature_dim = 6L
    )
  )
  expect_output(
    print(encoder),
    "<edaphosbridge_encoder> sensors: 3 + 2 channels -> 6 features -> 4 (projection), mean of both",
    fixed = TRUE
  )
})

test_that("of one sensor its encoder is one as any other", {
  skip_if_no_python()
  fit <- quick_swav(x_b = NULL)
  expect_identical(fit$channels, 3L)
  expect_identical(fit$encoder$architecture, "moco")
  expect_null(fit$config$shared_stem)
  expect_output(print(fit), "in_channels = 3  feature_dim = 6")
})

test_that("the numbers are Python's, to the last bit", {
  skip_if_no_python()
  python <- reticulate::import("edaphos_bridge", convert = TRUE)
  for (x_b in list(soil_b, NULL)) {
    there <- python$foundation_swav_pretrain(
      soil_a, x_b,
      feature_dim = 6L, proj_dim = 4L, batch_size = 8L, epochs = 4L, seed = 1L
    )
    here <- quick_swav(x_b = x_b)
    expect_identical(here$loss_history, as.numeric(there$loss_history))
    expect_identical(here$entropy_history, as.numeric(there$entropy_history))
    file <- withr::local_tempfile()
    there$save(file)
    expect_identical(here$state, readBin(file, "raw", file.size(file)))
  }
})

test_that("it survives saveRDS(), and set.seed() reproduces it", {
  skip_if_no_python()
  file <- withr::local_tempfile()
  saveRDS(swav_fit(), file)
  expect_identical(readRDS(file), swav_fit())
  withr::local_seed(4)
  one <- quick_swav(seed = NULL)
  set.seed(4)
  expect_identical(quick_swav(seed = NULL), one)
  expect_identical(list(x = soil_x, y = soil_y), pristine)
})

test_that("a fit goes into the classifier with both sensors, from a file too", {
  skip_if_no_python()
  both <- array(0, c(48, 5, 5, 5))
  both[, 1:3, , ] <- soil_a
  both[, 4:5, , ] <- soil_b
  probe <- quick_fit(swav_fit(), both)
  expect_identical(probe$feature_dim, 6L)
  file <- withr::local_tempfile()
  saveRDS(probe, file)
  expect_identical(prob(readRDS(file), both), prob(probe, both))
  expect_identical(dim(foundation_embed(swav_fit(), both)), c(48L, 6L))
  expect_named(generics::augment(swav_fit(), both), paste0(".feature_", 1:6))
})

test_that("a run that was stopped goes on from its checkpoint, and update() makes it longer", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  fit <- quick_swav(checkpoint_dir = folder)
  expect_identical(
    update(fit, soil_a, x_b = soil_b, epochs = 6, checkpoint_dir = folder), quick_swav(epochs = 6)
  )
  again <- function(code, ...) expect_refused(code, ..., of = "update.edaphosbridge_pretrain")
  again(update(fit, soil_a), "x_b", "given again")
  again(update(fit, dataset = soil_tiles()), "bands_b", "is needed with `dataset`")
  expect_identical(update(fit, soil_a, x_b = NULL), quick_swav(x_b = NULL))
  alone <- quick_swav(x_b = NULL)
  expect_identical(update(alone, soil_a, epochs = 2), quick_swav(x_b = NULL, epochs = 2))
  moco <- foundation_moco_pretrain(soil_x, epochs = 1, seed = 1)
  expect_error(
    update(moco, soil_x, x_b = soil_b), "only foundation_swav_pretrain",
    class = "edaphosbridge_input_error"
  )
})

test_that("tiles of both sensors feed it, and each carries the normalisation of its bands", {
  skip_if_no_python()
  skip_if_lacking("terra")
  tiles <- soil_tiles()
  fit <- foundation_swav_pretrain_tiles(tiles, "ndvi", 6, 4, batch_size = 8, epochs = 2, seed = 1)
  expect_identical(fit$channels, c(2L, 1L))
  expect_identical(fit$normalisation$bands, c("clay", "slope", "ndvi"))
  expect_identical(foundation_encoder_for(fit, "b")$normalisation$bands, "ndvi")
  expect_identical(foundation_encoder_for(fit, "a")$normalisation$bands, c("clay", "slope"))
  expect_identical(
    update(fit, dataset = tiles, epochs = 3),
    foundation_swav_pretrain_tiles(tiles, "ndvi", 6, 4, batch_size = 8, epochs = 3, seed = 1)
  )
  one <- foundation_swav_pretrain_tiles(tiles, NULL, 6, 4, batch_size = 8, epochs = 2, seed = 1)
  expect_identical(one$channels, 3L)
  expect_identical(update(fit, dataset = tiles, bands_b = NULL), one)
  # the bands of the dataset come in the order of the fit
  expect_identical(dim(foundation_embed(fit, tiles)), c(tiles$n_patches, 6L))
})

test_that("with groups no place is in training and in validation", {
  skip_if_no_python()
  rows <- array(0, c(96, 4, 5, 5))
  rows[1:48, , , ] <- soil_x
  rows[49:96, , , ] <- soil_x + 0.01
  groups <- rep(seq_len(48), 2)
  fit <- quick_fit(soil_encoder(), rows, rep(soil_y, 2), groups = groups, val_split = 0.3)
  expect_identical(fit$config$split$by, "groups")
  expect_identical(as.integer(fit$config$split$n_groups), 48L)
})

test_that("what cannot be used is refused by name", {
  skip_if_no_python()
  swav <- function(code, argument, says, of = "foundation_swav_pretrain") {
    expect_refused(code, argument, says, of = of)
  }
  swav(foundation_swav_pretrain(), "x_a", "is missing")
  swav(foundation_swav_pretrain("a"), "x_a", "found 'a'")
  swav(foundation_swav_pretrain(soil_a, soil_b[1:9, , , ]), "x_b", "a patch for each of the 48")
  swav(foundation_swav_pretrain(soil_a, soil_b[, , 1:4, ]), "x_b", "5 x 5 cells")
  swav(foundation_swav_pretrain(soil_a, replace(soil_b, 3, NA)), "x_b", c("1 of 48", "first: 3"))
  swav(foundation_swav_pretrain(soil_a, soil_b, shared_stem = TRUE), "shared_stem", "3 and 2")
  swav(foundation_swav_pretrain(soil_a, shared_stem = FALSE), "shared_stem", "a second sensor")
  swav(foundation_swav_pretrain(soil_a, n_prototypes = 1), "n_prototypes", "at least 2")
  swav(foundation_swav_pretrain(soil_a, epsilon = NA), "epsilon", "found NA")
  tiles <- function(...) swav(..., of = "foundation_swav_pretrain_tiles")
  tiles(foundation_swav_pretrain_tiles(), "dataset", "is missing")
  tiles(foundation_swav_pretrain_tiles(NULL), "dataset", "must be a tile dataset; found NULL")
  skip_if_lacking("terra")
  tiles(foundation_swav_pretrain_tiles(soil_tiles(), "nir"), "bands_b", c("found c('nir')", "clay"))
})

# --- what is shown -------------------------------------------------------------------------

drawn_swav <- function() {
  structure(
    list(
      method = "swav", in_channels = 5L, channels = 3:2, feature_dim = 6L, proj_dim = 4L,
      patch_size = c(5L, 5L), device = "cpu",
      config = list(batch_size = 8L, lr = 0.001, seed = 1L, n_prototypes = 32L),
      normalisation = NULL, loss_history = c(4, 3.5, 3), final_loss = 3,
      entropy_history = log(c(8, 9, 12))
    ),
    class = c("edaphosbridge_pretrain", "edaphosbridge_fit", "edaphos_foundation_swav")
  )
}

test_that("plot() draws the loss and the prototypes in use side by side", {
  fit <- drawn_swav()
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  expect_identical(withVisible(plot(fit)), list(value = fit, visible = FALSE))
  expect_identical(graphics::par("mfrow"), c(1L, 1L))
  graphics::par(mfrow = c(1L, 2L)) # panels of the user's: both plots go into those
  plot(fit)
  expect_equal(graphics::par("usr")[3:4], c(7.84, 12.16))
})

test_that("autoplot() has a panel for each", {
  skip_if_lacking("ggplot2")
  plot <- ggplot2::autoplot(drawn_swav())
  expect_identical(levels(plot$data$panel), c("swapped-assignment loss", "prototypes in use"))
  expect_equal(plot$data$value, c(4, 3.5, 3, 8, 9, 12))
})

test_that("summary() and tidy() have the entropy of each epoch", {
  expect_identical(names(history_of(drawn_swav())), c("epoch", "loss", "entropy"))
  lines <- format(summary(drawn_swav()))
  expect_identical(lines[[1]], "Pretraining without labels: SwAV")
  expect_identical(lines[[2]], "  encoder:   3 + 2 channels -> 6 features -> 4 (projection)")
  expect_identical(lines[[length(lines)]], "  in use:    12 of 32 prototypes at the end")
})

# --- any encoder, and a probe --------------------------------------------------------------

test_that("another encoder serves both sensors, from its name, a module of ours or a fit", {
  skip_if_no_python()
  named <- suppressWarnings(quick_swav(encoder = "simclr"))
  expect_identical(named$config$encoder, "simclr")
  expect_identical(foundation_encoder_for(named, "b")$architecture, "simclr")
  fit <- suppressWarnings(foundation_swav_pretrain(
    soil_a, soil_b, encoder = foundation_encoder("xresnet18", 3, width = 2, stem = "small", seed = 1),
    batch_size = 8, epochs = 2, seed = 1
  ))
  expect_identical(fit$config$encoder, "given")
  expect_identical(fit$feature_dim, 16L)
  expect_identical(foundation_encoder_for(fit, "a")$architecture, "xresnet18")
  again <- suppressWarnings(foundation_swav_pretrain(
    soil_a, soil_b, encoder = fit, batch_size = 8, epochs = 2, seed = 1
  ))
  expect_identical(suppressWarnings(update(fit, soil_a, x_b = soil_b)), again)
  other <- foundation_encoder("moco", 4, seed = 1)
  expect_refused(quick_swav(encoder = other), "x_a", "4 channels", of = "foundation_swav_pretrain")
})

test_that("a probe sees the mean of both sensors and changes nothing", {
  skip_if_no_python()
  both <- soil_x[, c(1:3, 3:4), , ]
  fit <- quick_swav(probe = linear_probe(both, soil_y, every = 2L))
  expect_identical(fit$encoder, swav_fit()$encoder)
  expect_identical(fit$probe_history$epoch, c(2L, 4L))
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  graphics::par(mfrow = c(1, 3))
  plot(fit)
  expect_identical(graphics::par("mfg"), c(1L, 3L, 1L, 3L))
  plot(fit, which = "entropy")
  expect_match(format(summary(fit))[[6]], "^  in use: ")
  expect_match(format(summary(fit))[[7]], "^  probe: ")
})
