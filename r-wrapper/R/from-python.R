# Python's values on their way to R; to-python.R has the way there.

# An array of numbers; NaN is NA.
from_array <- function(values) {
  storage.mode(values) <- "double"
  values[is.nan(values)] <- NA_real_
  values
}

# A matrix with named columns, or a vector where there are no names.
from_matrix <- function(values, names) {
  values <- from_array(values)
  if (is.null(names)) {
    return(as.vector(values))
  }
  matrix(values, ncol = length(names), dimnames = list(NULL, names))
}

# An array with names in one of its dimensions, that of classes, labels or targets.
from_named <- function(values, names, place) {
  values <- from_array(values)
  dimnames(values) <- replace(vector("list", length(dim(values))), place, list(names))
  values
}

# Columns of a table; "" and NaN stand for what is not known.
from_table <- function(columns) {
  columns <- lapply(columns, function(values) {
    values <- unlist(values)
    if (is.character(values)) replace(values, values == "", NA_character_) else as.integer(values)
  })
  as.data.frame(columns, stringsAsFactors = FALSE, check.names = FALSE) # "repeat" is a word of R's
}

from_history <- function(values) {
  values <- as.numeric(unlist(values))
  values[is.nan(values)] <- NA_real_
  values
}

# NULL where a file of an earlier version has none.
from_counts <- function(counts, classes) {
  if (is.null(counts)) {
    return(NULL)
  }
  structure(as.integer(unlist(counts)), names = as.character(unlist(classes)))
}

from_encoder <- function(fields) {
  sizes <- intersect(
    c("in_channels", "feature_dim", "proj_dim", "width", "patch_size"), names(fields)
  )
  fields[sizes] <- lapply(fields[sizes], as.integer)
  fields["normalisation"] <- list(from_normalisation(fields$normalisation))
  if (!is.null(fields$channels)) fields$channels <- as.integer(unlist(fields$channels))
  fields$n_channels <- fields$in_channels # as edaphos has it on loaded weights
  fields$state <- shelved(fields$state)
  fields["patch_orientation"] <- list(fields$patch_orientation)
  structure(fields, class = "edaphosbridge_encoder")
}

from_normalisation <- function(fields) {
  if (is.null(fields)) {
    return(NULL)
  }
  list(
    bands = as.character(unlist(fields$bands)),
    means = as.numeric(unlist(fields$means)),
    sds = as.numeric(unlist(fields$sds)),
    normalise = fields$normalise,
    patch_size = as.integer(fields$patch_size),
    cell_size = if (!is.null(fields$cell_size)) as.numeric(unlist(fields$cell_size)),
    crs = fields$crs
  )
}

from_tiles <- function(fields) {
  whole <- c("patch_size", "n_patches", "n_channels", "height", "width")
  fields[whole] <- lapply(fields[whole], as.integer)
  numbers <- c("means", "sds")
  fields[numbers] <- lapply(fields[numbers], function(values) as.numeric(unlist(values)))
  fields$bands <- as.character(unlist(fields$bands))
  storage.mode(fields$cells) <- "integer"
  colnames(fields$cells) <- c("row", "column")
  dimnames(fields$coords) <- list(NULL, c("x", "y"))
  if (!is.null(fields$classes)) fields$classes <- as.character(unlist(fields$classes))
  fields["seed"] <- list(from_seed(fields$seed))
  fields$state <- shelved(fields$state)
  from_object(fields, c("edaphosbridge_tiles", "edaphos_tile_dataset"))
}

# Codes of cells, counted from 1, with what they are called.
from_masks <- function(fields) {
  codes <- fields$codes
  storage.mode(codes) <- "integer"
  structure(codes, levels = as.character(unlist(fields$classes)))
}

# Python's whole numbers go further than R's integers.
from_seed <- function(seed) {
  if (abs(seed) <= .Machine$integer.max) as.integer(seed) else seed
}

from_config <- function(config) {
  whole <- intersect(c("epochs", "batch_size"), names(config)) # L-BFGS has no batches
  config[whole] <- lapply(config[whole], as.integer)
  config$seed <- from_seed(config$seed)
  if (!is.null(config$head)) { # which segmenters have none of
    config$hidden <- as.integer(unlist(config$hidden))
    config$dropout <- as.numeric(unlist(config$dropout))
  }
  config
}

from_phase <- function(fields) {
  structure(lapply(fields, unlist), class = "edaphosbridge_phase")
}

