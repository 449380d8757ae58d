# A run of a moment on the small patches.
quick_rotation <- function(patches = soil_x, ..., batch_size = 8, epochs = 4, seed = 1) {
  foundation_rotation_pretrain(
    patches,
    feature_dim = 6, batch_size = batch_size, epochs = epochs, seed = seed, ...
  )
}

# One that needs no Python to be shown.
shown_rotation <- function(accuracies = c(0.25, 0.5, 0.625)) {
  fit <- list(
    method = "rotation", in_channels = 4L, feature_dim = 256L, patch_size = c(9L, 9L),
    device = "cpu", config = list(batch_size = 16L, lr = 0.001, seed = 1L),
    loss_history = c(1.5, 1.25, 1), final_loss = 1
  )
  fit$val_accuracy_history <- accuracies
  fit["normalisation"] <- list(NULL)
  structure(
    fit,
    class = c("edaphosbridge_pretrain", "edaphosbridge_fit", "edaphos_foundation_rotation")
  )
}

# --- the call ------------------------------------------------------------------------------

test_that("the arguments and their defaults are Python's", {
  expect_identical(
    formals(foundation_rotation_pretrain),
    formals(function(patches, mode = c("all", "fixed"), feature_dim = 256L, batch_size = 64L,
                     epochs = 10L, lr = 0.001, val_split = 0.2, seed = NULL, verbose = FALSE,
                     device = c("cpu", "mps", "cuda"), checkpoint_dir = NULL,
                     checkpoint_every = NULL, steps_per_epoch = NULL, encoder = NULL,
                     probe = NULL) NULL)
  )
  tiles <- formals(foundation_rotation_pretrain_tiles)
  both <- setdiff(names(tiles), c("dataset", "resume"))
  expect_identical(tiles[both], formals(foundation_rotation_pretrain)[-1])
  expect_identical(tiles["resume"], alist(resume = NULL))
})

# --- the result ----------------------------------------------------------------------------

test_that("a fit has the accuracy of held-out patches, and no projection", {
  skip_if_no_python()
  fit <- quick_rotation()
  expect_identical(
    class(fit), c("edaphosbridge_pretrain", "edaphosbridge_fit", "edaphos_foundation_rotation")
  )
  expect_named(fit, c(
    "encoder", "loss_history", "val_accuracy_history", "final_loss", "config", "method",
    "normalisation", "device", "in_channels", "feature_dim", "patch_size", "batch_size", "state"
  ))
  expect_length(fit$val_accuracy_history, 4)
  expect_true(all(fit$val_accuracy_history >= 0 & fit$val_accuracy_history <= 1))
  # 48 patches, of which 9 are held out and 39 train
  expect_identical(
    fit$config[c("mode", "val_split", "steps_per_epoch", "batch_size", "epochs")],
    list(mode = "all", val_split = 0.2, steps_per_epoch = 5L, batch_size = 8L, epochs = 4L)
  )
  expect_identical(fit$encoder$patch_size, 5L)
  expect_null(quick_rotation(val_split = 0)$val_accuracy_history)
})

test_that("another encoder is trained, from patches and from tiles", {
  skip_if_no_python()
  encoder <- foundation_encoder("xresnet18", 4, seed = 1, width = 2, stem = "small")
  fit <- foundation_rotation_pretrain(
    soil_x, batch_size = 8, epochs = 2, seed = 1, encoder = encoder
  )
  expect_identical(fit$encoder$architecture, "xresnet18")
  expect_identical(c(fit$feature_dim, fit$config$feature_dim), c(16L, 16L))
  expect_false(identical(fit$encoder$state, encoder$state))
  expect_length(fit$val_accuracy_history, 2)
  tiles <- foundation_rotation_pretrain_tiles(
    soil_tiles(), feature_dim = 6, batch_size = 8, epochs = 2, seed = 1, encoder = "simclr"
  )
  expect_identical(tiles$encoder$architecture, "simclr")
  expect_identical(tiles$encoder$normalisation, tile_fit()$normalisation)
  expect_error(
    quick_rotation(encoder = encoder), "must be 16, the width",
    class = "edaphosbridge_input_error"
  )
})

test_that("the numbers are Python's, to the last bit, in both modes", {
  skip_if_no_python()
  python <- reticulate::import("edaphos_bridge", convert = TRUE)
  for (mode in c("all", "fixed")) {
    there <- python$foundation_rotation_pretrain(
      soil_x,
      feature_dim = 6L, batch_size = 8L, epochs = 4L, seed = 1L, mode = mode
    )
    here <- quick_rotation(mode = mode)
    expect_identical(here$loss_history, as.numeric(there$loss_history))
    expect_identical(here$val_accuracy_history, as.numeric(there$val_accuracy_history))
    file <- withr::local_tempfile()
    there$save(file)
    expect_identical(here$state, readBin(file, "raw", file.size(file)))
  }
})

