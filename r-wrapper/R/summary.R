#' Summary of a fit
#'
#' What was trained, on how many patches of which classes, and how it went.
#'
#' @param object A fit of [foundation_fit_classifier()], or of
#'   [foundation_moco_pretrain()] and its sisters.
#' @param ... Not used: an argument of another name is an error.
#'
#' @return A list. Of a classifier, of class `summary.edaphosbridge_classifier`, with
#'   \item{regime}{`"linear probing"`, `"frozen backbone"` or `"full fine-tuning"`}
#'   \item{architecture}{of the encoder: `"moco"`, `"simclr"`, or `"custom"` for a module of your
#'     own}
#'   \item{head_type, feature_dim, in_channels, patch_size, device, config}{as in the fit}
#'   \item{n}{labelled patches, validation rows included}
#'   \item{class_counts}{integer, how many of them each class has; both are `NA` for a fit that was
#'     saved before fits kept them}
#'   \item{history}{data frame with `epoch`, `loss` and `val_accuracy`}
#'   \item{final_loss}{the last of the losses}
#'   \item{best_epoch, best_val_accuracy}{the first epoch of the best validation
#'     accuracy; `NA` without validation rows. The fit has the weights of the last epoch.}
#'
#'   Of a pretraining fit, of class `summary.edaphosbridge_pretrain`, with `method`,
#'   `in_channels`, `feature_dim`, `proj_dim`, `patch_size`, `device`, `config`, `normalisation`,
#'   `history` (without `val_accuracy`) and `final_loss`.
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' y <- factor(rep(c("Oxisol", "Ultisol"), 30))
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_classifier(encoder, x, y, epochs = 3, seed = 1)
#' summary(fit)
#' @name summary.edaphosbridge
NULL

#' @rdname summary.edaphosbridge
#' @export
summary.edaphosbridge_classifier <- function(object, ...) {
  stop_if_unused("summary", ...)
  counts <- object$class_counts
  if (is.null(counts)) {
    counts <- rep(NA_integer_, length(object$classes))
    names(counts) <- object$classes
  }
  best <- best_epoch_of(object)
  structure(
    c(
      list(regime = regime_of(object), architecture = architecture_of(object)),
      object[c("head_type", "feature_dim", "in_channels", "patch_size", "device", "config")],
      list(
        n = sum(counts),
        class_counts = counts,
        history = history_of(object),
        final_loss = object$loss_history[[length(object$loss_history)]],
        best_epoch = best,
        best_val_accuracy = object$val_accuracy_history[best]
      )
    ),
    class = "summary.edaphosbridge_classifier"
  )
}

#' @rdname summary.edaphosbridge
#' @export
summary.edaphosbridge_pretrain <- function(object, ...) {
  stop_if_unused("summary", ...)
  kept <- c(
    "method", "in_channels", "feature_dim", "proj_dim", "patch_size", "device", "config",
    "normalisation"
  )
  structure(
    c(unclass(object)[kept], list(history = history_of(object), final_loss = object$final_loss)),
    class = "summary.edaphosbridge_pretrain"
  )
}

#' @export
format.summary.edaphosbridge_classifier <- function(x, ...) {
  best <- "NA"
  if (!is.na(x$best_epoch)) {
    last <- x$history$val_accuracy[[nrow(x$history)]]
    best <- sprintf("%.3f (epoch %d), at the end %.3f", x$best_val_accuracy, x$best_epoch, last)
  }
  c(
    sprintf("Classifier of %d classes: %s", length(x$class_counts), x$regime),
    sprintf(
      "  encoder:   %s, %d channels -> %d features", x$architecture, x$in_channels, x$feature_dim
    ),
    paste0("  head:      ", head_line(x)),
    sprintf(
      "  patches:   %s of %d x %d x %d (C x H x W)",
      x$n, x$in_channels, x$patch_size[[1]], x$patch_size[[2]]
    ),
    count_lines(x$class_counts),
    training_line(x),
    loss_line(x),
    paste0("  val_acc:   ", best)
  )
}

#' @export
format.summary.edaphosbridge_pretrain <- function(x, ...) {
  what <- c(moco = "MoCo v2", simclr = "SimCLR")[[x$method]]
  normalised <- if (is.null(x$normalisation)) "as given" else paste(
    if (x$normalisation$normalise) "normalised" else "raw", "tiles of",
    paste(x$normalisation$bands, collapse = ", ")
  )
  c(
    sprintf("Pretraining without labels: %s", what),
    sprintf(
      "  encoder:   %d channels -> %d features -> %d (projection)",
      x$in_channels, x$feature_dim, x$proj_dim
    ),
    sprintf(
      "  patches:   %d x %d x %d (C x H x W), %s",
      x$in_channels, x$patch_size[[1]], x$patch_size[[2]], normalised
    ),
    training_line(x),
    loss_line(x)
  )
}

head_line <- function(x) {
  if (x$head_type == "linear") {
    return("linear")
  }
  sprintf("mlp, hidden %s, dropout %g", paste(x$config$hidden, collapse = ", "), x$config$dropout)
}

# At most ten classes.
count_lines <- function(counts) {
  shown <- utils::head(counts, 10L)
  lines <- sprintf("    %s  %s", format(names(shown)), format(shown))
  more <- length(counts) - length(shown)
  c(lines, if (more > 0L) sprintf("    ... and %d more", more))
}

training_line <- function(x) {
  if (identical(x$config$solver, "lbfgs")) {
    return(sprintf(
      "  training:  L-BFGS at C %g, %d evaluations, on %s", x$config$C, nrow(x$history), x$device
    ))
  }
  sprintf(
    "  training:  %d epochs, batches of %d, lr %g, seed %.0f, on %s",
    nrow(x$history), x$config$batch_size, x$config$lr, x$config$seed, x$device
  )
}

loss_line <- function(x) {
  sprintf("  loss:      %.4f at first, %.4f at the end", x$history$loss[[1]], x$final_loss)
}

#' @export
print.summary.edaphosbridge_classifier <- function(x, ...) {
  cat(format(x, ...), sep = "\n")
  invisible(x)
}

#' @export
print.summary.edaphosbridge_pretrain <- print.summary.edaphosbridge_classifier
