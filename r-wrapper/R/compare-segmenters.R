#' Compare segmenters: frozen, fine-tuned, from scratch
#'
#' Fits segmenters in several ways and scores them on the same patches, which none of them learnt from.
#'
#' @param encoder,x,masks,val_split,classes,unlabelled,seed As in [foundation_fit_segmenter()]: with the
#'   same seed and settings it gives the same fit, to the last bit.
#' @param models What is compared: some of `"frozen"`, `"finetune"` and `"from_scratch"`; or a named list
#'   with a list of settings of [foundation_fit_segmenter()] for each model, such as
#'   `list("U-Net" = list(regime = "finetune", decoder = "unet"))`.
#' @param test List with `x` and `masks`, what is scored; of a tile dataset its own masks by default. Without
#'   it the rows that validate, which are the same for all.
#' @param n_boot Draws of the bootstrap over patches, over groups or blocks where they are given without
#'   `test`; 0 for no intervals.
#' @param n_pictures Patches that are kept for `plot(which = "masks")`: those with the largest losses of the
#'   first model.
#' @param verbose Whether to report loss and intersection over union of each fit as messages. Otherwise an
#'   interactive session shows a progress bar.
#' @param ... Further arguments of [foundation_fit_segmenter()], for all models; of a `checkpoint_dir` each
#'   has a folder of its own. `patience` needs `test`: it would choose by the rows that are scored. For
#'   `plot()` and `autoplot()` not used.
#'
#' @return A list of class `c("edaphosbridge_segmenter_comparison", "edaphosbridge_result")` with
#'   \item{fits, interpretations}{lists by the names of models: fits of [foundation_fit_segmenter()], and
#'     results of [foundation_interpret()]}
#'   \item{scores}{data frame with `model`, `metric`, `class` (`NA` for all together), `estimate`,
#'     `conf.low` and `conf.high`, see [foundation_interpret()]}
#'   \item{classes, colours}{the classes, and what they are drawn in}
#'   \item{patches, masks, predicted, rows}{the patches that are kept, their masks, what each model makes
#'     of them (a list), and which of the scored patches they are}
#'   \item{seed}{that of all fits}
#'   It has methods for `print()`, `plot()`, `autoplot()`, `as.data.frame()` and `tidy()` (both the scores).
#' @seealso [foundation_fit_segmenter()], [foundation_interpret()]
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(40 * 4 * 8 * 8), c(40, 4, 8, 8))
#' masks <- ifelse(x[, 1, , ] > 0, "wet", "dry")
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' found <- foundation_compare_segmenters(encoder, x, masks, epochs = 2, n_boot = 50, seed = 1)
#' found
#' plot(found, metric = "dice")
#' plot(found, "masks", k = 2)
#' @export
foundation_compare_segmenters <- function(encoder, x, masks = NULL, ...,
                                          models = c("frozen", "finetune", "from_scratch"),
                                          test = NULL,
                                          n_boot = 1000L,
                                          n_pictures = 4L,
                                          val_split = 0.2,
                                          classes = NULL,
                                          unlabelled = NULL,
                                          seed = NULL,
                                          verbose = FALSE) {
  call <- sys.call()
  takes <- formals(foundation_fit_segmenter)
  ours <- setdiff(names(formals()), "...")
  stop_if_unused(
    "foundation_compare_segmenters", ...,
    also = setdiff(names(takes), ours), takes = c(formals()[ours], takes[setdiff(names(takes), ours)])
  )
  given <- list(...)
  labels <- to_masks(masks, call)
  needs_none <- !missing(encoder) && is.null(encoder) && identical(models, "from_scratch")
  arguments <- c("n_boot", "n_pictures", "val_split", "classes", "unlabelled", "seed")
  values <- environment()
  progress <- fit_progress(verbose, "segmenter")
  on.exit(progress$close())
  random <- NULL # as it was before a seed was drawn
  draw <- function() {
    random <<- list(get0(".Random.seed", globalenv(), inherits = FALSE))
    draw_seed()
  }
  answer <- python_call("compare_segmenters", list(
    if (!needs_none) to_encoder(encoder, call),
    to_patches(x, call),
    labels,
    to_models(models, takes, call),
    to_test(test, call),
    to_split(list2env(utils::modifyList(list(buffer = 0, x = x, masks = masks), given)), call),
    to_settings(values, formals()[arguments], call),
    c(
      to_settings(given, takes[intersect(names(takes), names(given))], call),
      list(verbose = to_scalar(verbose))
    ),
    draw,
    progress$on_epoch
  ))
  progress$resume()
  if ("edaphosbridge_input_error" %in% answer$error$classes) put_back(random)
  from_segmenter_comparison(answer_value(answer, call))
}

