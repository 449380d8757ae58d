#' Fits as data frames: tidy(), glance(), augment()
#'
#' Methods for the generics of the package generics (also attached by broom and
#' tidymodels). They are there when that package is.
#'
#' @param x A fit of [foundation_fit_classifier()], [foundation_fit_regressor()],
#'   [foundation_fit_multilabel()] or [foundation_fit_segmenter()], of [foundation_moco_pretrain()] and
#'   its sisters, or of [foundation_probe_sweep()]. `augment()` takes no segmenter, which predicts no row
#'   of a table. `tidy()` also takes results of [foundation_finetune_ensemble()],
#'   [foundation_cross_validate()], [foundation_few_label_experiment()], [foundation_lr_find()],
#'   [foundation_applicability()], [foundation_interpret()], [foundation_knn()],
#'   [foundation_compare_segmenters()], [foundation_attribute()], [foundation_band_importance()] and
#'   [foundation_embedding_map()]; `glance()` an ensemble.
#' @param newdata Patches `(N, C, H, W)`; with `coords` a raster, as in
#'   [predict.edaphosbridge_classifier()] and [foundation_embed_at_coords()].
#' @param data A data frame with a row for each patch, which gets the new columns; by default
#'   `coords`, with all its columns.
#' @param coords Points in the coordinates of the raster `newdata`, or `NULL`.
#' @param dataset With `coords`: a [foundation_tile_dataset()], for an encoder without
#'   normalisation.
#' @param ... For `augment()` of all but a pretraining fit, `device`, `encoder` and `head` of `predict()`; otherwise
#'   not used. An argument of another name is an error.
#'
#' @return Data frames.
#'
#'   `tidy()`: a row for each epoch, with `epoch`, `loss` and, of a classifier,
#'   `val_accuracy` (`NA` without validation rows; also of a pretraining by turns that held out
#'   patches), of a regressor `val_rmse`, of a multi-label classifier `val_f1`, of a segmenter `val_iou`,
#'   of SwAV the `entropy` of how often prototypes are used, of a pretraining with a probe `probe` (`NA`
#'   where it did not look); of an ensemble the same for each `member`; of a sweep a row for each setting, as in its
#'   `settings`.
#'
#'   `glance()`: one row. Of a classifier `nobs`, `n_classes`, `architecture`,
#'   `feature_dim`, `head`, `regime`, `epochs`, `final_loss`, `best_val_accuracy`,
#'   `best_epoch`, `final_val_accuracy` (of the weights kept), `device`; of a regressor `n_targets`
#'   and `val_rmse`, of a multi-label classifier `n_labels` and `val_f1` in their place, of a segmenter
#'   `n_classes` and `val_iou`; of an
#'   ensemble `nobs`, `task`, `K_ens`, `base_seed`, `mean_final_loss` and `sd_final_loss`; of a
#'   pretraining fit
#'   `method`, `in_channels`, `feature_dim`, `proj_dim`, `batch_size`, `epochs`, `final_loss`,
#'   `device`, and by turns `final_val_accuracy` and no `proj_dim`; of a sweep `nobs`, `n_classes`, `architecture`, `feature_dim`, `n_settings`,
#'   `n_seeds`, `n_diverged`, `device`, and the setting that was picked: `solver`, `lr`,
#'   `weight_decay`, `C`, `val_accuracy`, `val_accuracy_sd`, `val_loss`.
#'
#'   `augment()`: `data` with new columns, of its own class: a tibble stays one, and so do points of
#'   sf and terra. Of a classifier or a sweep `.pred_class` (factor, ordered if `y` was)
#'   and the probability of each class, `.pred_<class>`; of a regressor `.pred`, or
#'   `.pred_<target>` where targets have names; of a multi-label classifier `.pred_class_<label>`
#'   (logical) and the probability of each label, `.pred_<label>`; of a pretraining fit the features, `.feature_1` and on.
#'
#'   A `data` that is no data frame of N rows is an error of class
#'   `edaphosbridge_input_error`.
#' @examplesIf edaphosbridge::edaphosbridge_available() && requireNamespace("generics", quietly = TRUE)
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' y <- factor(rep(c("Oxisol", "Ultisol"), 30))
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_classifier(encoder, x, y, epochs = 3, seed = 1)
#' generics::tidy(fit)
#' generics::glance(fit)
#' generics::augment(fit, x[1:3, , , ])
#' @name tidiers.edaphosbridge
NULL

