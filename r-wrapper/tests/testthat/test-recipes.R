# Recipes of fine-tuning; tests/test_recipes.py has what they do.

soil_targets <- as.numeric(as.integer(soil_y)) + withr::with_seed(2, stats::rnorm(48) / 10)
soil_labels <- cbind(clay = soil_y != "Oxisol", wet = rep(c(TRUE, FALSE), 24))
encoder_of_blocks <- function() foundation_encoder("moco", 4, feature_dim = 6, proj_dim = 4, seed = 1)

# The same call, made in Python with what R holds there: `...` are its further arguments.
in_python <- function(verb, start, y, ...) {
  python_module()
  bridge <- reticulate::import("edaphos_bridge", convert = FALSE)
  held <- reticulate::import("edaphos_bridge.interop.calls.held", convert = FALSE)
  is_fit <- inherits(start, "edaphosbridge_fit")
  given <- if (is_fit) held$fit_behind(start$state) else held$encoder_behind(start$state)
  bridge[[verb]](given, soil_x, y, ...)
}

# Losses, scores and predictions are Python's, to the last digit.
expect_pythons <- function(fit, python) {
  value <- function(object) as.vector(reticulate::py_to_r(object))
  expect_identical(fit$loss_history, value(python$loss_history))
  expect_identical(fit[[score_name(fit)]], value(python$score_history))
  numpy <- reticulate::import("numpy", convert = FALSE)
  type <- if (inherits(fit, "edaphosbridge_regressor")) "response" else "prob"
  values <- if (type == "prob") python$predict_proba(soil_x) else python$predict(soil_x)
  expect_identical(as.vector(predict(fit, soil_x, type = type)), value(numpy$asarray(values)))
}

score_name <- function(fit) grep("^val_.*_history$", names(fit), value = TRUE)

test_that("fastai's recipe gives Python's numbers, from an encoder and from a fit", {
  skip_if_no_python()
  y <- as.list(as.character(soil_y))
  ours <- foundation_fine_tune(soil_encoder(), soil_x, as.character(soil_y), epochs = 2, seed = 3)
  expect_pythons(ours, in_python("foundation_fine_tune", soil_encoder(), y, epochs = 2L, seed = 3L))
  expect_identical(ours$config$recipe, "fine_tune")
  expect_length(ours$loss_history, 3)
  probe <- quick_fit(y = as.character(soil_y))
  ours <- foundation_fine_tune(
    probe, soil_x, as.character(soil_y),
    epochs = 1, base_lr = 0.01, freeze_epochs = 2, lr_mult = 10, pct_start = 0.5, div = 3,
    weight_decay = 0.1, batch_size = 16, val_split = 0.25, seed = 3
  )
  expect_pythons(ours, in_python(
    "foundation_fine_tune", probe, y,
    epochs = 1L, base_lr = 0.01, freeze_epochs = 2L, lr_mult = 10, pct_start = 0.5, div = 3,
    weight_decay = 0.1, batch_size = 16L, val_split = 0.25, seed = 3L
  ))
})

test_that("each recipe gives Python's numbers", {
  skip_if_no_python()
  probe <- quick_fit(encoder_of_blocks(), y = as.character(soil_y))
  y <- as.list(as.character(soil_y))
  for (recipe in c("lp_ft", "gradual", "layerwise")) {
    ours <- foundation_finetune_classifier(
      probe, soil_x, as.character(soil_y),
      recipe = recipe, epochs = 1, lr = 1e-3, lr_mult = 5, weight_decay = 1e-3, seed = 2
    )
    expect_pythons(ours, in_python(
      "foundation_finetune_classifier", probe, y,
      recipe = recipe, epochs = 1L, lr = 1e-3, lr_mult = 5, weight_decay = 1e-3, seed = 2L
    ))
    expect_identical(ours$config$recipe, recipe)
    expect_identical(length(ours$config$phases), length(ours$loss_history))
  }
  expect_identical(
    foundation_finetune_classifier(probe, soil_x, soil_y, epochs = 1, seed = 2)$config$recipe, "lp_ft"
  )
})

