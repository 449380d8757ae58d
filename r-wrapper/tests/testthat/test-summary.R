fake_classifier <- function(..., val_accuracy = c(0.5, 0.875, 0.75)) {
  fit <- list(
    encoder = structure(list(architecture = "moco"), class = "edaphosbridge_encoder"),
    classes = c("Oxisol", "Ultisol"), loss_history = c(0.9, 0.6, 0.43218),
    val_accuracy_history = val_accuracy, feature_dim = 64L, head_type = "linear",
    freeze_backbone = TRUE, device = "cpu", in_channels = 4L, patch_size = c(9L, 7L),
    class_counts = c(Oxisol = 8L, Ultisol = 120L),
    config = list(hidden = c(8L, 4L), dropout = 0.25, batch_size = 32L, lr = 0.001, seed = 7L)
  )
  changes <- list(...)
  fit[names(changes)] <- changes
  structure(fit, class = c("edaphosbridge_classifier", "edaphos_foundation_classifier"))
}

fake_pretrain <- function(method = "moco", normalisation = NULL) {
  fit <- list(
    method = method, in_channels = 4L, feature_dim = 64L, proj_dim = 32L, patch_size = c(9L, 9L),
    device = "cpu", config = list(batch_size = 16L, lr = 0.03, seed = 1L),
    loss_history = c(3.25, 2.5), final_loss = 2.5
  )
  fit["normalisation"] <- list(normalisation)
  structure(fit, class = c("edaphosbridge_pretrain", paste0("edaphos_foundation_", method)))
}

# --- classifiers ---------------------------------------------------------------------------

test_that("the summary counts the labelled patches of each class", {
  skip_if_no_python()
  y <- factor(c("b", "a", "b", "b"), levels = c("b", "unused", "a"))[rep(1:4, 12)]
  summary <- summary(quick_fit(y = y))
  expect_identical(summary$class_counts, c(b = 36L, a = 12L))
  expect_identical(summary$n, 48L)
})

test_that("the summary has the history, its end and its best epoch", {
  summary <- summary(fake_classifier())
  expect_identical(summary$history, data.frame(
    epoch = 1:3, loss = c(0.9, 0.6, 0.43218), val_accuracy = c(0.5, 0.875, 0.75)
  ))
  expect_identical(summary$final_loss, 0.43218)
  expect_identical(summary$best_epoch, 2L)
  expect_identical(summary$best_val_accuracy, 0.875)
  expect_identical(summary$final_val_accuracy, 0.75) # of the weights kept
  # the first of several best epochs
  expect_identical(summary(fake_classifier(val_accuracy = c(0.5, 1, 1)))$best_epoch, 2L)
})

test_that("without validation rows the best accuracy is NA", {
  summary <- summary(fake_classifier(val_accuracy = rep(NA_real_, 3)))
  expect_identical(summary$best_epoch, NA_integer_)
  expect_identical(summary$best_val_accuracy, NA_real_)
  expect_identical(summary$final_val_accuracy, NA_real_)
  expect_identical(format(summary)[[length(format(summary))]], "  val_acc:   NA")
})

test_that("the summary names the regime as print() does, and the encoder", {
  regime <- function(...) summary(fake_classifier(...))$regime
  expect_identical(regime(), "linear probing")
  expect_identical(regime(head_type = "mlp"), "frozen backbone")
  expect_identical(regime(head_type = "mlp", freeze_backbone = FALSE), "full fine-tuning")
  expect_identical(summary(fake_classifier())$architecture, "moco")
  own <- structure(list(), class = "python.builtin.object")
  expect_identical(summary(fake_classifier(encoder = own))$architecture, "custom")
})

test_that("a fit that was saved before fits kept counts has NA", {
  summary <- summary(fake_classifier(class_counts = NULL))
  expect_identical(summary$class_counts, c(Oxisol = NA_integer_, Ultisol = NA_integer_))
  expect_identical(summary$n, NA_integer_)
  expect_match(format(summary), "patches:   NA of 4 x 9 x 7", all = FALSE)
})

test_that("print() of the summary", {
  expect_snapshot(print(summary(fake_classifier())), cran = TRUE)
  expect_snapshot(
    print(summary(fake_classifier(head_type = "mlp", freeze_backbone = FALSE))),
    cran = TRUE
  )
  summary <- summary(fake_classifier())
  utils::capture.output(shown <- withVisible(print(summary)))
  expect_identical(shown, list(value = summary, visible = FALSE))
})

