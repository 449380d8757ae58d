# A run of a moment on the small patches.
quick_moco <- function(patches = soil_x, ..., batch_size = 8, epochs = 4, seed = 1) {
  foundation_moco_pretrain(
    patches, 6, 4, batch_size = batch_size, epochs = epochs, seed = seed, ...
  )
}

quick_simclr <- function(patches = soil_x, ..., epochs = 4, seed = 1) {
  foundation_simclr_pretrain(patches, 6, 4, epochs = epochs, seed = seed, ...)
}

runs <- list(moco = quick_moco, simclr = quick_simclr)

# --- the call ------------------------------------------------------------------------------

test_that("the arguments and their defaults are those of the original, then ours", {
  expect_identical(
    formals(foundation_moco_pretrain),
    formals(function(patches, feature_dim = 64L, proj_dim = 32L, queue_size = 1024L,
                     momentum = 0.999, temperature = 0.07, batch_size = 16L, epochs = 30L,
                     lr = 0.03, crop_ratio = c(0.6, 1), flip_prob = 0.5, rot90_prob = 0.75,
                     channel_drop_prob = 0.2, cutout_prob = 0.3, cutout_size_ratio = 0.2,
                     brightness_jitter = 0.2, noise_sd = 0.1, seed = NULL, verbose = FALSE,
                     device = c("cpu", "mps", "cuda"), checkpoint_dir = NULL,
                     checkpoint_every = NULL, steps_per_epoch = 1L,
                     momentum_schedule = NULL, encoder = NULL, probe = NULL) NULL)
  )
  expect_identical(
    formals(foundation_simclr_pretrain),
    formals(function(patches, feature_dim = 32L, proj_dim = 16L, batch_size = 8L, epochs = 30L,
                     lr = 0.005, temperature = 0.2, noise_sd = 0.1, seed = NULL,
                     verbose = FALSE, device = c("cpu", "mps", "cuda"), checkpoint_dir = NULL,
                     checkpoint_every = NULL, steps_per_epoch = 1L, encoder = NULL, probe = NULL) NULL)
  )
})

# --- the result ----------------------------------------------------------------------------

test_that("a fit is a plain list with both classes", {
  skip_if_no_python()
  for (method in names(runs)) {
    fit <- runs[[method]]()
    expect_identical(
      class(fit), c("edaphosbridge_pretrain", "edaphosbridge_fit", paste0("edaphos_foundation_", method))
    )
    expect_named(fit, c(
      "encoder", "loss_history", "final_loss", "config", "method", "normalisation", "device",
      "in_channels", "feature_dim", "proj_dim", "patch_size", "batch_size",
      if (method == "moco") "queue_size", "state"
    ))
    expect_identical(fit$batch_size, 8L)
    expect_identical(fit$queue_size, if (method == "moco") 40L)
    expect_s3_class(fit$encoder, "edaphosbridge_encoder")
    expect_identical(fit$encoder$architecture, method)
    expect_type(fit$loss_history, "double")
    expect_length(fit$loss_history, 4)
    expect_identical(fit$final_loss, fit$loss_history[4])
    expect_identical(fit$method, method)
    expect_null(fit$normalisation)
    expect_identical(fit[c("in_channels", "feature_dim", "proj_dim", "patch_size")], list(
      in_channels = 4L, feature_dim = 6L, proj_dim = 4L, patch_size = c(5L, 5L)
    ))
    expect_type(fit$state, "raw")
  }
})

test_that("config has the settings, with the seed and the queue size used", {
  skip_if_no_python()
  config <- quick_moco(crop_ratio = c(0.5, 0.9), lr = 0.01)$config
  expect_identical(
    config[c("batch_size", "epochs", "steps_per_epoch", "queue_size", "seed")],
    list(batch_size = 8L, epochs = 4L, steps_per_epoch = 1L, queue_size = 40L, seed = 1L)
  )
  expect_identical(config[c("lr", "crop_ratio")], list(lr = 0.01, crop_ratio = c(0.5, 0.9)))
  expect_null(config$momentum_schedule)
  expect_identical(quick_moco(momentum_schedule = "cosine")$config$momentum_schedule, "cosine")
})