test_that("phases written by the user are Python's, and stand in config", {
  skip_if_no_python()
  probe <- quick_fit(y = as.character(soil_y))
  phases <- list(
    foundation_phase(1, 0.01, freeze_to = -1, norms = "train"),
    foundation_phase(
      2, c(1e-4, 1e-2),
      schedule = "one_cycle", momentum = NULL, batch_size = 8, weight_decay = 0.01,
      decoupled = TRUE, decay_norms = FALSE, betas = c(0.9, 0.99), eps = 1e-5
    )
  )
  ours <- foundation_finetune_classifier(
    probe, soil_x, as.character(soil_y),
    recipe = phases, batch_size = 16, seed = 2
  )
  phase <- reticulate::import("edaphos_bridge", convert = FALSE)$foundation_phase
  theirs <- list(
    phase(1L, 0.01, freeze_to = -1L, norms = "train"),
    phase(
      2L, c(1e-4, 1e-2),
      schedule = "one_cycle", momentum = NULL, batch_size = 8L, weight_decay = 0.01,
      decoupled = TRUE, decay_norms = FALSE, betas = c(0.9, 0.99), eps = 1e-5
    )
  )
  expect_pythons(ours, in_python(
    "foundation_finetune_classifier", probe, as.list(as.character(soil_y)),
    recipe = theirs, batch_size = 16L, seed = 2L
  ))
  expect_identical(ours$config$recipe, "phases")
  found <- lapply(ours$config$phases, function(phase) phase$batch_size)
  expect_identical(found, list(16L, 8L))
  expect_identical(ours$config$phases[[2]]$lr, c(1e-4, 1e-2))
})

test_that("a phase is a list of its values that prints them", {
  skip_if_no_python()
  phase <- foundation_phase(2, c(1e-5, 1e-3), schedule = "cos", freeze_to = -2)
  expect_s3_class(phase, "edaphosbridge_phase")
  expect_identical(names(phase), names(formals(foundation_phase)))
  expect_identical(phase[c("epochs", "lr", "freeze_to", "schedule")], list(
    epochs = 2L, lr = c(1e-5, 1e-3), freeze_to = -2L, schedule = "cosine"
  ))
  expect_null(phase$batch_size)
  printed <- utils::capture.output(shown <- withVisible(print(phase)))
  expect_match(printed, "lr: +1e-05, 1e-03", all = FALSE)
  expect_identical(shown, list(value = phase, visible = FALSE))
})

test_that("a phase that cannot be is refused with its argument", {
  skip_if_no_python()
  refused <- function(argument, says, ...) {
    arguments <- utils::modifyList(list(epochs = 1), list(...), keep.null = TRUE)
    expect_refused(do.call("foundation_phase", arguments), argument, says, of = "foundation_phase")
  }
  refused("epochs", "found 0", epochs = 0)
  refused("epochs", "found NULL", epochs = NULL)
  refused("lr", "found NULL", lr = NULL)
  refused("lr", "found -1", lr = c(1e-3, -1))
  refused("backbone_lr_mult", "found -1", backbone_lr_mult = -1)
  refused("freeze_to", "found 0.5", freeze_to = 0.5)
  refused("schedule", "found 'step'", schedule = "step")
  refused("pct_start", "found 1", pct_start = 1)
  refused("div", "found 0", div = 0)
  refused("final_div", "found Inf", final_div = Inf)
  refused("momentum", "two numbers", momentum = 0.9)
  refused("batch_size", "found 0", batch_size = 0)
  refused("weight_decay", "found -1", weight_decay = -1)
  refused("decoupled", "found 'yes'", decoupled = "yes")
  refused("decay_norms", "found NA", decay_norms = NA)
  refused("betas", "found 2", betas = c(0.9, 2))
  refused("eps", "found 0", eps = 0)
  refused("norms", "found 'freeze'", norms = "freeze")
  expect_refused(foundation_phase(), "epochs", "is missing", of = "foundation_phase")
})