test_that("of many classes ten are shown", {
  counts <- structure(1:1000, names = paste0("class ", 1:1000))
  lines <- format(summary(fake_classifier(class_counts = counts)))
  expect_length(grep("^    class", lines), 10)
  expect_match(lines, "^    ... and 990 more$", all = FALSE)
})

# --- pretraining ---------------------------------------------------------------------------

test_that("the summary of a pretraining fit has its settings and history", {
  summary <- summary(fake_pretrain())
  expect_s3_class(
    summary, c("summary.edaphosbridge_pretrain", "summary.edaphosbridge_fit"),
    exact = TRUE
  )
  expect_named(summary, c(
    "method", "in_channels", "feature_dim", "proj_dim", "patch_size", "device", "config",
    "normalisation", "architecture", "history", "final_loss"
  ))
  expect_identical(summary$history, data.frame(epoch = 1:2, loss = c(3.25, 2.5)))
  expect_identical(summary$final_loss, 2.5)
  expect_null(summary$normalisation)
})

test_that("print() of the summary of a pretraining fit", {
  expect_snapshot(print(summary(fake_pretrain())), cran = TRUE)
  bands <- list(bands = c("clay", "ndvi"), normalise = TRUE)
  expect_snapshot(print(summary(fake_pretrain("simclr", bands))), cran = TRUE)
})

test_that("real fits can be summarised", {
  skip_if_no_python()
  expect_output(print(summary(soil_fit())), "linear probing.*Oxisol +16.*20 epochs")
  expect_output(print(summary(tile_fit())), "MoCo v2.*normalised tiles of clay, ndvi, slope")
  expect_output(print(summary(quick_fit(own_module()))), "encoder:   custom, 4 channels -> 6")
})

# --- what is no fit ------------------------------------------------------------------------

printed_as <- function(...) structure(list(), printed = "<it>", class = c(...))
others <- c(
  ensemble = "foundation_finetune_ensemble()", cross_validation = "foundation_cross_validate()",
  lr_find = "foundation_lr_find()", tiles = "foundation_tile_dataset()", encoder = "foundation_encoder()",
  interpretation = "foundation_interpret() or foundation_knn()", attribution = "foundation_attribute()",
  band_importance = "foundation_band_importance()", embedding_map = "foundation_embedding_map()",
  segmenter_comparison = "foundation_compare_segmenters()", applicability = "foundation_applicability()",
  few_label_experiment = "foundation_few_label_experiment()"
)
made_of <- function(kind) {
  with_class <- c("ensemble", "cross_validation", "lr_find", "tiles", "encoder")
  printed_as(paste0("edaphosbridge_", kind), if (!kind %in% with_class) "edaphosbridge_result")
}

test_that("all else that prints is its own summary", {
  for (kind in setdiff(names(others), "few_label_experiment")) {
    expect_identical(summary(made_of(kind)), made_of(kind), label = kind)
    expect_error(summary(made_of(kind), digits = 3), class = "edaphosbridge_input_error", label = kind)
  }
  experiment <- structure(
    list(summary = data.frame(method = "MoCo")),
    class = c("edaphosbridge_few_label_experiment", "edaphosbridge_result")
  )
  expect_identical(summary(experiment), experiment$summary)
})

test_that("update() of what is no fit says what to call", {
  for (kind in names(others)) {
    refused <- expect_error(update(made_of(kind), epochs = 3), class = "edaphosbridge_input_error")
    expect_match(
      conditionMessage(refused), paste0("`object` is no fit, and does not keep how it was made. Call ", others[[kind]], " again."),
      fixed = TRUE
    )
  }
})

test_that("one epoch, class or channel is no several", {
  fit <- fake_classifier(val_accuracy = 0.5, in_channels = 1L, feature_dim = 1L, loss_history = 0.9)
  lines <- format(summary(fit))
  expect_match(lines, "^  encoder:   moco, 1 channel -> 1 feature$", all = FALSE)
  expect_match(lines, "^  training:  1 epoch, batches", all = FALSE)
  expect_identical(counted(1L, "class", "classes"), "1 class")
  expect_identical(counted(2e5, "class", "classes"), "200000 classes")
})
