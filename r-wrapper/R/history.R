# The course of a fit, one row an epoch: what summary(), plot(), tidy() and autoplot() show.

history_of <- function(fit) {
  columns <- list(epoch = seq_along(fit$loss_history), loss = fit$loss_history)
  if (inherits(fit, "edaphosbridge_classifier")) {
    columns$val_accuracy <- fit$val_accuracy_history
  }
  as.data.frame(columns)
}

# The validation accuracy of the weights kept: the last epoch's; NA without validation rows.
final_accuracy_of <- function(fit) {
  fit$val_accuracy_history[[length(fit$val_accuracy_history)]]
}

# The best accuracy and its epoch, and the last one, as print() and summary() show them.
accuracy_text <- function(fit) {
  best <- best_epoch_of(fit)
  if (is.na(best)) {
    return("NA")
  }
  sprintf(
    "%.3f (epoch %d), at the end %.3f", fit$val_accuracy_history[[best]], best,
    final_accuracy_of(fit)
  )
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