test_that("split names the groups of a module of the user's, and its fits go on", {
  skip_if_no_python()
  probe <- quick_fit(own_module())
  tuned <- function(...) {
    foundation_finetune_classifier(probe, soil_x, soil_y, recipe = "gradual", epochs = 1, seed = 2, ...)
  }
  expect_length(tuned()$loss_history, 2) # conv and norm
  whole <- tuned(split = list(c("conv", "norm")))
  expect_length(whole$loss_history, 1)
  expect_identical(tuned(split = list("conv", "norm"))$loss_history, tuned()$loss_history)
  again <- foundation_fine_tune(whole, soil_x, soil_y, epochs = 1, split = list(c("conv", "norm")), seed = 1)
  expect_identical(architecture_of(again), "custom")
  expect_identical(again$config$phases[[2]]$lr, c(1e-5, 1e-3))
})

test_that("a fit of each task goes on as Python's, and stays what it was", {
  skip_if_no_python()
  numpy <- reticulate::import("numpy", convert = FALSE)
  regressor <- foundation_fit_regressor(soil_encoder(), soil_x, soil_targets, epochs = 1, seed = 1)
  labels <- foundation_fit_multilabel(soil_encoder(), soil_x, soil_labels, epochs = 1, seed = 1)
  before <- deep_copy(list(regressor, labels))
  pandas <- reticulate::import("pandas", convert = FALSE)
  starts <- list(
    list(regressor, soil_targets, numpy$array(soil_targets)),
    list(labels, soil_labels, pandas$DataFrame(soil_labels, columns = as.list(colnames(soil_labels))))
  )
  for (start in starts) {
    ours <- foundation_finetune_classifier(start[[1]], soil_x, start[[2]], epochs = 2, lr = 0.01, seed = 4)
    expect_identical(class(ours), class(start[[1]]))
    expect_pythons(ours, in_python(
      "foundation_finetune_classifier", start[[1]], start[[3]],
      epochs = 2L, lr = 0.01, seed = 4L
    ))
    ours <- foundation_fine_tune(start[[1]], soil_x, start[[2]], epochs = 1, seed = 4)
    expect_pythons(ours, in_python("foundation_fine_tune", start[[1]], start[[3]], epochs = 1L, seed = 4L))
  }
  expect_identical(list(regressor, labels), before)
})

test_that("a pretraining fit is an encoder to begin with", {
  skip_if_no_python()
  pretrained <- foundation_simclr_pretrain(soil_x, 6, 4, epochs = 1, seed = 1)
  expect_identical(
    foundation_fine_tune(pretrained, soil_x, soil_y, epochs = 1, seed = 1),
    foundation_fine_tune(pretrained$encoder, soil_x, soil_y, epochs = 1, seed = 1)
  )
})

test_that("labels of some classes keep the fit's columns, in its order", {
  skip_if_no_python()
  some <- soil_y != "Inceptisol"
  fit <- foundation_fine_tune(
    soil_fit(), soil_x[some, , , ], factor(as.character(soil_y[some])),
    epochs = 1, seed = 1
  )
  expect_identical(fit$classes, soil_classes)
  expect_identical(fit$class_counts, c(Oxisol = 16L, Ultisol = 16L, Inceptisol = 0L))
})