from_lr_find <- function(fields) {
  table <- as.data.frame(lapply(fields$table, from_history))
  suggestion <- lapply(fields$suggestion, from_history)
  from_object(
    list(table = table, suggestion = suggestion, printed = fields$printed), "edaphosbridge_lr_find"
  )
}

from_classifier <- function(fields) {
  fields$classes <- as.character(unlist(fields$classes))
  fields["class_counts"] <- list(from_counts(fields$class_counts, fields$classes))
  from_fit(
    fields, c("edaphosbridge_classifier", "edaphosbridge_fit", "edaphos_foundation_classifier"),
    learnt = c("classes", "ordered"), score = "val_accuracy_history", data = "class_counts"
  )
}

from_regressor <- function(fields) {
  names <- if (!is.null(fields$targets)) as.character(unlist(fields$targets))
  fields["targets"] <- list(names)
  for (name in c("y_mean", "y_sd")) {
    fields[[name]] <- structure(as.numeric(unlist(fields[[name]])), names = names)
  }
  fields$n_patches <- as.integer(fields$n_patches)
  from_fit(
    fields, c("edaphosbridge_regressor", "edaphosbridge_fit", "edaphos_foundation_regressor"),
    learnt = c("targets", "y_mean", "y_sd", "loss_fn"), score = "val_rmse_history", data = "n_patches"
  )
}

from_multilabel <- function(fields) {
  fields$labels <- as.character(unlist(fields$labels))
  fields$threshold <- structure(as.numeric(unlist(fields$threshold)), names = fields$labels)
  fields$config$threshold <- fields$threshold
  fields$label_counts <- from_counts(fields$label_counts, fields$labels)
  fields$n_patches <- as.integer(fields$n_patches)
  from_fit(
    fields, c("edaphosbridge_multilabel", "edaphosbridge_fit", "edaphos_foundation_multilabel"),
    learnt = c("labels", "threshold"), score = "val_f1_history",
    data = c("label_counts", "n_patches")
  )
}

from_segmenter <- function(fields) {
  fields$classes <- as.character(unlist(fields$classes))
  # more than R's integers reach
  fields$pixel_counts <- structure(as.numeric(unlist(fields$pixel_counts)), names = fields$classes)
  fields$n_patches <- as.integer(fields$n_patches)
  from_fit(
    fields, c("edaphosbridge_segmenter", "edaphosbridge_fit", "edaphos_foundation_segmenter"),
    learnt = c("classes", "regime", "loss_fn"), score = "val_iou_history",
    data = c("pixel_counts", "n_patches")
  )
}

# From members that are R objects already.
from_ensemble <- function(fields) {
  members <- fields$members
  first <- members[[1]]
  histories <- lapply(members, function(member) member$loss_history)
  elements <- list(
    members = members, encoder = if (first$freeze_backbone) first$encoder, task = fields$task,
    K_ens = length(members), final_losses = vapply(histories, function(h) h[[length(h)]], 0),
    loss_histories = histories, config = list(base_seed = first$config$seed, task = fields$task),
    printed = fields$printed
  )
  from_object(elements, c("edaphosbridge_ensemble", "edaphos_foundation_ensemble"))
}

# A fit of encoder and head. The elements that only its task has come as they are, but for the
# history of its score: `learnt` is what it predicts, `data` what it was fitted on.
from_fit <- function(fields, class, learnt, score, data) {
  fields$encoder <- if (is.null(fields$encoder)) fields$module else from_encoder(fields$encoder)
  # a one-dimensional NumPy array arrives as a one-dimensional R array
  flat <- function(weights) if (length(dim(weights)) == 1L) as.vector(weights) else weights
  fields$head <- if (is.null(fields$head_module)) lapply(fields$head, flat) else fields$head_module
  histories <- c("loss_history", score)
  fields[histories] <- lapply(fields[histories], from_history)
  fields$config <- from_config(fields$config)
  fields$feature_dim <- as.integer(fields$feature_dim)
  fields$in_channels <- as.integer(fields$in_channels)
  fields$patch_size <- as.integer(unlist(fields$patch_size))
  fields["overlapping"] <- list(if (!is.null(fields$overlapping)) as.integer(fields$overlapping))
  fields["normalisation"] <- list(from_normalisation(fields$normalisation))
  fields$state <- shelved(fields$state)
  elements <- c(
    "encoder", "head", learnt, histories, "config", "feature_dim", "head_type", "freeze_backbone",
    "device", "in_channels", "patch_size", data, "overlapping", "normalisation", "state"
  )
  from_object(fields, class, elements)
}