test_that("a fit serves probes, embeddings and files, and so does its encoder", {
  skip_if_no_python()
  fit <- quick_rotation()
  file <- withr::local_tempfile()
  saveRDS(fit, file)
  expect_identical(readRDS(file), fit)
  probe <- quick_fit(readRDS(file))
  expect_identical(probe$encoder, fit$encoder)
  features <- foundation_embed(fit, soil_x)
  expect_identical(dim(features), c(48L, 6L))
  skip_if_lacking("generics")
  expect_identical(unname(as.matrix(generics::augment(fit, soil_x))), features)
})

test_that("on tiles it is the same training, and update() makes both calls again", {
  skip_if_no_python()
  small <- list(feature_dim = 6, batch_size = 8, epochs = 2, seed = 1)
  fit <- do.call(foundation_rotation_pretrain_tiles, c(list(soil_tiles()), small))
  expect_identical(fit$normalisation$bands, c("clay", "ndvi", "slope"))
  expect_identical(update(fit, dataset = soil_tiles()), fit)
  expect_identical(do.call(foundation_rotation_pretrain, c(list(soil_tiles()), small)), fit)
  patches <- quick_rotation()
  expect_identical(update(patches, soil_x), patches)
  expect_identical(update(patches, soil_x, mode = "fixed"), quick_rotation(mode = "fixed"))
})

test_that("a run that was left goes on from its checkpoint and ends as if it had not been", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  long <- function(...) quick_rotation(epochs = 12, steps_per_epoch = 2, ...)
  left <- tryCatch(
    withCallingHandlers(
      long(checkpoint_dir = folder, checkpoint_every = 3, verbose = TRUE),
      message = function(condition) {
        if (grepl("ep  10/", conditionMessage(condition))) stop("left")
        invokeRestart("muffleMessage")
      }
    ),
    error = conditionMessage
  )
  expect_identical(left, "left")
  expect_identical(long(checkpoint_dir = folder, checkpoint_every = 3), long())
})

test_that("the same seed gives the same fit, set.seed() too, and data are left alone", {
  skip_if_no_python()
  withr::local_seed(4)
  before <- random_state()
  expect_identical(quick_rotation(), quick_rotation())
  expect_identical(random_state(), before)
  one <- quick_rotation(seed = NULL)
  set.seed(4)
  expect_identical(quick_rotation(seed = NULL), one)
  expect_identical(list(x = soil_x, y = soil_y), pristine)
})

test_that("what cannot be used is refused by name", {
  skip_if_no_python()
  refused <- function(code, argument, says) {
    expect_refused(code, argument, says, of = "foundation_rotation_pretrain")
  }
  refused(foundation_rotation_pretrain(), "patches", "is missing")
  refused(
    foundation_rotation_pretrain(soil_x[, , 1:4, ]), "patches",
    c("must be square: a quarter turn", "4 x 5 cells")
  )
  refused(foundation_rotation_pretrain(soil_x[, , 1:3, 1:3]), "patches", "at least 4 cells")
  refused(foundation_rotation_pretrain(soil_x, mode = "both"), "mode", "found 'both'")
  refused(foundation_rotation_pretrain(soil_x, val_split = 1), "val_split", "found 1")
  refused(foundation_rotation_pretrain(soil_x, val_split = NA), "val_split", "found NA")
  refused(foundation_rotation_pretrain(soil_x, steps_per_epoch = 0), "steps_per_epoch", "found 0")
  expect_refused(
    foundation_rotation_pretrain_tiles(), "dataset", "is missing",
    of = "foundation_rotation_pretrain_tiles"
  )
  expect_refused(
    foundation_rotation_pretrain_tiles(soil_x), "dataset", "must be a tile dataset",
    of = "foundation_rotation_pretrain_tiles"
  )
})

# --- what is shown -------------------------------------------------------------------------

test_that("print() shows mode and accuracy, and verbose = TRUE the accuracy of an epoch", {
  skip_if_no_python()
  lines <- character()
  withCallingHandlers(
    fit <- quick_rotation(verbose = TRUE),
    message = function(condition) {
      lines <<- c(lines, conditionMessage(condition))
      invokeRestart("muffleMessage")
    }
  )
  expect_identical(lines, sprintf(
    "[rotation] ep %3d/4  loss=%.4f  val_acc=%.3f\n", c(1, 4), fit$loss_history[c(1, 4)],
    fit$val_accuracy_history[c(1, 4)]
  ))
  expect_identical(format(fit), c(
    "<edaphos_foundation_rotation>",
    "  in_channels = 4  feature_dim = 6",
    "  mode = all  batch = 8",
    sprintf(
      "  epochs = 4  final cross-entropy = %.4g  val_acc = %.3f", fit$final_loss,
      fit$val_accuracy_history[[4]]
    )
  ))
})

