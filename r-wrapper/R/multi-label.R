#' Train a head of several labels on an encoder
#'
#' Attaches a head to an encoder and trains it against patches that each have any number of labels,
#' none among them. Each label is learnt by itself, by the binary cross-entropy of its logit. The two
#' regimes and everything else are those of [foundation_fit_classifier()].
#'
#' @inheritParams foundation_fit_classifier
#' @param y Logical matrix or data frame (N, L), or one of 0 and 1, with a column for each label; or a
#'   list of N character vectors, the labels of each patch. Columns without names are called label1,
#'   label2 and so on; labels of a list are sorted.
#' @param threshold From which probability on a patch has a label, in `(0, 1)`: one for all labels, or
#'   one for each of them, in their order or by name. The score of validation rows is that at these.
#' @param verbose Whether to report loss and macro F1 of epoch 1, every 10th and the last as messages.
#'   Otherwise an interactive session shows a progress bar.
#'
#' @return A list of class `c("edaphosbridge_multilabel", "edaphosbridge_fit",
#'   "edaphos_foundation_multilabel")` with the elements of [foundation_fit_classifier()], but
#'   \item{labels}{character, the order of the columns of probabilities}
#'   \item{threshold}{numeric, of each label}
#'   \item{val_f1_history}{numeric, the macro F1 of the validation rows after each epoch: the mean over
#'     the labels that occur or are predicted there; `NA` when `val_split = 0`}
#'   \item{label_counts}{integer, the patches with each label, validation rows included}
#'   \item{n_patches}{patches, validation rows included}
#'   instead of `classes`, `ordered`, `val_accuracy_history` and `class_counts`.
#' @seealso [predict.edaphosbridge_multilabel()], [foundation_multi_top_losses()],
#'   [summary()][summary.edaphosbridge], [plot()][plot.edaphosbridge_fit],
#'   [tidy()][tidiers.edaphosbridge]
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' y <- rep(list("crop", c("crop", "water"), character(0)), 20)
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_multilabel(encoder, x, y, epochs = 3, seed = 1)
#' predict(fit, x[1:3, , , ])
#' predict(fit, x[1:3, , , ], type = "prob")
#' @export
foundation_fit_multilabel <- function(encoder, x, y,
                                      freeze_backbone = TRUE,
                                      head = c("linear", "mlp"),
                                      hidden = c(64L, 32L),
                                      dropout = 0,
                                      epochs = 30L,
                                      batch_size = 32L,
                                      lr = 1e-3,
                                      weight_decay = 0,
                                      backbone_lr_mult = 0.1,
                                      threshold = 0.5,
                                      val_split = 0.2,
                                      device = c("cpu", "mps", "cuda"),
                                      seed = NULL,
                                      verbose = FALSE,
                                      patience = NULL,
                                      augment = FALSE,
                                      groups = NULL,
                                      blocks = NULL,
                                      block_size = NULL,
                                      buffer = 0,
                                      folds = NULL,
                                      fold = NULL,
                                      validation = NULL,
                                      checkpoint_dir = NULL) {
  call <- sys.call()
  labels <- to_label_sets(y, call)
  data <- list(to_encoder(encoder, call), to_patches(x, call), labels)
  from_multilabel(fit_in_python("multilabel", data, call, "multilabel"))
}

