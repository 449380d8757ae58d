# A run of a moment on the small patches, of which each class is bright in a channel of its own.
quick <- function(..., probe = NULL, epochs = 6, seed = 1) {
  foundation_moco_pretrain(
    soil_x, 6, 4, batch_size = 8, epochs = epochs, seed = seed, ..., probe = probe
  )
}

# Cells of the class of their patch, where a channel is bright enough.
cells <- array(as.integer(soil_y), c(48, 5, 5))
cells[soil_x[, 1, , ] > 8] <- NA

kinds <- list(
  linear = function(...) linear_probe(soil_x, soil_y, ...),
  knn = function(...) knn_probe(soil_x, soil_y, k = 5L, ...),
  segmentation = function(...) {
    segmentation_probe(soil_x, cells, decoder = "linear", epochs = 2L, ...)
  }
)

test_that("the arguments are those of Python, in that order", {
  skip_if_no_python()
  python <- reticulate::import("edaphos_bridge", convert = FALSE)
  inspect <- reticulate::import("inspect", convert = FALSE)
  classes <- c(linear = "LinearProbe", knn = "KNNProbe", segmentation = "SegmentationProbe")
  for (name in names(classes)) {
    there <- inspect$signature(python[[classes[[name]]]])
    here <- formals(get(paste0(name, "_probe")))
    expect_identical(names(here), reticulate::py_to_r(
      reticulate::import_builtins(convert = FALSE)$list(there$parameters)
    ))
  }
})

test_that("a run is the same with and without a probe", {
  skip_if_no_python()
  alone <- quick()
  for (kind in kinds) {
    watched <- quick(probe = kind(every = 2L))
    expect_identical(watched$encoder, alone$encoder)
    expect_identical(watched$loss_history, alone$loss_history)
    expect_identical(watched$probe_history$epoch, c(2L, 4L, 6L))
    expect_true(all(watched$probe_history$score >= 0 & watched$probe_history$score <= 1))
  }
  expect_null(alone$probe_history)
  expect_identical(list(x = soil_x, y = soil_y), pristine)
})

test_that("the scores are Python's, to the last bit", {
  skip_if_no_python()
  python <- reticulate::import("edaphos_bridge", convert = TRUE)
  there <- python$foundation_moco_pretrain(
    soil_x, feature_dim = 6L, proj_dim = 4L, batch_size = 8L, epochs = 6L, seed = 1L,
    probe = python$LinearProbe(
      soil_x, as.character(soil_y), every = 2L, C = 0.5, groups = rep(1:12, each = 4L)
    )
  )
  here <- quick(probe = linear_probe(
    soil_x, factor(as.character(soil_y)), every = 2L, C = 0.5, groups = rep(letters[1:12], each = 4L)
  ))
  expect_identical(here$probe_history$score, as.numeric(unlist(there$probe_history$score)))
  expect_identical(here$config$probe$split$n_groups, 12L)
})

test_that("masks are those of a segmenter, with levels, NA and an unlabelled value", {
  skip_if_no_python()
  of <- function(masks, ...) {
    quick(probe = segmentation_probe(
      soil_x, masks, decoder = "unet", epochs = 2L, lr = 0.01, every = 3L, ...
    ))$probe_history$score
  }
  scores <- of(cells)
  expect_true(all(scores > 0 & scores <= 1))
  text <- array(soil_classes[cells], dim(cells))
  expect_identical(of(structure(cells, levels = soil_classes)), scores)
  expect_identical(of(text, classes = soil_classes), scores)
  expect_identical(of(replace(text, is.na(text), "?"), classes = soil_classes, unlabelled = "?"), scores)
  fit <- quick(probe = kinds$segmentation(every = 6L))
  expect_identical(fit$config$probe[c("name", "score", "decoder", "epochs")], list(
    name = "segmentation", score = "IoU", decoder = "linear", epochs = 2L
  ))
  expect_match(format(fit)[[5]], "best segmentation probe IoU = ")
})

test_that("a fit says what looked and what it found, and so does one from a file", {
  skip_if_no_python()
  fit <- quick(probe = linear_probe(soil_x, soil_y, every = 3, C = 2, seed = 5))
  expect_identical(
    fit$config$probe[c("name", "score", "every", "C", "seed", "n_train", "n_validation")],
    list(
      name = "linear", score = "accuracy", every = 3L, C = 2, seed = 5L, n_train = 39L,
      n_validation = 9L
    )
  )
  expect_null(fit$config$probe$patience)
  expect_match(format(fit)[[5]], "^  best linear probe accuracy = [01][.]\\d{3} \\(epoch [36]\\), at the end")
  expect_match(format(summary(fit))[[6]], "^  probe:     linear probe accuracy [01][.]\\d{3} \\(epoch [36]\\), at the end")
  file <- withr::local_tempfile()
  saveRDS(fit, file)
  expect_identical(readRDS(file), fit)
})

test_that("tidy() has the scores beside the losses", {
  skip_if_no_python()
  skip_if_lacking("generics")
  fit <- quick(probe = kinds$linear(every = 3L))
  score <- fit$probe_history$score
  expect_identical(
    generics::tidy(fit),
    data.frame(epoch = 1:6, loss = fit$loss_history, probe = c(NA, NA, score[[1]], NA, NA, score[[2]]))
  )
})