#' @rdname tidiers.edaphosbridge
#' @method tidy edaphosbridge_fit
#' @exportS3Method generics::tidy edaphosbridge_fit
tidy.edaphosbridge_fit <- function(x, ...) {
  stop_if_unused("tidy", ...)
  history_of(x)
}

#' @rdname tidiers.edaphosbridge
#' @method glance edaphosbridge_fit
#' @exportS3Method generics::glance edaphosbridge_fit
glance.edaphosbridge_fit <- function(x, ...) {
  stop_if_unused("glance", ...)
  summary <- summary.edaphosbridge_fit(x)
  score <- score_of(x)
  as.data.frame(c(
    list(nobs = summary$n), n_learnt(x),
    summary["architecture"],
    list(
      feature_dim = x$feature_dim, head = x$head_type, regime = summary$regime,
      epochs = nrow(summary$history)
    ),
    summary[c("final_loss", paste0("best_", score), "best_epoch", paste0("final_", score), "device")]
  ))
}

# How many classes, labels or targets.
n_learnt <- function(fit) {
  switch(sub("^edaphosbridge_", "", leaf_class_of(fit)),
    regressor = list(n_targets = length(fit$y_mean)),
    multilabel = list(n_labels = length(fit$labels)),
    list(n_classes = length(fit$classes))
  )
}

#' @rdname tidiers.edaphosbridge
#' @method glance edaphosbridge_pretrain
#' @exportS3Method generics::glance edaphosbridge_pretrain
glance.edaphosbridge_pretrain <- function(x, ...) {
  stop_if_unused("glance", ...)
  as.data.frame(c(
    unclass(x)[intersect(c("method", "in_channels", "feature_dim", "proj_dim"), names(x))],
    list(
      batch_size = x$config$batch_size,
      epochs = length(x$loss_history),
      final_loss = x$final_loss
    ),
    final_val_accuracy_of(x),
    list(device = x$device)
  ))
}

#' @rdname tidiers.edaphosbridge
#' @method tidy edaphosbridge_probe_sweep
#' @exportS3Method generics::tidy edaphosbridge_probe_sweep
tidy.edaphosbridge_probe_sweep <- function(x, ...) {
  stop_if_unused("tidy", ...)
  x$settings
}

#' @rdname tidiers.edaphosbridge
#' @method glance edaphosbridge_probe_sweep
#' @exportS3Method generics::glance edaphosbridge_probe_sweep
glance.edaphosbridge_probe_sweep <- function(x, ...) {
  stop_if_unused("glance", ...)
  summary <- summary.edaphosbridge_probe_sweep(x)
  data.frame(
    nobs = summary$classifier$n,
    n_classes = length(x$classifier$classes),
    architecture = summary$classifier$architecture,
    feature_dim = x$classifier$feature_dim,
    n_settings = nrow(x$settings),
    n_seeds = summary$n_seeds,
    n_diverged = summary$n_diverged,
    device = x$classifier$device,
    summary$settings[1L, ]
  )
}

# `data`, or the table of the points, with new columns.
bound_to <- function(data, coords, columns, call) {
  if (is.null(data)) {
    data <- table_of_points(coords)
  }
  if (is.null(data)) {
    return(columns)
  }
  is_table <- is.data.frame(data) || inherits(data, "SpatVector")
  if (!is_table || nrow(data) != nrow(columns)) {
    found <- if (is_table) sprintf("%d rows", nrow(data)) else class(data)[[1]]
    stop_input(
      "data", sprintf("must be a data frame of %d rows; found %s.", nrow(columns), found), call
    )
  }
  for (name in names(columns)) {
    data[[name]] <- columns[[name]]
  }
  data
}

# What holds the points and their attributes; a matrix becomes a data frame.
table_of_points <- function(coords) {
  if (inherits(coords, c("sfc", "sfg"))) {
    return(sf::st_sf(geometry = if (inherits(coords, "sfg")) sf::st_sfc(coords) else coords))
  }
  if (is.matrix(coords)) {
    if (is.null(colnames(coords))) colnames(coords) <- c("x", "y")
    return(as.data.frame(coords))
  }
  coords
}
