#' Fine-tune by a recipe
#'
#' `foundation_fine_tune()` does as fastai's `fine_tune()`: the head alone first, then everything,
#' with one-cycle rates. `foundation_finetune_classifier()` goes on from a fit: its encoder trains
#' together with its head. Nothing that is given is changed.
#'
#' @section fastai's recipe:
#' Two one-cycle phases of AdamW: `freeze_epochs` of the head at `base_lr`, while the encoder's
#' BatchNorm trains on; then `epochs` of all groups, at half of it for the head, and rates that fall
#' from there in a geometric series to `base_lr / 2 / lr_mult` for the first block of the encoder.
#'
#' @section Recipes from a fit:
#' * `"lp_ft"`: all groups, the encoder at `lr / lr_mult`. From a linear probe, that is linear
#'   probing, then fine-tuning (Kumar et al. 2022).
#' * `"gradual"`: `epochs` for the last block of the encoder and the head, as many with one more
#'   block, and so on down to the first (Howard and Ruder 2018).
#' * `"layerwise"`: all groups, with rates that fall in a geometric series from `lr` of the head to
#'   `lr / lr_mult` of the first block.
#' * A list of phases of your own, see [foundation_phase()].
#'
#' @inheritParams foundation_fit_classifier
#' @param encoder_or_fit An encoder as in [foundation_fit_classifier()], which learns classes; or a fit
#'   of any task: that is gone on from with its own head, and `y` may have no other classes, labels or
#'   targets than its own. For numbers, several labels or masks, give a fit of
#'   [foundation_fit_regressor()], [foundation_fit_multilabel()] or [foundation_fit_segmenter()].
#' @param fit A fit of [foundation_fit_classifier()], [foundation_fit_regressor()],
#'   [foundation_fit_multilabel()] or [foundation_fit_segmenter()]; `y` (masks of a segmenter) may have
#'   no other classes, labels or targets than its own.
#' @param epochs Of all together; in `foundation_finetune_classifier()` of each phase of the recipe.
#' @param batch_size Patches a step.
#' @param base_lr Highest rate of the head in the first phase.
#' @param freeze_epochs Of the head alone, before; may be 0.
#' @param lr_mult From the head's rate to that of the first block, or of the encoder (`"lp_ft"`).
#' @param pct_start,div Of the second phase; see [foundation_phase()].
#' @param weight_decay Of fastai's recipe decoupled, of all but norm layers and biases; else coupled.
#' @param split The groups of an encoder of your own: a list with the names of its submodules for
#'   each, input first. By default its own `groups()`, else its top-level parts.
#' @param recipe,lr See the section on recipes.
#'
#' @return A fit of the class of the one that was gone on from, from an encoder as of
#'   [foundation_fit_classifier()]; `config` has the `recipe` and its `phases`.
#' @references
#' Howard, J. and Gugger, S. (2020). fastai: a layered API for deep learning. Information 11.
#'
#' Howard, J. and Ruder, S. (2018). Universal language model fine-tuning for text classification. ACL.
#'
#' Kumar, A., Raghunathan, A., Jones, R., Ma, T. and Liang, P. (2022). Fine-tuning can distort
#' pretrained features and underperform out-of-distribution. ICLR.
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' y <- factor(rep(c("Oxisol", "Ultisol"), 30))
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' foundation_fine_tune(encoder, x, y, epochs = 2, seed = 1)
#' probe <- foundation_fit_classifier(encoder, x, y, epochs = 3, seed = 1)
#' foundation_finetune_classifier(probe, x, y, recipe = "layerwise", epochs = 2, seed = 1)
#' @export
foundation_fine_tune <- function(encoder_or_fit, x, y,
                                 epochs = 5L,
                                 base_lr = 2e-3,
                                 freeze_epochs = 1L,
                                 lr_mult = 100,
                                 pct_start = 0.3,
                                 div = 5,
                                 weight_decay = 0.01,
                                 head = c("linear", "mlp", "concat_pool"),
                                 hidden = 512L,
                                 dropout = 0.5,
                                 split = NULL,
                                 batch_size = 64L,
                                 val_split = 0.2,
                                 device = c("cpu", "mps", "cuda"),
                                 seed = NULL,
                                 verbose = FALSE,
                                 class_weight = NULL,
                                 label_smoothing = 0,
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
  refuse_lr(call, parent.frame())
  data <- labelled_start(encoder_or_fit, x, y, call, "encoder_or_fit")
  from_fit_of(encoder_or_fit, fit_in_python("fine_tune", data, call, "fine-tuning", task_of(encoder_or_fit)))
}

