#' Does pretraining pay where labels are few?
#'
#' Compares pretrained encoders with each other and with none, on few labels that are drawn many times:
#' in every repeat the same labels go to all.
#'
#' In the tables stand
#'
#' * each encoder frozen, then not: a linear head for `epochs` on what is frozen, then `epochs` of
#'   everything with a fresh Adam; in the tables under the name of the method;
#' * the same encoder's features as they are, by logistic regression: `"<method>, probe"`;
#' * the encoder's layers from scratch, all trained together from random weights. The protocol of the
#'   course gives them `epochs`, half of what a pretrained encoder trains; `2 * epochs` are a matched
#'   budget. Both are rows;
#' * logistic regression on raw pixels, random convolutions and image statistics (mean, sd, minimum and
#'   maximum of each band), which know of no encoder.
#'
#' Logistic regressions have a penalty of `C = 1` on standardised features and learn from all labels
#' drawn; whatever trains in epochs learns from all but a share `val_split` of them.
#'
#' @section Methods:
#' A method is one of
#'
#' * an encoder, or a fit that holds one, which must not have seen the tested patches;
#' * a function that pretrains one, such as [foundation_moco_pretrain];
#' * a list of such a function and its settings:
#'   `list(foundation_moco_pretrain, epochs = 500L)`;
#' * a function of your own, `function(x, seed)`, that gives an encoder or a fit.
#'
#' Functions get the patches that train, labelled or not, once for each fold. Those of this package run
#' in the processes of `n_jobs`, one of your own in this R, and with a `checkpoint_dir` it is refused:
#' nothing says whether it is still the same. Of two sensors, `x` has the channels of both, and a function of your
#' own parts them:
#' `function(x, seed) foundation_swav_pretrain(x[, 1:2, , ], x[, 3:4, , ], seed = seed)`.
#'
#' @inheritSection foundation_cross_validate Processes
#' @param methods Named list of methods, see below.
#' @param x Array, path or file as in [foundation_fit_classifier()]; read into memory.
#' @param y As in [foundation_fit_classifier()]. Where a label is `NA`, the patch is there for
#'   pretraining alone.
#' @param labels How many labels are drawn, one of each class and the rest at random; `Inf` is all there
#'   are. Several numbers are several budgets; a smaller draw is part of a larger one.
#' @param per_class Whether `labels` are of each class, or as many as it has.
#' @param repeats Draws of labels and of random weights, at least 2.
#' @param test List with `x` and `y`, what is tested. All of `x` trains then, and a pretraining function
#'   is called once.
#' @param folds,groups,blocks,block_size,buffer,k As in [foundation_cross_validate()], without `test`:
#'   repeats test the folds in turn, and nothing of a tested fold is seen by what is pretrained beside it.
#'   By default 5 folds of single rows.
#' @param standardise Whether each band gets mean 0 and standard deviation 1 over the patches that train,
#'   fold by fold.
#' @param epochs Of each of the two phases of a pretrained encoder.
#' @param scratch_epochs Of training from scratch, a row of the tables each; `NULL` for
#'   `c(epochs, 2 * epochs)`, `integer(0)` for none.
#' @param freeze_to First group that trains in the first phase, as in [foundation_phase()]: the head
#'   alone by default. The course froze the convolutions and trained its dense layer with the head,
#'   `-2L` of a rotation encoder.
#' @param lr,batch_size As in [foundation_phase()]. A `batch_size` of 1 is that of the course.
#' @param val_split Share of the labels that do not train what trains in epochs, in `[0, 1)`; of each
#'   class one always does. The course held out 0.2. Nothing is chosen by them.
#' @param device As in [foundation_fit_classifier()].
#' @param n_jobs How many fits, or pretraining functions, run at once.
#' @param checkpoint_dir A folder for what is finished, encoders too: the same call again, after an
#'   interrupt or a crash, goes on from there. Parts of a call with other settings or data are refused.
#' @param seed Whole number, the only source of randomness: repeat r has `seed + r - 1`; `NULL` takes
#'   that of `checkpoint_dir`, or draws one from R's generator, so that `set.seed()` reproduces too.
#' @param verbose Whether to report each fit as a message. Otherwise an interactive session shows a
#'   progress bar.
#' @param ... Not used: an argument of another name is an error.
#'
#' @return A list of class `c("edaphosbridge_few_label_experiment", "edaphosbridge_result")` with
#'   \item{table}{data frame, one row for each method, number of labels and repeat: `method`, `labels`,
#'     `repeat`, `fold` (what was tested), `n_train` (labels that were drawn, validation rows among them),
#'     `n_test`, `accuracy`, `balanced_accuracy`, `log_loss`, and `seconds` for learning and predicting,
#'     without pretraining}
#'   \item{summary}{data frame: mean and standard deviation (`_sd`) of these over the repeats}
#'   \item{differences}{data frame: differences of accuracy within a repeat of `method` and `minus`, their
#'     mean with a 95 % interval `conf.low` and `conf.high` (Student's t of the means of the folds where
#'     there are several, else of the repeats), and in how many of `n` repeats they are `above` 0}
#'   \item{pretraining}{data frame: `method`, `fold` and `seconds` of each call of a pretraining function}
#'   \item{config}{list of the settings, with the seed used}
#'   It has methods for `print()`, `plot()`, `autoplot()`, `as.data.frame()` and `tidy()` (both the table).
#'
#' @references
#' Strassmann, A. and Pawel, S. (2020). Self-supervised learning, a course session in R with Keras. (The
#' protocol.)
#'
#' Kolesnikov, A., Zhai, X. and Beyer, L. (2019). Revisiting self-supervised visual representation
#' learning. CVPR. (What a comparison depends on.)
#' @seealso [foundation_cross_validate()], [foundation_moco_pretrain()];
#'   `vignette("few-labels", package = "edaphosbridge")`
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' y <- factor(rep(c("Oxisol", "Ultisol", "Inceptisol"), 20))
#' x <- array(rnorm(60 * 4 * 5 * 5), c(60, 4, 5, 5)) + as.integer(y)
#' found <- foundation_few_label_experiment(
#'   list(SimCLR = list(foundation_simclr_pretrain, epochs = 2L)), x, y,
#'   labels = 12, repeats = 4, k = 2, epochs = 1, batch_size = 4, seed = 1
#' )
#' found
#' plot(found)
#' @export
foundation_few_label_experiment <- function(methods, x, y, labels,
                                            per_class = FALSE,
                                            repeats = 20L,
                                            test = NULL,
                                            folds = NULL,
                                            groups = NULL,
                                            blocks = NULL,
                                            block_size = NULL,
                                            buffer = 0,
                                            k = NULL,
                                            standardise = FALSE,
                                            epochs = 10L,
                                            scratch_epochs = NULL,
                                            freeze_to = -1L,
                                            lr = 1e-3,
                                            batch_size = 1L,
                                            val_split = 0.2,
                                            device = c("cpu", "mps", "cuda"),
                                            n_jobs = 1L,
                                            checkpoint_dir = NULL,
                                            seed = NULL,
                                            verbose = FALSE) {
  call <- sys.call()
  arguments <- environment()
  if (missing(methods)) {
    stop_input("methods", "is missing: encoders or pretraining functions, by name.", call)
  }
  if (missing(labels)) {
    stop_input("labels", "is missing: how many are drawn.", call)
  }
  learnt <- to_labels(y, call)
  own <- own_functions(call)
  progress <- fit_progress(verbose, "few labels", function(loss, accuracy, learner) accuracy)
  on.exit(progress$close())
  random <- NULL # as it was before a seed was drawn
  draw <- function() {
    random <<- list(get0(".Random.seed", globalenv(), inherits = FALSE))
    draw_seed()
  }
  settings <- c(
    "per_class", "repeats", "standardise", "epochs", "freeze_to", "lr", "batch_size", "val_split", "device"
  )
  answer <- python_call("few_labels", list(
    to_methods(methods, own$note, call),
    to_patches(x, call),
    learnt,
    to_labelled_test(test, call),
    c(
      to_settings(arguments, formals()[settings], call),
      list(
        labels = to_numbers(labels),
        scratch_epochs = if (!is.null(scratch_epochs)) to_numbers(scratch_epochs)
      )
    ),
    c(to_split(arguments, call), list(k = to_scalar(k))),
    list(
      n_jobs = to_scalar(n_jobs), checkpoint_dir = to_path(checkpoint_dir), seed = to_scalar(seed)
    ),
    to_scalar(verbose),
    draw,
    progress$on_epoch,
    own$pretrain
  ))
  progress$resume()
  own$resume()
  if ("edaphosbridge_input_error" %in% answer$error$classes) put_back(random)
  from_few_labels(answer_value(answer, call))
}

#' @export
as.data.frame.edaphosbridge_few_label_experiment <- function(x, row.names = NULL, optional = FALSE, ...) {
  as.data.frame(x$table, row.names = row.names, optional = optional, ...)
}

#' @rdname tidiers.edaphosbridge
#' @method tidy edaphosbridge_few_label_experiment
#' @exportS3Method generics::tidy edaphosbridge_few_label_experiment
tidy.edaphosbridge_few_label_experiment <- function(x, ...) {
  stop_if_unused("tidy", ...)
  x$table
}
