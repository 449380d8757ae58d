# The course of a fit, one row an epoch: what summary(), plot(), tidy() and autoplot() show.

history_of <- function(fit) {
  histories <- grep("_history$", names(fit), value = TRUE)
  columns <- unclass(fit)[histories]
  names(columns) <- sub("_history$", "", histories)
  as.data.frame(c(list(epoch = seq_along(fit$loss_history)), columns))
}

# The validation accuracy of the weights kept: the last epoch's; NA without validation rows.
final_accuracy_of <- function(fit) {
  fit$val_accuracy_history[[length(fit$val_accuracy_history)]]
}

# The first epoch of the best validation accuracy; NA without validation rows.
best_epoch_of <- function(fit) {
  best <- which.max(fit$val_accuracy_history)
  if (length(best)) best else NA_integer_
}

regime_of <- function(fit) {
  if (!fit$freeze_backbone) {
    "full fine-tuning"
  } else if (fit$head_type == "mlp") {
    "frozen backbone"
  } else {
    "linear probing"
  }
}

# "moco" or "simclr", or what the encoder is otherwise.
architecture_of <- function(fit) {
  if (inherits(fit$encoder, "edaphosbridge_encoder")) fit$encoder$architecture else "custom"
}