test_that("the numbers are Python's, to the last bit", {
  skip_if_no_python()
  python <- reticulate::import("edaphos_bridge", convert = TRUE)
  for (method in names(runs)) {
    pretrain <- python[[paste0("foundation_", method, "_pretrain")]]
    there <- pretrain(
      soil_x, feature_dim = 6L, proj_dim = 4L, batch_size = 8L, epochs = 4L, seed = 1L
    )
    here <- runs[[method]]()
    expect_identical(here$loss_history, as.numeric(there$loss_history))
    # through a file, because bytes do not become raw
    file <- withr::local_tempfile()
    there$save(file)
    expect_identical(here$state, readBin(file, "raw", file.size(file)))
  }
})

test_that("a fit goes straight into the classifier, and so does one from a file", {
  skip_if_no_python()
  for (run in runs) {
    fit <- run()
    probe <- quick_fit(fit)
    expect_identical(probe$feature_dim, 6L)
    expect_identical(probe$encoder, fit$encoder)
    file <- withr::local_tempfile()
    saveRDS(fit, file)
    expect_identical(readRDS(file), fit)
    expect_identical(quick_fit(readRDS(file)), probe)
  }
})

# --- another encoder -----------------------------------------------------------------------

small_xresnet <- function() foundation_encoder("xresnet18", 4, seed = 1, width = 2, stem = "small")

# With the widths that the functions have by default.
run_on <- function(method, encoder, ..., x = soil_x) {
  pretrain <- get(paste0("foundation_", method, "_pretrain"))
  pretrain(x, batch_size = 8, epochs = 2, seed = 1, encoder = encoder, ...)
}

saved_as_rds <- function(fit, frame = parent.frame()) {
  path <- withr::local_tempfile(.local_envir = frame)
  saveRDS(fit, path)
  path
}

test_that("an encoder of ours is trained, by its name or from its weights", {
  skip_if_no_python()
  for (method in names(runs)) {
    named <- run_on(method, "simclr", feature_dim = 6, proj_dim = 4)
    expect_identical(named$encoder$architecture, "simclr")
    expect_identical(named$config$encoder, "simclr")
    fit <- run_on(method, small_xresnet())
    expect_identical(fit$encoder[c("architecture", "stem")], small_xresnet()[c("architecture", "stem")])
    expect_false(identical(fit$encoder$state, small_xresnet()$state))
    expect_identical(fit$config$encoder, "given")
    expect_identical(fit$feature_dim, 16L)
    expect_identical(readRDS(saved_as_rds(fit)), fit)
    expect_identical(quick_fit(fit)$encoder, fit$encoder)
    # in a fit, or as it comes out of it
    expect_identical(run_on(method, fit), run_on(method, fit$encoder))
    expect_output(print(fit), "encoder = xresnet18  in_channels = 4  feature_dim = 16")
    expect_output(print(summary(fit)), "encoder:   xresnet18, 4 channels -> 16 features")
  }
})

test_that("the numbers are Python's with another encoder too", {
  skip_if_no_python()
  python <- reticulate::import("edaphos_bridge", convert = TRUE)
  there <- python$foundation_moco_pretrain(
    soil_x, batch_size = 8L, epochs = 2L, seed = 1L, encoder = python$foundation_encoder(
      "xresnet18", 4L, seed = 1L, width = 2L, stem = "small"
    )
  )
  expect_identical(run_on("moco", small_xresnet())$loss_history, as.numeric(there$loss_history))
})