# Regimes, or settings by name; what a fit has no argument for crosses too, and is refused there.
to_models <- function(models, takes, call) {
  if (!is.list(models) || is.object(models) || !all(nzchar(names_or_none(models)))) {
    return(to_numbers(models))
  }
  stop_if_twice(names(models), "models", call)
  lapply(models, function(own) {
    if (!is.list(own) || is.object(own)) {
      return(to_scalar(own))
    }
    stop_if_twice(names(own), "models", call)
    known <- to_settings(own, takes[intersect(names(takes), names(own))], call)
    c(known, lapply(own[setdiff(names(own), names(known))], to_scalar))
  })
}

to_test <- function(test, call) {
  if (is.null(test)) {
    return(NULL)
  }
  if (!is.list(test) || is.object(test) || !"x" %in% names(test)) {
    stop_input("test", "must be a list with `x` and `masks`.", call)
  }
  list(x = to_patches(test$x, call, "test"), masks = to_masks(test$masks, call, "test"))
}

#' @rdname foundation_compare_segmenters
#' @param object A result of `foundation_compare_segmenters()`; so is `x` of `plot()`.
#' @param which `"scores"`, a score of each class and its mean with their intervals, a colour a model; or
#'   `"masks"`, patches beside their masks and what each model predicts, where white cells are unlabelled.
#' @param metric `"iou"`, `"dice"`, `"f1"`, `"precision"`, `"recall"` or `"pixel_accuracy"`.
#' @param k How many of the patches; by default all that are kept.
#' @param bands,stretch As in [plot()][plot.edaphosbridge_interpretation].
#' @export
plot.edaphosbridge_segmenter_comparison <- function(x, which = c("scores", "masks"), metric = "iou",
                                                    k = NULL, bands = NULL,
                                                    stretch = c("percent", "minmax", "none"), ...) {
  call <- sys.call()
  stop_if_unused("plot", ...)
  if (which_of_comparison(which, call) == "scores") {
    draw_intervals(scores_by_class(x, metric, call), metric)
  } else {
    shown <- pictures_of_comparison(x, k, bands, stretch, call)
    draw_masks(shown$hex, shown$titles, shown$masks, x$classes, x$colours)
  }
  invisible(x)
}

#' @rdname foundation_compare_segmenters
#' @method autoplot edaphosbridge_segmenter_comparison
#' @exportS3Method ggplot2::autoplot edaphosbridge_segmenter_comparison
autoplot.edaphosbridge_segmenter_comparison <- function(object, which = c("scores", "masks"),
                                                        metric = "iou", k = NULL, bands = NULL,
                                                        stretch = c("percent", "minmax", "none"),
                                                        ...) {
  call <- sys.call()
  stop_if_unused("autoplot", ...)
  if (which_of_comparison(which, call) == "scores") {
    interval_plot(scores_by_class(object, metric, call), metric)
  } else {
    shown <- pictures_of_comparison(object, k, bands, stretch, call)
    mask_plot(shown$hex, shown$titles, shown$masks, object$classes, object$colours)
  }
}

#' @export
as.data.frame.edaphosbridge_segmenter_comparison <- function(x, row.names = NULL, optional = FALSE, ...) {
  as.data.frame(x$scores, row.names = row.names, optional = optional, ...)
}

#' @exportS3Method generics::tidy
tidy.edaphosbridge_segmenter_comparison <- function(x, ...) {
  stop_if_unused("tidy", ...)
  x$scores
}

which_of_comparison <- function(which, call) {
  choices <- c("scores", "masks")
  if (identical(which, choices)) {
    return("scores")
  }
  if (!is.character(which) || length(which) != 1L || !which %in% choices) {
    stop_input("which", "must be \"scores\" or \"masks\".", call)
  }
  which
}

# A row for each model and class, and for the mean of classes, "all".
scores_by_class <- function(x, metric, call) {
  metrics <- unique(x$scores$metric[is.na(x$scores$class)])
  if (!is.character(metric) || length(metric) != 1L || !metric %in% metrics) {
    problem <- sprintf("must be one of %s.", paste0("\"", metrics, "\"", collapse = ", "))
    stop_input("metric", problem, call)
  }
  table <- x$scores[x$scores$metric == metric, ]
  of <- ifelse(is.na(table$class), "all", table$class)
  table$of <- factor(of, unique(c(x$classes, "all")))
  table$model <- factor(table$model, names(x$fits))
  table
}

pictures_of_comparison <- function(x, k, bands, stretch, call) {
  kept <- length(x$rows)
  most <- if (is.null(k)) kept else to_count(k, "k", call)
  if (most > kept) {
    problem <- "must be at most %d, the patches that were kept. `n_pictures` keeps more."
    stop_input("k", sprintf(problem, kept), call)
  }
  hex <- hex_of(pictures_of(x$patches[seq_len(most), , , , drop = FALSE], bands, stretch, call))
  list(
    hex = hex, titles = sprintf("patch %d", x$rows[seq_len(most)]),
    masks = c(list(actual = x$masks), x$predicted)
  )
}
