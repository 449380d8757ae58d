#' What a fit is worth
#'
#' Holds what a fit predicts against the truth: scores with bootstrap intervals, confused classes,
#' the patches that it got most wrong. Give patches that the fit has not seen: those that it was
#' trained on tell how well it remembers.
#'
#' @param fit A fit of [foundation_fit_classifier()] or [foundation_probe_sweep()], a regressor or a
#'   segmenter.
#' @param x Array `(N, C, H, W)` of patches, or a file or tile dataset that holds them, as in
#'   [foundation_fit_classifier()].
#' @param y The truth: factor or vector of classes of the fit, of length N; of a regressor numbers
#'   in the units of its targets, a vector or a matrix with a column for each; of a segmenter masks
#'   as of [foundation_fit_segmenter()], in which cells without a label do not count, by default those of
#'   the tile dataset `x`.
#' @param ... Not used: an argument of another name is an error.
#' @param groups Vector or factor of length N, the group of each patch, such as its profile, field or
#'   campaign. Patches of a group resemble each other, so that the bootstrap must draw whole groups;
#'   otherwise it draws patches, and its intervals are too narrow.
#' @param blocks Where each patch lies, as in [foundation_fit_classifier()]: whole spatial blocks are
#'   drawn, squares of `block_size`. At most one of `groups` and `blocks` is given.
#' @param block_size In the units of `blocks`, which it needs.
#' @param n_boot Draws of the bootstrap; 0 for no intervals.
#' @param seed Whole number, the only source of randomness; `NULL` draws one from R's generator.
#' @param baselines Whether to score two baselines on the same patches: `random_convolutions`, 128
#'   features of random filters, and `band_statistics`, mean, standard deviation, minimum and maximum
#'   of each band; both with logistic regression (ridge regression for numbers). Not of segmenters.
#' @param train List with `x` and `y`, what the baselines learn from: the patches that the fit was
#'   trained on.
#' @param n_pictures How many patches with the largest losses to keep, for
#'   `plot(which = "top_losses")`.
#' @param encoder For a fit around a Python module of your own that was read from a file: that module,
#'   built anew, as in [predict()][predict.edaphosbridge_classifier].
#'
#' @return A list of class `c("edaphosbridge_interpretation", "edaphosbridge_result")` with
#'   \item{scores}{data frame with `model` (`"fit"` and the baselines), `metric`, `class` (`NA` for
#'     all together; of a regressor `target`), `estimate` and the ends of the 95 % percentile
#'     interval, `conf.low` and `conf.high`. Of a classifier `accuracy`, `balanced_accuracy` (mean
#'     recall of the classes that occur), `kappa` (Cohen), `calibration_error` (expected, 15 bins of
#'     confidence), and for each class `precision`, `recall`, `f1` and `support`; of a regressor
#'     `rmse`, `mae`, `r2`, `bias` (mean of prediction - truth) and `concordance` (Lin); of a
#'     segmenter `pixel_accuracy`, `iou` (intersection over union), `dice`, `f1`, `precision` and
#'     `recall`, of all cells and as means over classes, and of each class, with its `support` in
#'     cells; what is drawn are patches then too. The interval
#'     of the calibration error lies high where patches are few, since bins of few patches are never
#'     quite right}
#'   \item{actual, predicted, loss}{factors (of a regressor matrices) and numeric, one value a patch}
#'   \item{probabilities, confusion, reliability}{of a classifier: matrix (N, classes); counts, rows
#'     are actual classes; what the reliability diagram shows}
#'   \item{patches, picture_rows}{the patches with the largest losses, and their rows}
#'   \item{masks, predicted, confusion, labelled, pixel_accuracy}{of a segmenter instead: the actual and
#'     the predicted classes of those `patches`, integer arrays with `levels`; counts of cells; how many
#'     cells of each patch are labelled, and the share of them that is right. Its `loss` is the mean
#'     cross-entropy of these cells}
#'   \item{units, n_units, n_boot, seed, baselines, kind}{what was drawn, and how often}
#'   It has methods for `print()`, [plot()][plot.edaphosbridge_interpretation], `autoplot()`,
#'   `as.data.frame()` and `tidy()` (both the scores), [most_confused()] and [top_losses()].
#'
#' @references
#' Efron, B. and Tibshirani, R. J. (1993). An introduction to the bootstrap.
#'
#' Guo, C., Pleiss, G., Sun, Y. and Weinberger, K. Q. (2017). On calibration of modern neural
#' networks. ICML 2017.
#'
#' Lin, L. I.-K. (1989). A concordance correlation coefficient to evaluate reproducibility.
#' Biometrics 45.
#'
#' Rolf, E. et al. (2021). A generalizable and accessible approach to machine learning with global
#' satellite imagery. Nature Communications 12. (Random convolutions.)
#' @seealso [foundation_calibrate()], [foundation_attribute()], [foundation_band_importance()]
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' data <- statlog_landsat()
#' x <- (data$x - mean(data$x)) / sd(data$x)
#' train <- which(data$train)[1:200]
#' test <- which(!data$train)[1:100]
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_classifier(encoder, x[train, , , ], data$y[train], epochs = 5, seed = 1)
#' found <- foundation_interpret(fit, x[test, , , ], data$y[test], n_boot = 100, seed = 1)
#' found
#' most_confused(found)
#' top_losses(found, 3)
#' plot(found)
#' @export
foundation_interpret <- function(fit, x, y, ..., groups = NULL, blocks = NULL, block_size = NULL,
                                 n_boot = 1000L, seed = NULL, baselines = FALSE, train = NULL,
                                 n_pictures = 25L, encoder = NULL) {
  call <- sys.call()
  stop_if_unused("foundation_interpret", ..., call = call)
  fit <- to_fit(fit, call)
  answer <- python_call("interpret", list(
    fit$state,
    held_modules(fit, call, encoder = encoder),
    to_patches(x, call),
    to_truth(fit, y, call),
    to_units(groups, blocks, block_size, call),
    list(
      n_boot = to_scalar(n_boot), seed = to_scalar(seed), baselines = to_scalar(baselines),
      n_pictures = to_scalar(n_pictures)
    ),
    to_training_data(fit, train, call),
    draw_seed
  ))
  from_interpretation(answer_value(answer, call))
}