test_that("a Python module is trained as a copy, and gets its weights again after readRDS()", {
  skip_if_no_python()
  module <- own_module()
  before <- reticulate::py$state_of(module)
  for (method in names(runs)) {
    fit <- run_on(method, module)
    expect_identical(reticulate::py$state_of(module), before)
    expect_true(is_python_object(fit$encoder))
    expect_identical(fit$feature_dim, 6L)
    expect_output(print(summary(fit)), "encoder:   custom, 4 channels -> 6 features")
    features <- foundation_embed(fit, soil_x)
    expect_false(identical(features, foundation_embed(module, soil_x)))
    again <- in_fresh_r(
      function(path, x, code) {
        library(edaphosbridge)
        fit <- readRDS(path)
        dead <- tryCatch(foundation_embed(fit, x), edaphosbridge_input_error = conditionMessage)
        foundation_encoder("simclr", 4, seed = 1) # starts Python
        reticulate::py_run_string(code)
        fit$encoder <- reticulate::py$make_module()
        list(dead = dead, features = foundation_embed(fit, x))
      },
      list(saved_as_rds(fit), soil_x, own_module_code)
    )
    expect_match(again$dead, "is a Python object of another R session")
    expect_identical(again$features, features)
  }
})

test_that("update() begins with the same encoder, made anew or as the fit has it", {
  skip_if_no_python()
  named <- run_on("moco", "simclr", feature_dim = 6, proj_dim = 4)
  expect_identical(update(named, soil_x), named)
  given <- run_on("moco", small_xresnet())
  expect_identical(update(given, soil_x, encoder = small_xresnet()), given)
  expect_identical(update(given, soil_x), run_on("moco", given))
  expect_identical(update(given, soil_x, encoder = NULL), run_on("moco", NULL))
})

test_that("augment() has the features of any encoder", {
  skip_if_no_python()
  skip_if_lacking("generics")
  fit <- run_on("simclr", small_xresnet())
  expect_identical(
    unname(as.matrix(generics::augment(fit, soil_x))), foundation_embed(fit, soil_x)
  )
})

test_that("tiles train another encoder, which then carries their normalisation", {
  skip_if_no_python()
  encoder <- foundation_encoder("xresnet18", 3, seed = 1, width = 2, stem = "small")
  fit <- foundation_moco_pretrain_tiles(
    soil_tiles(), batch_size = 8, epochs = 2, seed = 1, encoder = encoder
  )
  expect_identical(fit$encoder$architecture, "xresnet18")
  expect_identical(fit$encoder$normalisation, tile_fit()$normalisation)
})

test_that("what is no encoder for these patches is refused by name", {
  skip_if_no_python()
  moco <- function(code, argument, says) {
    expect_refused(code, argument, says, of = "pretrain")
  }
  moco(run_on("moco", "resnet"), "encoder", c("'moco', 'simclr', 'rotation'", "found 'resnet'"))
  moco(run_on("moco", 3), "encoder", "found numeric")
  moco(run_on("moco", NA_character_), "encoder", "must be a fit")
  moco(run_on("moco", foundation_encoder("moco", 3, seed = 1)), "patches", "must have 3 channels")
  moco(run_on("moco", small_xresnet(), feature_dim = 6), "feature_dim", "must be 16")
})

# --- what a run does -----------------------------------------------------------------------

test_that("fastai's recipe and the learning rate finder begin with a pretraining as with its encoder", {
  skip_if_no_python()
  moco <- quick_moco()
  for (run in list(
    function(start) foundation_fine_tune(start, soil_x, soil_y, epochs = 1, seed = 1),
    function(start) foundation_lr_find(start, soil_x, soil_y, num_it = 5, seed = 1)
  )) {
    expect_identical(run(moco), run(moco$encoder))
  }
})

test_that("an epoch is one step, and steps_per_epoch makes it more", {
  skip_if_no_python()
  steps <- quick_moco(epochs = 6)$loss_history
  epochs <- quick_moco(epochs = 2, steps_per_epoch = 3)$loss_history
  expect_close(epochs, c(mean(steps[1:3]), mean(steps[4:6])), 1e-15)
})

