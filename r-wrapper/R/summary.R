#' Summary of a fit
#'
#' What was trained, on how many patches of which classes, and how it went.
#'
#' @param object A fit of [foundation_fit_classifier()], [foundation_fit_regressor()],
#'   [foundation_fit_multilabel()] or [foundation_fit_segmenter()], of [foundation_moco_pretrain()] and
#'   its sisters, or of [foundation_probe_sweep()]. Or any other object of this package that is printed:
#'   a result such as that of [foundation_interpret()] or [foundation_cross_validate()], an ensemble, an
#'   encoder, a tile dataset.
#' @param ... Not used: an argument of another name is an error.
#'
#' @return Of a fit a list of class `summary.edaphosbridge_fit`. Of a classifier, of class
#'   `summary.edaphosbridge_classifier` too, with
#'   \item{regime}{`"linear probing"`, `"frozen backbone"` or `"full fine-tuning"`; of a recipe its
#'     name, such as `"fine_tune"` or `"lp_ft"`}
#'   \item{architecture}{of the encoder, as [foundation_encoder()] has it, or `"custom"` for a module
#'     of your own}
#'   \item{head_type, feature_dim, in_channels, patch_size, device, config}{as in the fit}
#'   \item{n}{labelled patches, validation rows included}
#'   \item{class_counts}{integer, how many of them each class has; both are `NA` for a fit that was
#'     saved before fits kept them}
#'   \item{history}{data frame with `epoch`, `loss` and `val_accuracy`}
#'   \item{final_loss}{the last of the losses}
#'   \item{best_epoch, best_val_accuracy}{the first epoch of the best validation
#'     accuracy; `NA` without validation rows}
#'   \item{overlapping}{as in the fit}
#'   \item{final_val_accuracy}{that of the last epoch, whose weights the fit has}
#'
#'   Of a regressor with `targets` (data frame: `target`, `mean`, `sd`) and `loss_fn` instead of
#'   `class_counts`, and with `val_rmse` for `val_accuracy`, of which the lowest is the best; of a
#'   multi-label classifier with `label_counts` and `threshold`, and with `val_f1`; of a segmenter with
#'   `pixel_counts`, cells, and `loss_fn`, and with `val_iou`.
#'
#'   Of a pretraining fit, of class `summary.edaphosbridge_pretrain`, with `method`,
#'   `in_channels`, `feature_dim`, `proj_dim`, `patch_size`, `device`, `config`, `normalisation`,
#'   `architecture`, `history` (without `val_accuracy`, and with `probe` where one looked) and
#'   `final_loss`. Of [foundation_rotation_pretrain()] without `proj_dim` and, where patches were held
#'   out, with `val_accuracy` and `final_val_accuracy`. Of [foundation_swav_pretrain()] with `channels`,
#'   those of each sensor, and `entropy` in `history`.
#'
#'   Of a sweep, of class `summary.edaphosbridge_probe_sweep`, with `best` and `config` as in the
#'   sweep; `settings`, the best first; `val_accuracy` and `val_accuracy_sd` of the best; `n_seeds`;
#'   `n_diverged`, settings whose training diverged; and `classifier`, the summary of the classifier.
#'
#'   Of [foundation_few_label_experiment()] its `summary`, a data frame. Of all else the object itself,
#'   whose summary is what it prints.
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
summary.edaphosbridge_fit <- function(object, ...) {
  stop_if_unused("summary", ...)
  history <- history_of(object)
  score <- score_of(object)
  scored <- function(which, epoch) {
    structure(list(history[[score]][epoch]), names = paste0(which, "_", score))
  }
  best <- best_epoch_of(object)
  structure(
    c(
      list(regime = regime_of(object), architecture = architecture_of(object)),
      object[c("head_type", "feature_dim", "in_channels", "patch_size", "device", "config")],
      learnt_in(object),
      list(
        history = history,
        final_loss = history$loss[[nrow(history)]], best_epoch = best
      ),
      scored("best", best),
      list(overlapping = object$overlapping),
      scored("final", nrow(history)) # of the weights kept
    ),
    class = paste0("summary.", c(leaf_class_of(object), "edaphosbridge_fit"))
  )
}

