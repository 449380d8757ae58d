# The course of a fit, one row an epoch: what summary(), plot(), tidy() and autoplot() show.

history_of <- function(fit) {
  histories <- grep("^(loss|val_.+)_history$", names(fit), value = TRUE)
  columns <- unclass(fit)[histories]
  names(columns) <- sub("_history$", "", histories)
  history <- as.data.frame(c(list(epoch = seq_along(fit$loss_history)), columns))
  if (!is.null(fit$probe_history)) {
    history$probe <- fit$probe_history$score[match(history$epoch, fit$probe_history$epoch)]
  }
  history
}

# What the probe of a pretraining measured: "linear probe accuracy".
probe_name <- function(fit) {
  sprintf("%s probe %s", fit$config$probe$name, fit$config$probe$score)
}

# The name of the score of the validation rows in a fit or its summary, as "val_accuracy".
score_of <- function(fit) {
  history <- if (is.null(fit$history)) history_of(fit) else fit$history
  setdiff(names(history), c("epoch", "loss"))
}

# What a task calls its loss and its score, and how it shows that.
words_of <- function(fit) {
  switch(sub("^edaphosbridge_", "", leaf_class_of(fit)),
    regressor = list(
      loss = c(mse = "MSE of scaled targets", huber = "Huber loss of scaled targets")[[fit$loss_fn]],
      score = "validation RMSE", form = "%.4g", best = which.min
    ),
    multilabel = list(
      loss = "binary cross-entropy", score = "validation F1", form = "%.3f", best = which.max
    ),
    segmenter = list(
      loss = c(cross_entropy = "cross-entropy", dice = "Dice loss", focal = "focal loss")[[fit$loss_fn]],
      score = "validation IoU", form = "%.3f", best = which.max
    ),
    list(loss = "cross-entropy", score = "validation accuracy", form = "%.3f", best = which.max)
  )
}

# The first epoch of the best score; NA without validation rows.
best_epoch_of <- function(fit) {
  best <- words_of(fit)$best(history_of(fit)[[score_of(fit)]])
  if (length(best)) best else NA_integer_
}

regime_of <- function(fit) {
  if (!is.null(fit$config$recipe)) {
    fit$config$recipe
  } else if (identical(fit$regime, "from_scratch")) {
    "from scratch"
  } else if (!fit$freeze_backbone) {
    "full fine-tuning"
  } else if (fit$head_type != "linear") {
    "frozen backbone"
  } else {
    "linear probing"
  }
}

# As foundation_encoder() has it, or what the encoder is otherwise.
architecture_of <- function(fit) {
  if (inherits(fit$encoder, "edaphosbridge_encoder")) fit$encoder$architecture else "custom"
}
