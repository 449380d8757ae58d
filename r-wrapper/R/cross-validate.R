#' Cross-validate a fit
#'
#' Fits once for each fold on the other rows, and judges what is predicted for its rows. Each fit is
#' `fit(encoder, x, y, folds = folds, fold = , seed = seed, ...)`: the rows of a fold are its
#' validation rows, no weight is learnt from them, and all fits have one seed. What is the same for all
#' rows is not made anew in each fold: the classes, and the mean and standard deviation by which a
#' regressor scales its targets.
#'
#' @section Processes:
#' Every fold is computed in one thread, so that the numbers are the same whatever `n_jobs`. With
#' `n_jobs` above 1, folds are computed in Python processes of their own, which end with this R. The
#' encoder must then be one of this package: a Python module of your own cannot leave this process.
#'
#' @section Stopped and gone on with:
#' With `checkpoint_dir` each finished fold is kept in a file of that folder. The same call again, after an
#' interrupt or a crash, computes the others only. Folds of a call with other settings or other data are
#' refused.
#'
#' @param fit The function that fits, such as [foundation_fit_classifier], or its name.
#' @param encoder,x,y As `fit` takes them. Where it goes on from a fit ([foundation_fine_tune()],
#'   [foundation_finetune_classifier()]) and that has seen the rows of `x`, so have all folds, and the
#'   numbers are too good: it must come from other rows.
#' @param ... Further arguments of `fit`, by name, but for those that say which rows validate, and
#'   `val_split`.
#' @param folds As in [foundation_fit_classifier()]; a row may be in several folds, or in none.
#' @param groups Vector or factor of length N, the group of each row: `k` folds of whole groups.
#' @param blocks,block_size,buffer Where each row lies, as in [foundation_fit_classifier()]: `k` folds
#'   of whole blocks, and rows nearer than `buffer` to a row that is held out do not train.
#' @param k How many folds are drawn from the seed; `NULL` for 5. Of single rows, each fold gets its
#'   share of each class. Not with `folds`.
#' @param n_jobs How many folds are computed at once.
#' @param checkpoint_dir A folder for finished folds, see below.
#' @param seed Whole number, the only source of randomness, of folds and of fits; `NULL` takes that of
#'   `checkpoint_dir`, or draws one from R's generator, so that `set.seed()` reproduces too.
#' @param verbose Whether to report each fold as a message. Otherwise an interactive session shows a
#'   progress bar.
#'
#' @return A list of class `c("edaphosbridge_cross_validation", "edaphos_cross_validation")` with
#'   \item{table}{data frame, one row a fold: `fold` (its number in `folds`, or its place), `n_train`,
#'     `n_test`, and how good the predictions of its rows are. Of a classifier `accuracy`,
#'     `balanced_accuracy` (the mean over the classes that are there of the share that is right) and
#'     `log_loss`; of a regressor `rmse`, `mae` and `r_squared`; of a segmenter `iou` and
#'     `pixel_accuracy`}
#'   \item{predictions}{numeric matrix with a row for each row of `x`: probabilities of each class, or
#'     values, each predicted by a fit that did not train on that row. `NA` for rows that were in no
#'     fold, the mean for those that were in several. Of a segmenter an array `(N, K, H, W)`}
#'   \item{columns}{character, the columns of `predictions`}
#'   \item{config}{list of `fit`, `k` (the number of folds), `by` (`"folds"`, `"groups"`, `"blocks"` or
#'     `"rows"`), `seed` and `settings`, those that were given}
#'   \item{task}{`"classification"`, for example}
#'   `as.data.frame()` and `tidy()` give `table`.
#'
#' @references
#' Roberts, D. R. et al. (2017). Cross-validation strategies for data with temporal, spatial,
#' hierarchical, or phylogenetic structure. Ecography 40, 913-929.
#' @seealso [foundation_fit_classifier()]
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' y <- factor(rep(c("Oxisol", "Ultisol"), 30))
#' field <- rep(1:10, each = 6)
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' result <- foundation_cross_validate(
#'   foundation_fit_classifier, encoder, x, y,
#'   epochs = 3, groups = field, k = 3, seed = 1
#' )
#' result
#' as.data.frame(result)
#' plot(result)
#' head(result$predictions)
#' @export
foundation_cross_validate <- function(fit, encoder, x, y, ...,
                                      folds = NULL,
                                      groups = NULL,
                                      blocks = NULL,
                                      block_size = NULL,
                                      buffer = 0,
                                      k = NULL,
                                      n_jobs = 1L,
                                      checkpoint_dir = NULL,
                                      seed = NULL,
                                      verbose = FALSE) {
  call <- sys.call()
  arguments <- environment()
  name <- name_of_verb(fit, call)
  takes <- formals(get(name))
  takes <- takes[setdiff(names(takes), c(names_of_data, names_of_split, "seed", "verbose"))]
  decided <- c("val_split", "patience") # which Python refuses, with the reason
  stop_if_unused(
    "foundation_cross_validate", ...,
    also = decided, takes = takes[setdiff(names(takes), decided)]
  )
  given <- list(...)
  learnt <- to_learnt_by(name, encoder, y, call)
  goes_on <- name %in% names_of_recipes
  progress <- fit_progress(verbose, "cross-validation", function(loss, measure, learner) measure)
  on.exit(progress$close())
  random <- NULL # as it was before a seed was drawn
  draw <- function() {
    random <<- list(get0(".Random.seed", globalenv(), inherits = FALSE))
    draw_seed()
  }
  answer <- python_call("cross_validation", list(
    name,
    if (goes_on) to_start(encoder, call, "encoder") else to_encoder(encoder, call),
    to_patches(x, call),
    learnt,
    to_settings(given, takes[intersect(names(takes), names(given))], call),
    to_split(arguments, call),
    list(
      k = to_scalar(k), n_jobs = to_scalar(n_jobs), checkpoint_dir = to_path(checkpoint_dir),
      seed = to_scalar(seed)
    ),
    to_scalar(verbose),
    draw,
    progress$on_epoch
  ))
  progress$resume()
  if ("edaphosbridge_input_error" %in% answer$error$classes) put_back(random)
  from_cross_validation(answer_value(answer, call))
}