test_that("patience ends a run and keeps the best encoder", {
  skip_if_no_python()
  fit <- quick(epochs = 50, probe = kinds$linear(patience = 2L))
  scores <- fit$probe_history$score
  best <- which.max(scores)
  expect_length(fit$loss_history, best + 2L)
  expect_identical(fit$config$epochs, best + 2L)
  expect_identical(fit$encoder, quick(epochs = best)$encoder)
  expect_match(format(fit)[[5]], "kept$")
  expect_match(format(summary(fit))[[6]], "kept$")
})

test_that("a run goes on with its probe, and is refused with another one", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  quick(epochs = 3, probe = kinds$linear(every = 2L), checkpoint_dir = folder)
  longer <- quick(probe = kinds$linear(every = 2L), checkpoint_dir = folder)
  expect_identical(longer, quick(probe = kinds$linear(every = 2L)))
  for (other in list(kinds$linear(every = 3L), kinds$knn(every = 2L), NULL)) {
    expect_refused(
      quick(probe = other, checkpoint_dir = folder), "checkpoint_dir", "of another run (probe = ",
      of = "foundation_moco_pretrain"
    )
  }
})

test_that("every pretraining function takes one, and a probe serves after saveRDS()", {
  skip_if_no_python()
  file <- withr::local_tempfile()
  saveRDS(kinds$knn(every = 2L), file)
  probe <- readRDS(file)
  fit <- foundation_simclr_pretrain(soil_x, 6, 4, epochs = 2, seed = 1, probe = probe)
  expect_identical(fit$probe_history$epoch, 2L)
  tiles <- soil_tiles()
  of_tiles <- linear_probe(tiles, rep(1:2, 20), groups = rep(1:10, each = 4))
  fit <- do.call(foundation_moco_pretrain_tiles, c(list(tiles), small_moco, list(probe = of_tiles)))
  expect_identical(fit$probe_history$epoch, 1:3)
  expect_identical(fit$encoder, tile_fit()$encoder)
})

test_that("a probe of Python's that R holds is one too", {
  skip_if_no_python()
  python <- reticulate::import("edaphos_bridge", convert = FALSE)
  held <- python$LinearProbe(soil_x, as.character(soil_y), every = 2L)
  here <- linear_probe(soil_x, factor(as.character(soil_y)), every = 2L)
  expect_identical(quick(probe = held), quick(probe = here))
  expect_refused(
    quick(probe = python$LinearProbe), "probe", "must be a probe", of = "foundation_moco_pretrain"
  )
})

test_that("what a probe warns of is told once, when it is made", {
  skip_if_no_python()
  warned <- function(code) testthat::capture_warnings(code)
  told <- warned(probe <- linear_probe(soil_x, soil_y, validation = which(soil_y == soil_classes[[1]])))
  expect_length(told, 1L)
  expect_match(told, "no training row of")
  expect_identical(warned(quick(probe = probe)), character())
})

test_that("update() takes the probe again, as all data", {
  skip_if_no_python()
  probe <- kinds$linear(every = 2L)
  fit <- quick(probe = probe)
  expect_identical(update(fit, soil_x, probe = probe), fit)
  expect_identical(update(fit, soil_x, probe = NULL), quick())
  expect_refused(update(fit, soil_x), "probe", "is data of this fit", of = "update.edaphosbridge_pretrain")
})

test_that("a probe prints what it is", {
  skip_if_no_python()
  shown <- capture.output(print(kinds$knn(every = 4, patience = 3)))
  expect_identical(shown[[1]], "<edaphosbridge probe>")
  expect_true(all(c("  name:         knn", "  every:        4", "  patience:     3", "  k:            5") %in% shown))
})

test_that("R's own generator is left alone", {
  skip_if_no_python()
  withr::local_seed(1)
  before <- random_state()
  quick(probe = kinds$linear(every = 3L))
  expect_identical(random_state(), before)
  withr::local_seed(4)
  alone <- quick(seed = NULL)
  withr::local_seed(4)
  expect_identical(quick(seed = NULL, probe = kinds$linear(every = 3L))$encoder, alone$encoder)
})