test_that("a probe watches, changes nothing, and with patience ends the run", {
  skip_if_no_python()
  alone <- quick_rotation()
  fit <- quick_rotation(probe = linear_probe(soil_x, soil_y, every = 2L))
  expect_identical(fit[c("encoder", "loss_history", "val_accuracy_history")], alone[c(
    "encoder", "loss_history", "val_accuracy_history"
  )])
  expect_identical(fit$probe_history$epoch, c(2L, 4L))
  over <- quick_rotation(epochs = 50, probe = linear_probe(soil_x, soil_y, patience = 1L))
  best <- which.max(over$probe_history$score)
  expect_identical(over$encoder, quick_rotation(epochs = best)$encoder)
  expect_length(over$val_accuracy_history, best + 1L)
  expect_identical(over$config$epochs, best + 1L)
})

test_that("summary() has the accuracy of each epoch and of the last", {
  summary <- summary(shown_rotation())
  expect_named(summary, c(
    "method", "in_channels", "feature_dim", "patch_size", "device", "config", "normalisation",
    "architecture", "history", "final_loss", "final_val_accuracy"
  ))
  expect_identical(summary$history, data.frame(
    epoch = 1:3, loss = c(1.5, 1.25, 1), val_accuracy = c(0.25, 0.5, 0.625)
  ))
  expect_identical(format(summary), c(
    "Pretraining without labels: quarter turns",
    "  encoder:   4 channels -> 256 features",
    "  patches:   4 x 9 x 9 (C x H x W), as given",
    "  training:  3 epochs, batches of 16, lr 0.001, seed 1, on cpu",
    "  loss:      1.5000 at first, 1.0000 at the end",
    "  val_acc:   0.625 at the end, where chance is 0.25"
  ))
  expect_length(format(summary(shown_rotation(NULL))), 5)
})

test_that("plot() draws loss and accuracy side by side, and the loss alone without held-out ones", {
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  fit <- shown_rotation()
  expect_identical(withVisible(plot(fit, ylim = c(0, 2))), list(value = fit, visible = FALSE))
  expect_identical(graphics::par("mfrow"), c(1L, 1L))
  graphics::par(mfrow = c(2, 1))
  plot(fit)
  expect_identical(graphics::par("mfg"), c(2L, 1L, 2L, 1L))
  expect_equal(graphics::par("usr"), c(0.92, 3.08, 0.235, 0.64))
  graphics::par(mfrow = c(1, 1))
  plot(shown_rotation(NULL), ylab = "loss")
  expect_equal(graphics::par("usr"), c(0.92, 3.08, 0.98, 1.52))
})

test_that("autoplot() has a panel for the accuracy", {
  skip_if_lacking("ggplot2")
  drawn <- ggplot2::ggplot_build(ggplot2::autoplot(shown_rotation()))
  expect_equal(drawn$data[[1]]$y, c(1.5, 1.25, 1, 0.25, 0.5, 0.625))
  expect_identical(
    levels(drawn$plot$data$panel), c("cross-entropy", "validation accuracy")
  )
  alone <- ggplot2::autoplot(shown_rotation(NULL))
  expect_equal(ggplot2::layer_data(alone)$y, c(1.5, 1.25, 1))
})

test_that("plot() and autoplot() have the scores of a probe beside the accuracy", {
  fit <- shown_rotation()
  fit$config$probe <- list(name = "linear", score = "accuracy", every = 2L)
  fit$probe_history <- data.frame(epoch = 2L, score = 0.75)
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  graphics::par(mfrow = c(1, 3))
  plot(fit)
  expect_identical(graphics::par("mfg"), c(1L, 3L, 1L, 3L))
  graphics::par(mfrow = c(1, 1))
  plot(fit, which = "val_accuracy")
  expect_equal(graphics::par("usr"), c(0.92, 3.08, 0.235, 0.64))
  expect_refused(
    plot(fit, which = "score"), "which",
    "must be \"loss\", \"val_accuracy\", \"probe\" or several of them",
    of = "plot.edaphosbridge_pretrain"
  )
  expect_identical(summary(fit)$history$probe, c(NA, 0.75, NA))
  expect_match(format(summary(fit))[[7]], "^  probe:     linear probe accuracy 0.750 [(]epoch 2[)]")
  skip_if_lacking("ggplot2")
  drawn <- ggplot2::ggplot_build(ggplot2::autoplot(fit))
  expect_equal(drawn$data[[1]]$y, c(1.5, 1.25, 1, 0.25, 0.5, 0.625, 0.75))
  expect_equal(drawn$data[[2]]$y, 0.75)
})

test_that("tidy() and glance() have the accuracy", {
  skip_if_lacking("generics")
  expect_identical(generics::tidy(shown_rotation()), summary(shown_rotation())$history)
  expect_identical(generics::glance(shown_rotation()), data.frame(
    method = "rotation", in_channels = 4L, feature_dim = 256L, batch_size = 16L, epochs = 3L,
    final_loss = 1, final_val_accuracy = 0.625, device = "cpu"
  ))
  expect_false("final_val_accuracy" %in% names(generics::glance(shown_rotation(NULL))))
})