# The generator of a call that is refused; folds are drawn before the first fit sees its settings.
put_back <- function(random) {
  if (is.null(random)) {
    return(invisible())
  }
  if (is.null(random[[1]])) {
    rm(".Random.seed", envir = globalenv())
  } else {
    assign(".Random.seed", random[[1]], envir = globalenv())
  }
}

# They may go on from a fit, with its head.
names_of_recipes <- c("foundation_fine_tune", "foundation_finetune_classifier")

# What `y` is to the function of that name.
to_learnt_by <- function(name, encoder, y, call) {
  if (name %in% names_of_recipes) {
    to_learnt(encoder, y, call)
  } else {
    to_learnt_of(sub("^foundation_fit_", "", name), y, call)
  }
}

# Functions of this package that fit and take `folds`.
names_of_verbs <- function() {
  names <- grep("^foundation_fi", ls(environment(foundation_cross_validate)), value = TRUE)
  Filter(function(name) {
    verb <- get(name)
    is.function(verb) && "folds" %in% names(formals(verb))
  }, names)
}

name_of_verb <- function(fit, call) {
  if (missing(fit)) {
    stop_input("fit", "is missing: the function that fits, such as foundation_fit_classifier.", call)
  }
  for (name in names_of_verbs()) {
    if (identical(fit, name) || (is.function(fit) && identical(fit, get(name)))) {
      return(name)
    }
  }
  found <- if (is.character(fit)) paste0("\"", fit[1L], "\"") else class(fit)[[1]]
  stop_input("fit", sprintf(
    "must be a function of this package that fits, or its name: %s; found %s.",
    paste(names_of_verbs(), collapse = ", "), found
  ), call)
}