#' The classes that are confused, and the patches that are most wrong
#'
#' @param x A result of [foundation_interpret()] or [foundation_knn()].
#' @param min_val The smallest number of patches (of a segmenter cells) that is shown.
#' @param k How many rows; by default all.
#' @return Data frames. `most_confused()`: `actual`, `predicted` and `count`, most first; of a
#'   segmenter counts of cells.
#'   `top_losses()`: `prediction`, `actual`, `loss` (cross-entropy, or squared error), of a
#'   classifier `probability` of the actual class, and `row`; the largest loss first. Of a segmenter
#'   `labelled` (cells), `pixel_accuracy`, `loss` and `row`.
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' y <- factor(rep(c("Oxisol", "Ultisol"), 30))
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_classifier(encoder, x, y, epochs = 3, seed = 1)
#' found <- foundation_interpret(fit, x, y, n_boot = 0)
#' most_confused(found)
#' top_losses(found, 3)
#' @export
most_confused <- function(x, min_val = 1L) {
  call <- sys.call()
  to_interpretation(x, c("classification", "segmentation"), call)
  least <- to_count(min_val, "min_val", call)
  counts <- x$confusion
  diag(counts) <- 0L
  table <- as.data.frame(as.table(t(counts)), stringsAsFactors = FALSE) # rows of counts in turn
  table <- data.frame(actual = table$actual, predicted = table$predicted, count = table$Freq)
  table <- table[table$count >= least, ]
  table <- table[order(-table$count), ]
  rownames(table) <- NULL
  table
}