test_that("what cannot be used is refused by name, before a run", {
  skip_if_no_python()
  linear <- function(code, argument, says) expect_refused(code, argument, says, of = "linear_probe")
  linear(linear_probe(), "x", "is missing")
  linear(linear_probe(soil_x), "y", "is missing")
  linear(linear_probe(soil_x[, , , 1], soil_y), "x", "four dimensions")
  linear(linear_probe(replace(soil_x, 3, NA), soil_y), "x", "1 of 48 patches (first: 3; counted from 1)")
  linear(linear_probe(soil_x, soil_y[1:5]), "y", "one label for each of the 48 patches; found 5")
  linear(linear_probe(soil_x, replace(soil_y, 2, NA)), "y", "NA in 1 of 48")
  linear(linear_probe(soil_x, rep("a", 48)), "y", "at least two classes")
  for (every in list(0, -1, 1.5, NA, "2", NULL, 1:2)) {
    linear(linear_probe(soil_x, soil_y, every = every), "every", "positive whole number")
  }
  linear(linear_probe(soil_x, soil_y, patience = 0), "patience", "found 0")
  linear(linear_probe(soil_x, soil_y, C = -1), "C", "found -1")
  linear(linear_probe(soil_x, soil_y, val_split = 0), "val_split", "found 0")
  linear(linear_probe(soil_x, soil_y, groups = rep(1, 48)), "groups", "one group only")
  linear(linear_probe(soil_x, soil_y, validation = 49), "validation", "first: 49; counted from 1")
  linear(linear_probe(soil_x, soil_y, folds = list(1:4, 5:8), fold = 3), "fold", "folds 1, 2; found 3")
  expect_refused(
    knn_probe(soil_x, soil_y, k = 40), "k", "at most 39, the neighbours that there are; found 40",
    of = "knn_probe"
  )
})

test_that("what cannot be used in masks is refused by name, before a run", {
  skip_if_no_python()
  refused <- function(code, argument, says) expect_refused(code, argument, says, of = "segmentation_probe")
  refused(segmentation_probe(masks = cells), "x", "is missing")
  refused(segmentation_probe(soil_x), "masks", "are needed")
  refused(segmentation_probe(soil_x, cells[, 1:4, ]), "masks", "5 x 5 cells for each of the 48 patches")
  refused(segmentation_probe(soil_x, soil_y), "masks", "must be an array")
  refused(segmentation_probe(soil_x, cells * NA), "masks", "label no cell")
  refused(segmentation_probe(soil_x, cells, decoder = "resnet"), "decoder", "found 'resnet'")
  refused(segmentation_probe(soil_x, cells, every = 0), "every", "found 0")
  expect_refused(
    quick(probe = segmentation_probe(soil_x, cells)), "probe", "its `decoder` doubles maps of 3 x 3 cells",
    of = "foundation_moco_pretrain"
  )
})

test_that("a probe that does not go with a run is refused before its first step", {
  skip_if_no_python()
  moco <- function(probe, says) {
    expect_refused(quick(probe = probe), "probe", says, of = "foundation_moco_pretrain")
  }
  for (probe in list("linear", 5, list(every = 5), linear_probe)) moco(probe, "must be a probe; found")
  moco(linear_probe(soil_x[, 1:3, , ], soil_y), "its `x` must have 4 channels for this encoder; found 3")
  moco(kinds$linear(every = 7), "its `every` must be at most `epochs`, 6; found 7")
})

test_that("verbose lines have the last score", {
  skip_if_no_python()
  lines <- character()
  withCallingHandlers(
    fit <- quick(epochs = 10, verbose = TRUE, probe = kinds$linear(every = 4L)),
    message = function(condition) {
      lines <<- c(lines, conditionMessage(condition))
      invokeRestart("muffleMessage")
    }
  )
  expect_length(lines, 2L)
  expect_no_match(lines[[1]], "probe")
  expect_match(lines[[2]], sprintf("  probe=%.3f\n$", fit$probe_history$score[[2]]))
})

# --- plots ---------------------------------------------------------------------------------

watched <- function(loss = c(3, 2.5, 2, 1), epoch = c(2L, 4L), score = c(0.75, 0.5)) {
  structure(
    list(
      method = "moco", loss_history = loss, probe_history = data.frame(epoch = epoch, score = score),
      config = list(probe = list(name = "linear", score = "accuracy"))
    ),
    class = c("edaphosbridge_pretrain", "edaphos_foundation_moco")
  )
}

test_that("plot() draws the scores beside the loss", {
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  fit <- watched()
  expect_identical(withVisible(plot(fit)), list(value = fit, visible = FALSE))
  expect_identical(graphics::par("mfrow"), c(1L, 1L))
  plot(fit, which = "probe")
  expect_equal(graphics::par("usr"), c(1.92, 4.08, 0.49, 0.76))
  plot(fit, which = "loss")
  expect_equal(graphics::par("usr"), c(0.88, 4.12, 0.92, 3.08))
  for (which in list("score", character(), NULL, 1, c("loss", "b"))) {
    expect_refused(
      plot(fit, which = which), "which", "must be \"loss\", \"probe\" or both",
      of = "plot.edaphosbridge_pretrain"
    )
  }
  fit$probe_history <- NULL
  expect_refused(
    plot(fit, which = "probe"), "which", "\"loss\": it had no probe", of = "plot.edaphosbridge_pretrain"
  )
})

test_that("autoplot() draws the scores in a panel of their own", {
  skip_if_lacking("ggplot2")
  plot <- ggplot2::autoplot(watched())
  built <- ggplot2::ggplot_build(plot)
  expect_equal(built$data[[1]]$y, c(3, 2.5, 2, 1, 0.75, 0.5))
  expect_equal(built$data[[2]]$x, c(2, 4))
  expect_equal(unique(built$data[[3]]$xintercept), 2)
  expect_identical(levels(plot$data$panel), c("InfoNCE loss", "linear probe accuracy"))
})