# R would take `lr` for the beginning of `lr_mult`, and train the encoder at a hundred times the rate.
refuse_lr <- function(call, frame) {
  given <- names(call)
  if (any(vapply(as.list(call)[-1L], identical, NA, quote(...)))) {
    given <- c(given, eval(quote(...names()), frame))
  }
  if ("lr" %in% given) {
    stop_input("lr", paste(
      "is no argument of foundation_fine_tune(). `base_lr` is the highest rate of the head;",
      "`lr_mult` says how much lower that of the encoder's first block is."
    ), call)
  }
}

#' @rdname foundation_fine_tune
#' @export
foundation_finetune_classifier <- function(fit, x, y,
                                           recipe = c("lp_ft", "gradual", "layerwise"),
                                           epochs = 10L,
                                           lr = 1e-4,
                                           lr_mult = 10,
                                           weight_decay = 0,
                                           split = NULL,
                                           batch_size = 32L,
                                           val_split = 0.2,
                                           device = c("cpu", "mps", "cuda"),
                                           seed = NULL,
                                           verbose = FALSE,
                                           class_weight = NULL,
                                           label_smoothing = 0,
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
  data <- labelled_start(fit, x, y, call, "fit")
  from_fit_of(fit, fit_in_python("finetune_classifier", data, call, "fine-tuning", task_of(fit)))
}

#' Describe a phase of training
#'
#' For the `recipe` of [foundation_finetune_classifier()]. What trains are groups: the blocks of the
#' encoder, input first, then the head. Every phase begins with a fresh optimiser; only weights cross
#' from one to the next.
#'
#' @param epochs Passes over the training rows.
#' @param lr Learning rate of all groups; of the first and the last group, with a geometric series
#'   between; or one a group.
#' @param backbone_lr_mult Where `lr` is one number: its factor for all groups but the head.
#' @param freeze_to First group that trains, counted from 0; negative from the end: -1 trains the
#'   head alone, and so does a number beyond the last group.
#' @param schedule `"constant"`; `"one_cycle"`, which rises from `lr / div` by a half cosine over the
#'   share `pct_start` of the steps, and falls to `lr / final_div`; `"cosine"`, which falls from `lr` to
#'   `lr / final_div`; or `"exponential"`, which grows from `lr` to `lr * final_div`.
#' @param pct_start,div,final_div See `schedule`.
#' @param momentum With `"one_cycle"`: Adam's beta1 at its highest and lowest, against the rate. `NULL`
#'   keeps that of `betas`.
#' @param batch_size Instead of the fit's.
#' @param weight_decay Coupled (added to the gradient), or with `decoupled` taken off the weights
#'   (AdamW).
#' @param decoupled See `weight_decay`.
#' @param decay_norms Whether norm layers and biases decay too.
#' @param betas,eps Of Adam.
#' @param norms Whether norm layers of frozen groups are as frozen as the rest, running statistics
#'   included (`"lock"`), or train on at their group's rate, as fastai's do (`"train"`).
#' @return A list of class `edaphosbridge_phase`.
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' foundation_phase(2, lr = c(1e-5, 1e-3), schedule = "one_cycle")
#' @export
foundation_phase <- function(epochs,
                             lr = 1e-3,
                             backbone_lr_mult = 1,
                             freeze_to = 0L,
                             schedule = c("constant", "one_cycle", "cosine", "exponential"),
                             pct_start = 0.25,
                             div = 25,
                             final_div = 1e5,
                             momentum = c(0.95, 0.85),
                             batch_size = NULL,
                             weight_decay = 0,
                             decoupled = FALSE,
                             decay_norms = TRUE,
                             betas = c(0.9, 0.999),
                             eps = 1e-8,
                             norms = c("lock", "train")) {
  call <- sys.call()
  if (missing(epochs)) {
    stop_input("epochs", "is missing.", call)
  }
  settings <- to_settings(environment(), formals()[-1], call)
  settings[c("epochs", "lr", "momentum")] <- list(
    to_scalar(epochs),
    if (length(lr) > 1L) to_numbers(lr) else to_scalar(lr),
    if (!is.null(momentum)) to_numbers(momentum)
  )
  from_phase(answer_value(python_call("phase", list(settings)), call))
}

#' @export
format.edaphosbridge_phase <- function(x, ...) {
  values <- vapply(unclass(x), function(value) paste(format(value), collapse = ", "), "")
  c("<edaphosbridge phase>", sprintf("  %-18s%s", paste0(names(values), ":"), values))
}

#' @export
print.edaphosbridge_phase <- function(x, ...) {
  cat(format(x, ...), sep = "\n")
  invisible(x)
}