test_that("the same seed gives the same fit, and R's generator is left alone", {
  skip_if_no_python()
  withr::local_seed(1)
  before <- random_state()
  for (run in runs) {
    expect_identical(run(), run())
    expect_false(identical(run(seed = 2)$state, run()$state))
  }
  expect_identical(random_state(), before)
  expect_identical(list(x = soil_x, y = soil_y), pristine)
})

test_that("without a seed set.seed() reproduces", {
  skip_if_no_python()
  for (run in runs) {
    withr::local_seed(4)
    one <- run(seed = NULL)
    expect_false(identical(run(seed = NULL), one))
    set.seed(4)
    expect_identical(run(seed = NULL), one)
  }
})

test_that("a run that was left goes on from its checkpoint and ends as if it had not been", {
  skip_if_no_python()
  for (run in runs) {
    folder <- withr::local_tempdir()
    left <- tryCatch(
      withCallingHandlers(
        run(epochs = 20, checkpoint_dir = folder, checkpoint_every = 3, verbose = TRUE),
        message = function(condition) {
          if (grepl("ep  10/", conditionMessage(condition))) stop("left")
          invokeRestart("muffleMessage")
        }
      ),
      error = conditionMessage
    )
    expect_identical(left, "left")
    expect_identical(
      run(epochs = 20, checkpoint_dir = folder, checkpoint_every = 3), run(epochs = 20)
    )
    expect_identical(list.files(folder, all.files = TRUE, no.. = TRUE), "checkpoint.safetensors")
  }
})

test_that("a batch is all patches where there are fewer, with a message", {
  skip_if_no_python()
  for (run in runs) {
    expect_message(
      fit <- run(patches(1:9), batch_size = 20),
      "batch_size = 20 is larger than the number of patches, 9; using batch_size = 9"
    )
    expect_identical(fit, run(patches(1:9), batch_size = 9))
    expect_identical(fit$batch_size, 9L)
  }
})

test_that("a run that had ended is made longer by the same call with more epochs, and by update()", {
  skip_if_no_python()
  for (run in runs) {
    folder <- withr::local_tempdir()
    fit <- run(checkpoint_dir = folder)
    expect_identical(run(epochs = 6, checkpoint_dir = folder), run(epochs = 6))
    expect_identical(update(fit, soil_x, epochs = 9, checkpoint_dir = folder), run(epochs = 9))
  }
})

test_that("with a momentum schedule a run cannot be made longer, and it says why", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  quick_moco(checkpoint_dir = folder, momentum_schedule = "cosine")
  expect_refused(
    quick_moco(checkpoint_dir = folder, momentum_schedule = "cosine", epochs = 6),
    "checkpoint_dir", "every step depends on the number of steps",
    of = "foundation_moco_pretrain"
  )
})

test_that("a damaged checkpoint is a weights error", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  writeBin(raw(100), file.path(folder, "checkpoint.safetensors"))
  expect_error(
    quick_simclr(checkpoint_dir = folder), "cannot be read",
    class = "edaphosbridge_weights_error"
  )
})

test_that("~ is the home folder, for checkpoints and for files", {
  skip_if_no_python()
  home <- withr::local_tempdir()
  in_fresh_r(
    function(x) {
      library(edaphosbridge)
      fit <- foundation_simclr_pretrain(x, 6, 4, epochs = 1, seed = 1, checkpoint_dir = "~/run")
      foundation_weights_save(fit, "~/encoder")
      foundation_weights_load("~/encoder")
    },
    list(soil_x), fresh_environment(HOME = home)
  )
  expect_true(all(c("encoder", "run") %in% list.files(home)))
  expect_identical(list.files(file.path(home, "run")), "checkpoint.safetensors")
})