# An object that R prints by the lines that came with it.
from_object <- function(fields, class, elements = setdiff(names(fields), "printed")) {
  structure(fields[elements], printed = as.character(unlist(fields$printed)), class = class)
}

from_pretrain <- function(fields) {
  whole <- c(
    "feature_dim", "proj_dim", "batch_size", "epochs", "steps_per_epoch", "queue_size",
    "queue_start", "n_prototypes", "sinkhorn_iterations", "freeze_prototypes_steps", "small_crops"
  )
  whole <- intersect(whole, names(fields$config))
  fields$config[whole] <- lapply(fields$config[whole], as.integer)
  fields$config$seed <- from_seed(fields$config$seed)
  ratios <- intersect(c("crop_ratio", "small_crop_ratio"), names(fields$config))
  fields$config[ratios] <- lapply(fields$config[ratios], function(pair) as.numeric(unlist(pair)))
  if (!is_python_object(fields$encoder)) fields$encoder <- from_encoder(fields$encoder)
  histories <- c("loss_history", "val_accuracy_history", "entropy_history")
  histories <- intersect(histories, names(fields))
  fields[histories] <- lapply(fields[histories], from_history)
  if (!is.null(fields$channels)) fields$channels <- as.integer(unlist(fields$channels))
  fields$patch_size <- as.integer(unlist(fields$patch_size))
  fields["normalisation"] <- list(from_normalisation(fields$normalisation))
  sizes <- c("in_channels", "feature_dim", "proj_dim", "batch_size", "queue_size")
  sizes <- intersect(sizes, names(fields))
  fields[sizes] <- lapply(fields[sizes], as.integer)
  if (!is.null(fields$probe_history)) {
    fields$config$probe <- from_probe(fields$config$probe)
    history <- lapply(fields$probe_history, function(values) as.numeric(unlist(values)))
    fields$probe_history <- data.frame(epoch = as.integer(history$epoch), score = history$score)
  }
  fields$state <- shelved(fields$state)
  from_object(fields, c(
    "edaphosbridge_pretrain", "edaphosbridge_fit", paste0("edaphos_foundation_", fields$method)
  ))
}

from_probe <- function(known) {
  whole <- c("every", "patience", "k", "epochs", "batch_size", "n_train", "n_validation")
  whole <- intersect(whole, names(known)[!vapply(known, is.null, NA)])
  known[whole] <- lapply(known[whole], as.integer)
  known$seed <- from_seed(known$seed)
  known
}

from_probe_sweep <- function(fields) {
  fields$classifier <- from_classifier(fields$classifier)
  fields[c("settings", "results")] <- lapply(fields[c("settings", "results")], from_columns)
  if (!is.null(fields$config)) fields$config <- from_grid(fields$config)
  from_object(
    fields, c("edaphosbridge_probe_sweep", "edaphosbridge_fit", "edaphos_probe_sweep"),
    c("classifier", "best", "settings", "results", "config")
  )
}

from_cross_validation <- function(fields) {
  fields$table <- from_columns(fields$table)
  whole <- c("fold", "n_train", "n_test")
  fields$table[whole] <- lapply(fields$table[whole], as.integer)
  fields$columns <- as.character(unlist(fields$columns))
  fields$predictions <- from_named(fields$predictions, fields$columns, 2L)
  fields$config$seed <- from_seed(fields$config$seed)
  fields$config$k <- as.integer(fields$config$k)
  from_object(
    fields, c("edaphosbridge_cross_validation", "edaphos_cross_validation"),
    c("table", "predictions", "columns", "config", "task")
  )
}

from_grid <- function(config) {
  numbers <- c("lr", "weight_decay", "C", "seeds")
  config[numbers] <- lapply(config[numbers], function(values) as.numeric(unlist(values)))
  whole <- c("epochs", "batch_size")
  config[whole] <- lapply(config[whole], as.integer)
  config
}

# A data frame of characters and numbers; NaN is NA.
from_columns <- function(columns) {
  columns <- lapply(columns, function(values) {
    values <- unlist(values)
    if (is.character(values)) values else replace(values, is.nan(values), NA_real_)
  })
  as.data.frame(columns, stringsAsFactors = FALSE, check.names = FALSE) # "repeat" is a word of R's
}

# Code NA is no class.
from_factor <- function(codes, levels, ordered = FALSE) {
  factor(unlist(levels)[as.integer(codes)], levels = unlist(levels), ordered = ordered)
}
