#' Probes that watch a pretraining
#'
#' Given as `probe` to [foundation_moco_pretrain()] and its sisters, a probe looks after every so many
#' epochs at a frozen copy of the encoder: it learns the classes of labelled patches from their
#' features, and scores others that are held out, always the same ones. `linear_probe()` learns a
#' linear classifier of standardised features, by L-BFGS as [foundation_probe_sweep()] does; for
#' `knn_probe()` the nearest neighbours vote, as in [foundation_knn()], and nothing is trained. Their
#' score is the accuracy. `segmentation_probe()` tells the classes of cells: each look is a fit of
#' [foundation_fit_segmenter()] with a frozen encoder and the same initial weights, and the score its
#' intersection over union, of the second of two classes, of more their mean.
#'
#' The fit has the scores as `probe_history`, and its `plot()` and the lines of the run show them.
#' Pretraining itself sees nothing of it: without `patience` it ends in the same encoder with and
#' without a probe, to the last bit. A checkpoint of a run with another probe, or none, is refused.
#'
#' @param x,y Labelled patches and their classes, as in [foundation_fit_classifier()], with the
#'   channels of the patches that are pretrained on.
#' @param masks The class of each cell of `x`, as in [foundation_fit_segmenter()]; a
#'   [foundation_tile_dataset()] with labels has its own.
#' @param every Epochs between two looks; at most those of the run.
#' @param patience Stop the run after so many looks in a row without a better score. The encoder of
#'   the best look, of several the first, is then the one that the fit has. `NULL` never stops.
#' @param C Inverse penalty, in scikit-learn's notation.
#' @param k Neighbours that vote, at most as many as there are.
#' @param temperature The smaller, the more the nearest count.
#' @param decoder `"clay"`, `"unet"` or `"linear"`, as in [foundation_fit_segmenter()].
#' @param epochs,batch_size,lr,classes,unlabelled As in [foundation_fit_segmenter()]; the epochs are
#'   those of a look.
#' @param val_split Share of the patches that is scored, in `(0, 1)`.
#' @param seed Whole number, of the draw of these patches, and of a decoder's initial weights. It is not
#'   that of the run, so that several runs are scored by the same patches.
#' @param groups,blocks,block_size,buffer,folds,fold,validation Which patches are scored, as in
#'   [foundation_fit_classifier()]: whole groups or blocks, a fold, or rows given.
#'
#' @return A list of class `edaphosbridge_probe`, which holds the patches.
#' @references
#' Alain, G. and Bengio, Y. (2016). Understanding intermediate layers using linear classifier probes.
#' arXiv:1610.01644.
#'
#' Wu, Z., Xiong, Y., Yu, S. X. and Lin, D. (2018). Unsupervised feature learning via non-parametric
#' instance discrimination. CVPR 2018.
#' @seealso [foundation_moco_pretrain()]
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' data <- statlog_landsat()
#' x <- (data$x - mean(data$x)) / sd(data$x)
#' probe <- linear_probe(x[1:200, , , ], data$y[1:200], every = 5)
#' probe
#' fit <- foundation_moco_pretrain(x[201:700, , , ], epochs = 10, seed = 1, probe = probe)
#' fit$probe_history
#' plot(fit)
#' @export
linear_probe <- function(x, y,
                         every = 1L,
                         patience = NULL,
                         C = 1,
                         val_split = 0.2,
                         seed = 1L,
                         groups = NULL,
                         blocks = NULL,
                         block_size = NULL,
                         buffer = 0,
                         folds = NULL,
                         fold = NULL,
                         validation = NULL) {
  probe_of("linear", x, y, sys.call())
}

#' @rdname linear_probe
#' @export
knn_probe <- function(x, y,
                      every = 1L,
                      patience = NULL,
                      k = 20L,
                      temperature = 0.1,
                      val_split = 0.2,
                      seed = 1L,
                      groups = NULL,
                      blocks = NULL,
                      block_size = NULL,
                      buffer = 0,
                      folds = NULL,
                      fold = NULL,
                      validation = NULL) {
  probe_of("knn", x, y, sys.call())
}

#' @rdname linear_probe
#' @export
segmentation_probe <- function(x, masks = NULL,
                               every = 1L,
                               patience = NULL,
                               decoder = c("clay", "unet", "linear"),
                               epochs = 30L,
                               batch_size = 32L,
                               lr = 1e-3,
                               classes = NULL,
                               unlabelled = NULL,
                               val_split = 0.2,
                               seed = 1L,
                               groups = NULL,
                               blocks = NULL,
                               block_size = NULL,
                               buffer = 0,
                               folds = NULL,
                               fold = NULL,
                               validation = NULL) {
  probe_of("segmentation", x, masks, sys.call())
}

# For the function that the user called: a probe of its arguments, which Python has checked. `learnt`
# are labels or masks.
probe_of <- function(kind, x, learnt, call) {
  arguments <- parent.frame()
  settings <- to_settings(arguments, formals(sys.function(sys.parent())), call)
  if (missing(x)) stop_input("x", "is missing.", call)
  if (missing(learnt)) stop_input("y", "is missing.", call)
  settings["parting"] <- list(to_split(arguments, call))
  probe <- structure(
    list(kind = kind, x = x, learnt = learnt, settings = settings), class = "edaphosbridge_probe"
  )
  known <- answer_value(python_call("probe", list(to_probe(probe, call))), call)
  attr(probe, "known") <- from_probe(known)
  probe
}

#' @export
format.edaphosbridge_probe <- function(x, ...) {
  known <- attr(x, "known", exact = TRUE)
  values <- vapply(known, function(value) paste(format(value), collapse = ", "), "")
  c("<edaphosbridge probe>", sprintf("  %-14s%s", paste0(names(values), ":"), values))
}

#' @export
print.edaphosbridge_probe <- function(x, ...) {
  cat(format(x, ...), sep = "\n")
  invisible(x)
}