#' Predict the labels of patches or their probabilities
#'
#' @param object A fit of [foundation_fit_multilabel()].
#' @param type `"class"`, `"prob"` or `"label"`. Of a raster without `coords` one or both of the first
#'   two.
#' @param threshold As in [foundation_fit_multilabel()], instead of those of the fit; not of a raster
#'   without `coords`.
#' @inheritParams predict.edaphosbridge_classifier
#'
#' @return For `"class"` a logical matrix (N, L), for `"prob"` a numeric one, both with
#'   `colnames = object$labels`; for `"label"` a list of N character vectors. `NA` for points of
#'   `coords` outside the raster or without data in any band. Of a raster without `coords` a map with a
#'   layer a label, for `"class"` 1 where a patch has it and else 0.
#' @inheritSection predict.edaphosbridge_classifier Maps
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' y <- cbind(crop = x[, 1, 5, 5] > 0, water = x[, 2, 5, 5] > 0)
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_multilabel(encoder, x, y, epochs = 3, seed = 1)
#' predict(fit, x[1:3, , , ], threshold = c(crop = 0.4, water = 0.6))
#' predict(fit, x[1:3, , , ], type = "label")
#' @export
predict.edaphosbridge_multilabel <- function(object, x, type = c("class", "prob", "label"),
                                             device = NULL, ..., threshold = NULL, coords = NULL,
                                             encoder = NULL, newdata, dataset = NULL, head = NULL,
                                             filename = "", overwrite = FALSE, wopt = list(),
                                             stride = 1L, block_size = NULL, method = c("exact", "dense"),
                                             colours = NULL, client = NULL, resume = TRUE,
                                             verbose = FALSE) {
  call <- sys.call()
  stop_if_unused("predict", ...)
  types <- c("class", "prob", "label")
  wanted <- to_choice(type, types)
  prediction <- predict_in_python(
    object, x, newdata, if (identical(wanted, "label")) "class" else type, types, device, coords,
    encoder, head, dataset, call,
    more = list(threshold = to_thresholds(threshold))
  )
  if (!is.null(prediction$map)) {
    return(prediction$map)
  }
  if (!is.null(prediction$values)) {
    return(from_matrix(prediction$values, object$labels))
  }
  held <- matrix(
    as.logical(prediction$held),
    ncol = length(object$labels), dimnames = list(NULL, object$labels)
  )
  if (identical(wanted, "label")) label_lists(held) else held
}

#' The patches that a multi-label classifier gets wrong with the highest loss
#'
#' The table of fastai's `plot_multi_top_losses()`.
#'
#' @param object A fit of [foundation_fit_multilabel()].
#' @param x,y Patches and their labels, as there; labels that the fit does not know are an error.
#' @param k At most so many of the patches for which a label is wrong.
#' @param threshold As in [foundation_fit_multilabel()], instead of those of the fit.
#' @param device,encoder,head As in [predict.edaphosbridge_multilabel()].
#'
#' @return A data frame with a row for each patch, the highest loss first: `row` (of `x`), `loss` (its
#'   mean binary cross-entropy), `actual` and `predicted` (lists of labels), and the probability of
#'   each label, `.pred_<label>`.
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' y <- cbind(crop = x[, 1, 5, 5] > 0, water = x[, 2, 5, 5] > 0)
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_multilabel(encoder, x, y, epochs = 3, seed = 1)
#' foundation_multi_top_losses(fit, x, y, k = 3)
#' @export
foundation_multi_top_losses <- function(object, x, y, k = 9L, threshold = NULL, device = NULL,
                                        encoder = NULL, head = NULL) {
  call <- sys.call()
  if (missing(object) || !inherits(object, "edaphosbridge_multilabel")) {
    stop_input("object", "must be a fit of foundation_fit_multilabel().", call)
  }
  labels <- to_label_sets(y, call)
  asked <- asked_of_python(object, x, device, NULL, encoder, head, NULL, call)
  answer <- python_call("multi_top_losses", list(
    object$state, asked$modules, asked$x, labels, to_scalar(k), to_thresholds(threshold),
    asked$device
  ))
  found <- answer_value(answer, call)
  columns <- as.data.frame(from_matrix(found$prob, object$labels))
  names(columns) <- paste0(".pred_", object$labels)
  table <- data.frame(row = as.integer(unlist(found$row)), loss = as.numeric(unlist(found$loss)))
  as_lists <- function(sets) I(lapply(sets, function(names) as.character(unlist(names))))
  table$actual <- as_lists(found$actual)
  table$predicted <- as_lists(found$predicted)
  cbind(table, columns)
}

#' @rdname tidiers.edaphosbridge
#' @method augment edaphosbridge_multilabel
#' @exportS3Method generics::augment edaphosbridge_multilabel
augment.edaphosbridge_multilabel <- function(x, newdata, data = NULL, coords = NULL, dataset = NULL,
                                             ...) {
  call <- sys.call()
  stop_if_unused("augment", ..., also = c("device", "encoder", "head"))
  stop_if_map(newdata, coords, call)
  prob <- stats::predict(x, newdata, type = "prob", coords = coords, dataset = dataset, ...)
  held <- as.data.frame(sweep(prob, 2L, x$threshold, ">="))
  names(held) <- paste0(".pred_class_", x$labels)
  columns <- as.data.frame(prob)
  names(columns) <- paste0(".pred_", x$labels)
  bound_to(data, coords, cbind(held, columns), call)
}

# The names of the labels that each row has; NA where that is not known.
label_lists <- function(held) {
  lapply(seq_len(nrow(held)), function(row) {
    if (anyNA(held[row, ])) NA_character_ else colnames(held)[held[row, ]]
  })
}