#' @rdname most_confused
#' @export
top_losses <- function(x, k = NULL) {
  call <- sys.call()
  to_interpretation(x, c("classification", "regression", "segmentation"), call)
  order <- order(-x$loss)
  most <- if (is.null(k)) length(order) else min(to_count(k, "k", call), length(order))
  rows <- order[seq_len(most)]
  if (x$kind == "classification") {
    of_actual <- x$probabilities[cbind(rows, as.integer(x$actual)[rows])]
    values <- data.frame(
      prediction = x$predicted[rows], actual = x$actual[rows], loss = x$loss[rows],
      probability = of_actual
    )
  } else if (x$kind == "segmentation") {
    values <- as.data.frame(lapply(x[c("labelled", "pixel_accuracy", "loss")], `[`, rows))
  } else {
    several <- length(x$targets) > 1L
    columns <- lapply(seq_along(x$targets), function(i) {
      named <- paste0(c("prediction", "actual"), if (several) paste0("_", x$targets[[i]]))
      structure(list(x$predicted[rows, i], x$actual[rows, i]), names = named)
    })
    values <- data.frame(columns, loss = x$loss[rows], check.names = FALSE)
  }
  cbind(values, row = rows)
}

#' @export
as.data.frame.edaphosbridge_interpretation <- function(x, row.names = NULL, optional = FALSE, ...) {
  as.data.frame(x$scores, row.names = row.names, optional = optional, ...)
}

#' @exportS3Method generics::tidy
tidy.edaphosbridge_interpretation <- function(x, ...) {
  stop_if_unused("tidy", ...)
  x$scores
}

# --- what crosses ----------------------------------------------------------------------------

# A fit of encoder and head: of a sweep that of its best setting.
to_fit <- function(fit, call) {
  if (missing(fit)) {
    stop_input("fit", "is missing.", call)
  }
  if (inherits(fit, "edaphosbridge_probe_sweep")) {
    fit <- fit$classifier
  }
  if (!is_fit(fit)) {
    hint <- if (inherits(fit, "edaphosbridge_ensemble")) " Each of its `members` is one." else ""
    stop_input("fit", sprintf(
      "must be a fit of encoder and head, as foundation_fit_classifier() returns; found %s.%s",
      class(fit)[[1]], hint
    ), call)
  }
  fit
}

# Labels for a classifier, masks for a segmenter, else numbers.
to_truth <- function(fit, y, call) {
  if (inherits(fit, "edaphosbridge_multilabel")) {
    stop_input("fit", paste(
      "must be of classification or regression; found 'multilabel'.",
      "foundation_multi_top_losses() shows where its labels are wrong."
    ), call)
  }
  to_learnt(fit, y, call)
}

# What the bootstrap draws.
to_units <- function(groups, blocks, block_size, call) {
  list(
    groups = to_groups(groups, call),
    blocks = if (!is.null(blocks)) to_points(blocks, call, "blocks"),
    block_size = to_scalar(block_size)
  )
}

to_training_data <- function(fit, train, call) {
  if (is.null(train)) {
    return(NULL)
  }
  if (!is.list(train) || !all(c("x", "y") %in% names(train))) {
    stop_input("train", "must be a list with `x` and `y`.", call)
  }
  list(x = to_patches(train$x, call, "train"), y = to_truth(fit, train$y, call))
}

# Checks that stay in R.
to_interpretation <- function(x, kinds, call) {
  if (!inherits(x, "edaphosbridge_interpretation")) {
    stop_input("x", sprintf(
      "must be a result of foundation_interpret() or foundation_knn(); found %s.", class(x)[[1]]
    ), call)
  }
  if (!x$kind %in% kinds) {
    stop_input("x", sprintf("must be of %s; found %s.", paste(kinds, collapse = " or "), x$kind), call)
  }
}

to_count <- function(value, argument, call) {
  is_whole <- is.numeric(value) && length(value) == 1L && !is.na(value) &&
    is.finite(value) && value == trunc(value) && value >= 1
  if (!is_whole) {
    shown <- paste(utils::head(deparse(value), 1L), collapse = " ")
    stop_input(argument, sprintf("must be a positive whole number; found %s.", shown), call)
  }
  as.integer(value)
}