test_that("a folder that another run uses, and one that cannot be written to, are refused", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  refused <- NULL
  withCallingHandlers(
    quick_moco(checkpoint_dir = folder, epochs = 1, verbose = TRUE),
    message = function(condition) {
      refused <<- in_fresh_r(
        function(folder, x) {
          tryCatch(
            edaphosbridge::foundation_moco_pretrain(x, checkpoint_dir = folder),
            error = function(error) list(class(error), conditionMessage(error))
          )
        },
        list(folder, soil_x)
      )
      invokeRestart("muffleMessage")
    }
  )
  expect_identical(refused[[1]][[1]], "edaphosbridge_input_error")
  expect_match(refused[[2]], "`checkpoint_dir` is in use by another run", fixed = TRUE)
  file <- withr::local_tempfile()
  writeLines("", file)
  expect_refused(
    quick_moco(checkpoint_dir = file), "checkpoint_dir", "is no folder",
    of = "foundation_moco_pretrain"
  )
})

test_that("a checkpoint of another run is refused", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  quick_moco(checkpoint_dir = folder)
  expect_refused(
    quick_moco(checkpoint_dir = folder, lr = 0.5), "checkpoint_dir", "of another run",
    of = "foundation_moco_pretrain"
  )
})

test_that("what cannot be used is refused by name", {
  skip_if_no_python()
  moco <- function(code, argument, says) {
    expect_refused(code, argument, says, of = "foundation_moco_pretrain")
  }
  holes <- replace(soil_x, c(3, 7), NA)
  moco(foundation_moco_pretrain(), "patches", "is missing")
  moco(foundation_moco_pretrain("a"), "patches", "found 'a'")
  moco(foundation_moco_pretrain(soil_x[, , , 1]), "patches", "four dimensions")
  moco(foundation_moco_pretrain(holes), "patches", c("2 of 48 patches", "first: 3, 7"))
  moco(foundation_moco_pretrain(soil_x > NA), "patches", "48 of 48 patches")
  moco(foundation_moco_pretrain(soil_x, batch_size = 1), "batch_size", "at least 2; found 1")
  moco(foundation_moco_pretrain(patches(1)), "batch_size", c("number of patches, 1", "Give more"))
  moco(foundation_moco_pretrain(soil_x, crop_ratio = 0.5), "crop_ratio", "found c(0.5)")
  moco(foundation_moco_pretrain(soil_x, flip_prob = NA), "flip_prob", "found NA")
  moco(foundation_moco_pretrain(soil_x, device = "tpu"), "device", "found 'tpu'")
  moco(foundation_moco_pretrain(soil_x, verbose = 1), "verbose", "found 1")
  moco(foundation_moco_pretrain(soil_x, checkpoint_every = 1), "checkpoint_every", "needs")
  moco(foundation_moco_pretrain(soil_x, momentum_schedule = "x"), "momentum_schedule", "'cosine'")
  expect_refused(
    foundation_simclr_pretrain(soil_x, epochs = 2.7), "epochs", "found 2.7",
    of = "foundation_simclr_pretrain"
  )
})

# --- what is shown -------------------------------------------------------------------------

test_that("verbose = TRUE reports the first, every tenth and the last epoch as messages", {
  skip_if_no_python()
  for (method in names(runs)) {
    fit <- runs[[method]](epochs = 12)
    expect_silent(runs[[method]](epochs = 12))
    lines <- character()
    withCallingHandlers(
      runs[[method]](epochs = 12, verbose = TRUE),
      message = function(condition) {
        lines <<- c(lines, conditionMessage(condition))
        invokeRestart("muffleMessage")
      }
    )
    shown <- c(1, 10, 12)
    expect_identical(
      lines,
      sprintf("[%s] ep %3d/12  loss=%.4f\n", method, shown, fit$loss_history[shown])
    )
  }
})

test_that("plot() draws the history and returns the fit invisibly", {
  fit <- structure(
    list(method = "simclr", loss_history = c(3, 2.5, 2)),
    class = c("edaphosbridge_pretrain", "edaphos_foundation_simclr")
  )
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  expect_identical(withVisible(plot(fit)), list(value = fit, visible = FALSE))
  expect_equal(graphics::par("usr")[1:2], c(0.92, 3.08))
  expect_equal(graphics::par("usr")[3:4], c(1.96, 3.04))
})