# On how many patches a fit was trained, and of what.
learnt_in <- function(fit) {
  if (inherits(fit, "edaphosbridge_regressor")) {
    names <- if (is.null(fit$targets)) "y" else fit$targets
    targets <- data.frame(target = names, mean = unname(fit$y_mean), sd = unname(fit$y_sd))
    return(list(n = fit$n_patches, targets = targets, loss_fn = fit$loss_fn))
  }
  if (inherits(fit, "edaphosbridge_multilabel")) {
    return(list(n = fit$n_patches, label_counts = fit$label_counts, threshold = fit$threshold))
  }
  if (inherits(fit, "edaphosbridge_segmenter")) {
    return(list(n = fit$n_patches, pixel_counts = fit$pixel_counts, loss_fn = fit$loss_fn))
  }
  counts <- fit$class_counts
  if (is.null(counts)) {
    counts <- structure(rep(NA_integer_, length(fit$classes)), names = fit$classes)
  }
  list(n = sum(counts), class_counts = counts)
}

#' @rdname summary.edaphosbridge
#' @export
summary.edaphosbridge_pretrain <- function(object, ...) {
  stop_if_unused("summary", ...)
  kept <- c(
    "method", "in_channels", "channels", "feature_dim", "proj_dim", "patch_size", "device", "config",
    "normalisation"
  )
  structure(
    c(
      unclass(object)[intersect(kept, names(object))],
      list(
        architecture = architecture_of(object), history = history_of(object),
        final_loss = object$final_loss
      ),
      final_val_accuracy_of(object)
    ),
    class = c("summary.edaphosbridge_pretrain", "summary.edaphosbridge_fit")
  )
}

# The last accuracy of held-out patches in a list, or an empty one.
final_val_accuracy_of <- function(fit) {
  accuracies <- fit$val_accuracy_history
  if (is.null(accuracies)) list() else list(final_val_accuracy = accuracies[[length(accuracies)]])
}

#' @rdname summary.edaphosbridge
#' @export
summary.edaphosbridge_probe_sweep <- function(object, ...) {
  stop_if_unused("summary", ...)
  settings <- object$settings
  order <- order(-round(settings$val_accuracy, 12), settings$val_loss) # as it was picked
  best <- settings[order[[1]], ]
  structure(
    list(
      best = object$best,
      settings = `rownames<-`(settings[order, ], NULL),
      val_accuracy = best$val_accuracy,
      val_accuracy_sd = best$val_accuracy_sd,
      n_seeds = length(unique(object$results$seed)),
      n_diverged = sum(is.na(settings$val_accuracy)),
      config = object$config,
      classifier = summary.edaphosbridge_fit(object$classifier)
    ),
    class = c("summary.edaphosbridge_probe_sweep", "summary.edaphosbridge_fit")
  )
}

# What else is printed has no summary beside that.
#' @rdname summary.edaphosbridge
#' @export
summary.edaphosbridge_result <- function(object, ...) {
  stop_if_unused("summary", ...)
  object
}

#' @export
summary.edaphosbridge_cross_validation <- summary.edaphosbridge_result

#' @export
summary.edaphosbridge_ensemble <- summary.edaphosbridge_result

#' @export
summary.edaphosbridge_lr_find <- summary.edaphosbridge_result

#' @export
summary.edaphosbridge_tiles <- summary.edaphosbridge_result

#' @export
summary.edaphosbridge_encoder <- summary.edaphosbridge_result

#' @rdname summary.edaphosbridge
#' @export
summary.edaphosbridge_few_label_experiment <- function(object, ...) {
  stop_if_unused("summary", ...)
  object$summary
}
