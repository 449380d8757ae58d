shown <- function(object) utils::capture.output(print(object))

test_that("a classifier shows what the original shows", {
  skip_if_no_python()
  expect_shown <- function(fit, head, regime, best) {
    expect_identical(shown(fit), c(
      "<edaphos_foundation_classifier>",
      "  classes:       Oxisol, Ultisol, Inceptisol",
      "  feature_dim:   32",
      paste0("  head:          ", head),
      paste0("  regime:        ", regime),
      "  device:        cpu",
      sprintf("  final loss:    %.4f", fit$loss_history[[length(fit$loss_history)]]),
      paste0("  best val_acc:  ", best)
    ))
  }
  fit <- soil_fit()
  accuracy <- fit$val_accuracy_history
  best <- sprintf(
    "%.3f (epoch %d), at the end %.3f", max(accuracy), which.max(accuracy), accuracy[[20]]
  )
  expect_shown(fit, "linear", "linear probing", best)
  unvalidated <- quick_fit(head = "mlp", freeze_backbone = FALSE, val_split = 0)
  expect_shown(unvalidated, "mlp", "full fine-tuning", "NA")
  expect_shown(quick_fit(head = "mlp", val_split = 0), "mlp", "frozen backbone", "NA")
})

test_that("a pretraining fit shows what the original shows", {
  skip_if_no_python()
  moco <- foundation_moco_pretrain(soil_x, queue_size = 40, batch_size = 8, epochs = 2, seed = 1)
  expect_identical(shown(moco), c(
    "<edaphos_foundation_moco>  (MoCo v2)",
    "  in_channels = 4  feature_dim = 64  proj_dim = 32",
    "  queue_size = 40  momentum = 0.9990  tau = 0.07  batch = 8",
    sprintf("  epochs = 2  final InfoNCE loss = %.4g", moco$final_loss)
  ))
  simclr <- foundation_simclr_pretrain(soil_x, epochs = 2, seed = 1)
  expect_identical(shown(simclr), c(
    "<edaphos_foundation_simclr>",
    "  in_channels = 4  feature_dim = 32  proj_dim = 16",
    "  batch = 8  temperature = 0.2",
    sprintf("  epochs = 2  final loss = %.4g", simclr$final_loss)
  ))
})

test_that("print() shows the text of Python's str(), and returns its argument invisibly", {
  skip_if_no_python()
  classifier <- reticulate::import("edaphos_bridge.classifier")$FoundationClassifier
  builtins <- reticulate::import_builtins()
  for (fit in list(soil_fit(), quick_fit(y = c(10L, 9L, 8L)[soil_y]))) {
    python <- classifier$from_bytes(builtins$bytes(fit$state))
    expect_identical(paste(shown(fit), collapse = "\n"), builtins$str(python))
    utils::capture.output(printed <- withVisible(print(fit)))
    expect_identical(printed, list(value = fit, visible = FALSE))
  }
})

test_that("objects that were saved without the lines show what Python says of them", {
  skip_if_no_python()
  sweep <- function(...) foundation_probe_sweep(soil_encoder(), soil_x, soil_y, epochs = 1, ...)
  objects <- list(
    soil_fit(), quick_fit(head = "mlp", freeze_backbone = FALSE, val_split = 0), tile_fit(),
    foundation_simclr_pretrain(soil_x, epochs = 1, seed = 1), soil_tiles(), sweep(C = 1),
    sweep(lr = NULL, C = 1, seeds = 1)
  )
  for (object in objects) {
    expect_identical(format(structure(object, printed = NULL)), format(object))
  }
})

test_that("version 0.1.0's objects are shown whole where there is no Python", {
  names <- c("classifier", "tuned", "pretrain", "simclr", "sweep", "tiles")
  files <- normalizePath(test_path("v1", paste0(names, ".rds")))
  lines <- callr::r(
    function(files) {
      library(edaphosbridge)
      lapply(files, function(file) format(readRDS(file)))
    },
    list(files),
    env = c(callr::rcmd_safe_env(), EDAPHOSBRIDGE_PYTHON = "/nowhere")
  )
  expect_identical(lengths(lines), c(8L, 8L, 4L, 4L, 5L, 5L))
  expect_identical(lines[[1]][7:8], c(
    "  final loss:    0.9493", "  best val_acc:  0.500 (epoch 2), at the end 0.500"
  ))
  expect_identical(lines[[5]][2:4], c(
    "  settings:      3, each with 2 seeds", "  best:          adam, lr = 0.5, weight_decay = 0",
    "  val_acc:       0.250"
  ))
})