test_that("fits of recipes and fastai's head are saved, read and predicted with", {
  skip_if_no_python()
  file <- withr::local_tempfile()
  fits <- list(
    foundation_fine_tune(
      soil_encoder(), soil_x, soil_y,
      epochs = 1, head = "concat_pool", hidden = 6, dropout = c(0.1, 0.2), seed = 1
    ),
    foundation_finetune_classifier(soil_fit(), soil_x, soil_y, recipe = "layerwise", epochs = 1, seed = 1),
    foundation_fit_regressor(
      soil_encoder(), soil_x, soil_targets,
      head = "concat_pool", hidden = integer(), dropout = 0.5, epochs = 1, seed = 1
    )
  )
  for (fit in fits) {
    saveRDS(fit, file)
    back <- readRDS(file)
    expect_identical(back, fit)
    expect_identical(predict(back, soil_x), predict(fit, soil_x))
  }
  expect_identical(fits[[1]]$config$dropout, c(0.1, 0.2))
  elsewhere <- in_fresh_r(
    function(file, fit, x) {
      saveRDS(fit, file)
      library(edaphosbridge)
      predict(readRDS(file), x, type = "prob")
    },
    list(file, fits[[1]], soil_x)
  )
  expect_identical(elsewhere, prob(fits[[1]]))
})

test_that("fits of recipes print, sum up, plot and tidy as others do", {
  skip_if_no_python()
  skip_if_lacking("ggplot2")
  fit <- foundation_fine_tune(soil_encoder(), soil_x, soil_y, epochs = 2, seed = 1, head = "concat_pool", hidden = 8)
  expect_output(print(fit), "regime: +fine_tune, 2 phases")
  expect_output(print(fit), "head: +concat_pool")
  expect_output(print(summary(fit)), "head: +concat_pool, hidden 8, dropout 0.5")
  expect_output(print(summary(fit)), "training: +3 epochs in 2 phases, batches of 64, seed 1, on cpu")
  single <- foundation_finetune_classifier(fit, soil_x, soil_y, epochs = 1, seed = 1)
  expect_output(print(summary(single)), "training: +1 epoch in 1 phase, batches of 32")
  expect_identical(summary(fit)$regime, "fine_tune")
  expect_identical(generics::glance(fit)[c("regime", "head", "epochs")], data.frame(
    regime = "fine_tune", head = "concat_pool", epochs = 3L
  ))
  table <- generics::tidy(fit)
  expect_identical(table$loss, fit$loss_history)
  expect_identical(names(generics::augment(fit, soil_x)), c(".pred_class", paste0(".pred_", soil_classes)))
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  expect_identical(withVisible(plot(fit)), list(value = fit, visible = FALSE))
  expect_s3_class(ggplot2::autoplot(fit), "ggplot")
})

test_that("update() of such a fit says which function to call again", {
  skip_if_no_python()
  fit <- foundation_fine_tune(soil_encoder(), soil_x, soil_y, epochs = 1, seed = 1)
  of <- "update.edaphosbridge_classifier"
  expect_refused(update(fit, soil_x, soil_y), "object", "Call foundation_fine_tune() again", of = of)
  on <- foundation_finetune_classifier(fit, soil_x, soil_y, epochs = 1, seed = 1)
  says <- "Call foundation_finetune_classifier() again"
  expect_refused(update(on, soil_x, soil_y), "object", says, of = of)
})

test_that("set.seed() reproduces a recipe with seed = NULL", {
  skip_if_no_python()
  tuned <- function() foundation_finetune_classifier(soil_fit(), soil_x, soil_y, epochs = 1)
  expect_identical(withr::with_seed(3, tuned()), withr::with_seed(3, tuned()))
})