#' @export
format.edaphosbridge_cross_validation <- function(x, ...) {
  attr(x, "printed", exact = TRUE)
}

#' @export
print.edaphosbridge_cross_validation <- function(x, ...) {
  cat(format(x, ...), sep = "\n")
  invisible(x)
}

#' @export
as.data.frame.edaphosbridge_cross_validation <- function(x, row.names = NULL, optional = FALSE, ...) {
  as.data.frame(x$table, row.names = row.names, optional = optional, ...)
}

#' @rdname tidiers.edaphosbridge
#' @method tidy edaphosbridge_cross_validation
#' @exportS3Method generics::tidy edaphosbridge_cross_validation
tidy.edaphosbridge_cross_validation <- function(x, ...) {
  stop_if_unused("tidy", ...)
  x$table
}

#' Plot the folds of a cross-validation
#'
#' One measure of each fold, and as a dotted line its mean over the folds that have a value.
#'
#' @param x A result of [foundation_cross_validate()].
#' @param measure One of the columns of `x$table` that say how good predictions are; the first by
#'   default.
#' @param ylim,xlab,ylab,... As in [graphics::plot.default()].
#' @return `x`, invisibly.
#' @seealso `autoplot()` in [autoplot.edaphosbridge_fit()] for ggplot2
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' y <- factor(rep(c("Oxisol", "Ultisol"), 30))
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' plot(foundation_cross_validate(foundation_fit_classifier, encoder, x, y, epochs = 3), "log_loss")
#' @export
plot.edaphosbridge_cross_validation <- function(x, measure = NULL, xlab = "fold",
                                                ylab = gsub("_", " ", measure),
                                                ylim = range(x$table[[measure]], na.rm = TRUE), ...) {
  stop_if_unused("plot", ..., also = graphical_parameters())
  measure <- measure_of(x, measure, sys.call())
  places <- seq_len(nrow(x$table))
  settings <- list(
    places, x$table[[measure]],
    xlab = xlab, ylab = ylab, ylim = ylim, xaxt = "n", pch = 19
  )
  do.call(graphics::plot, utils::modifyList(settings, list(...)))
  if (!any(c("xaxt", "axes") %in% ...names())) {
    graphics::axis(1L, at = places, labels = x$table$fold)
  }
  graphics::abline(h = mean(x$table[[measure]], na.rm = TRUE), lty = "dotted")
  invisible(x)
}

#' @rdname autoplot.edaphosbridge
#' @param measure Of a cross-validation: one of the columns of its `table`; the first by default.
#' @method autoplot edaphosbridge_cross_validation
#' @exportS3Method ggplot2::autoplot edaphosbridge_cross_validation
autoplot.edaphosbridge_cross_validation <- function(object, measure = NULL, ...) {
  stop_if_unused("autoplot", ...)
  measure <- measure_of(object, measure, sys.call())
  points <- data.frame(
    fold = factor(object$table$fold, unique(object$table$fold)), value = object$table[[measure]]
  )
  ggplot2::ggplot(points, ggplot2::aes(x = !!quote(fold), y = !!quote(value))) +
    ggplot2::geom_point(na.rm = TRUE) +
    ggplot2::geom_hline(yintercept = mean(points$value, na.rm = TRUE), linetype = "dotted") +
    ggplot2::labs(x = "fold", y = gsub("_", " ", measure))
}

measure_of <- function(result, measure, call) {
  measures <- setdiff(names(result$table), c("fold", "n_train", "n_test"))
  if (is.null(measure)) measure <- measures[[1]]
  if (!is.character(measure) || length(measure) != 1L || !measure %in% measures) {
    problem <- sprintf("must be one of %s.", paste0("\"", measures, "\"", collapse = ", "))
    stop_input("measure", problem, call)
  }
  if (all(is.na(result$table[[measure]]))) { # R squared of one row
    stop_input("measure", sprintf("has no value in any fold; found \"%s\".", measure), call)
  }
  measure
}