test_that("what a recipe cannot use is refused with the user's call", {
  skip_if_no_python()
  fit <- soil_fit()
  encoder <- soil_encoder()
  refused <- function(argument, says, ...) {
    expect_refused(
      foundation_finetune_classifier(fit, soil_x, soil_y, ...), argument, says,
      of = "foundation_finetune_classifier"
    )
  }
  phase <- foundation_phase(1)
  refused("recipe", c("'gradual'", "a list of phases", "found 'full'"), recipe = "full")
  refused("recipe", "a list of phases", recipe = phase)
  refused("recipe", "found 'none'", recipe = list())
  refused("recipe", "must be phases", recipe = list(phase, list(epochs = 1)))
  refused("recipe", "or with more", recipe = list(structure(c(phase, more = 1), class = class(phase))))
  refused("recipe", "without what", recipe = list(structure(phase["lr"], class = class(phase))))
  refused("lr", "3 groups", recipe = list(foundation_phase(1, c(1e-4, 1e-3, 1e-2, 1))))
  refused("epochs", "found 0", epochs = 0)
  refused("lr", "found 0", lr = 0)
  refused("lr_mult", "found -1", lr_mult = -1)
  refused("weight_decay", "found -1", weight_decay = -1)
  refused("split", "must name submodules", split = list("conv9"))
  refused("split", "must name", split = "conv")
  refused("split", "must name", split = list(3))
  refused("batch_size", "found 0", batch_size = 0)
  refused("val_split", "found 1", val_split = 1)
  refused("device", "found 'tpu'", device = "tpu")
  refused("seed", "found 0.5", seed = 0.5)
  refused("verbose", "found NA", verbose = NA)
  refused("class_weight", "names 'Oxisol' twice", class_weight = c(Oxisol = 1, Oxisol = 2))
  refused("label_smoothing", "found 1", label_smoothing = 1)
  refused("patience", "found 0", patience = 0)
  refused("augment", "found 'yes'", augment = "yes")
  refused("groups", "found 47", groups = seq_len(47))
  refused("fold", "`folds`", fold = 1)
  refused_first <- function(argument, says, ...) {
    expect_refused(
      foundation_fine_tune(encoder, soil_x, soil_y, ...), argument, says,
      of = "foundation_fine_tune"
    )
  }
  refused_first("epochs", "found 0", epochs = 0)
  refused_first("base_lr", "found NA", base_lr = NA)
  refused_first("freeze_epochs", "found -1", freeze_epochs = -1)
  refused_first("lr", "`base_lr` is the highest rate of the head", lr = 0.01) # R would fill in lr_mult
  refused_first("lr_mult", "found 0", lr_mult = 0)
  refused_first("pct_start", "found 1", pct_start = 1)
  refused_first("div", "found 0", div = 0)
  refused_first("weight_decay", "found -1", weight_decay = -1)
  refused_first("head", "found 'attention'", head = "attention")
  refused_first("hidden", "found c(0)", head = "concat_pool", hidden = 0)
  refused_first("dropout", "2 linear layers", head = "concat_pool", dropout = c(0.1, 0.2, 0.3))
  through <- function(...) foundation_fine_tune(encoder, soil_x, soil_y, ...)
  expect_refused(through(lr = 0.01), "lr", "`lr_mult` says", of = "foundation_fine_tune")
  of <- "foundation_fine_tune"
  expect_refused(foundation_fine_tune("moco", soil_x, soil_y), "encoder_or_fit", "found character", of = of)
  expect_refused(foundation_fine_tune(x = soil_x, y = soil_y), "encoder_or_fit", "is missing", of = of)
  says <- "no other classes than the fit"
  expect_refused(foundation_fine_tune(fit, soil_x, rep(c("a", "b"), 24)), "y", says, of = of)
  of <- "foundation_finetune_classifier"
  says <- "foundation_fine_tune() begins with an encoder"
  expect_refused(foundation_finetune_classifier(encoder, soil_x, soil_y), "fit", says, of = of)
})

test_that("lines and bars name the score of what is gone on from", {
  skip_if_no_python()
  start <- foundation_fit_regressor(soil_encoder(), soil_x, soil_targets, epochs = 1, seed = 1)
  expect_message(
    foundation_finetune_classifier(start, soil_x, soil_targets, epochs = 1, seed = 1, verbose = TRUE),
    "val_rmse"
  )
  expect_identical(epoch_status(0.5, 2, task_of(start)), "loss=0.5000 val_rmse=2")
  expect_identical(epoch_status(0.5, 2, task_of(soil_encoder())), "loss=0.5000 val_acc=2")
})
