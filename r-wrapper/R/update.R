#' Fit again with other settings
#'
#' Makes the call of a fit again, with all its settings, its seed included, but
#' for those given here. A fit holds no data: they are given again.
#'
#' @param object A fit of [foundation_fit_classifier()], [foundation_fit_regressor()],
#'   [foundation_fit_multilabel()] or [foundation_fit_segmenter()], of [foundation_moco_pretrain()] and
#'   its sisters, or of [foundation_probe_sweep()]. What is no fit, such as a cross-validation or an
#'   ensemble, is refused: its function is called again.
#' @param x,y,masks As in the function that made the fit.
#' @param encoder The encoder to start from; by default the fit's own. After full
#'   fine-tuning that is the tuned one, so that training goes on from there; give
#'   the encoder of the first call to repeat it. The same goes for a `head` or `decoder` of your own, and
#'   for an encoder that was given to a pretraining. One that a pretraining made itself is made anew.
#' @param patches As in [foundation_moco_pretrain()]. Training starts afresh, or goes on from
#'   `checkpoint_dir`, see there.
#' @param x_b Of [foundation_swav_pretrain()], the patches of the second sensor; `patches` are those
#'   of the first. `NULL` goes on without one.
#' @param dataset Instead of `patches`: a [foundation_tile_dataset()]. The bands of a second sensor are
#'   those of the fit, if it comes from tiles, unless `bands_b` says others.
#' @param probe The probe of a run that had one, see [linear_probe()]; `NULL` for none.
#' @param ... Settings to change, arguments of the function that made the fit.
#'
#' @return A fit as that function returns. With a frozen encoder, the same data
#'   and no setting changed, it is identical to `object`.
#' @importFrom stats update
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' y <- factor(rep(c("Oxisol", "Ultisol"), 30))
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_classifier(encoder, x, y, epochs = 3, seed = 1)
#' longer <- update(fit, x, y, epochs = 5)
#' length(longer$loss_history)
#' @name update.edaphosbridge
NULL

#' @rdname update.edaphosbridge
#' @export
update.edaphosbridge_fit <- function(object, x, y, ..., encoder = object$encoder) {
  if (identical(object$config$solver, "lbfgs")) {
    stop_input(
      "object",
      paste(
        "comes from foundation_probe_sweep() and L-BFGS, which foundation_fit_classifier() does",
        "not offer. Call foundation_probe_sweep() again with the `C` wanted, or update() the sweep."
      ),
      sys.call()
    )
  }
  stop_if_of_recipe(object, sys.call())
  config <- object$config[names(object$config) != "temperature"] # found after the fit
  if (config$head == "custom") config$head <- quote(object$head)
  settings <- c(
    list(freeze_backbone = object$freeze_backbone),
    parted_again(config, list(...), sys.call()), list(device = object$device)
  )
  made_by <- sub("edaphosbridge_", "foundation_fit_", leaf_class_of(object))
  data <- list(encoder = quote(encoder), x = quote(x), y = quote(y))
  stop_if_unused("update", ..., takes = formals(get(made_by)))
  eval(fit_again(made_by, data, settings, list(...)))
}

# What trained is one argument, the classes are kept, and what learns is a decoder.
#' @rdname update.edaphosbridge
#' @export
update.edaphosbridge_segmenter <- function(object, x, masks = NULL, ..., encoder = object$encoder) {
  stop_if_of_recipe(object, sys.call())
  config <- object$config
  if (config$decoder == "custom") config$decoder <- quote(object$head)
  if (config$decoder == "from_scratch") config["decoder"] <- NULL
  settings <- c(
    list(regime = object$regime, classes = object$classes),
    parted_again(config, list(...), sys.call()), list(device = object$device)
  )
  data <- list(encoder = quote(encoder), x = quote(x), masks = quote(masks))
  stop_if_unused("update", ..., takes = formals(foundation_fit_segmenter))
  eval(fit_again("foundation_fit_segmenter", data, settings, list(...)))
}

# A recipe has phases, which the functions of tasks do not.
stop_if_of_recipe <- function(fit, call) {
  recipe <- fit$config$recipe
  if (!is.null(recipe)) {
    made_by <- if (recipe == "fine_tune") "foundation_fine_tune" else "foundation_finetune_classifier"
    problem <- sprintf("was fine-tuned by a recipe (%s). Call %s() again.", recipe, made_by)
    stop_input("object", problem, call)
  }
}

#' @rdname update.edaphosbridge
#' @export
update.edaphosbridge_pretrain <- function(object, patches, ..., x_b, dataset = NULL, probe) {
  if (missing(probe) && !is.null(object$config$probe)) {
    problem <- "is data of this fit, as `patches`, and is given again; `probe = NULL` goes without."
    stop_input("probe", problem, sys.call())
  }
  if (object$method == "simclr" && !is.null(dataset)) {
    patches <- dataset # no function of SimCLR's own takes tiles by another name
    dataset <- NULL
  }
  if (missing(x_b)) {
    if (is.null(dataset) && length(object$channels) > 1L) {
      problem <- "is data of this fit, as `patches`, and is given again; `x_b = NULL` goes without."
      stop_input("x_b", problem, sys.call())
    }
    x_b <- NULL
  }
  if (!is.null(x_b) && object$method != "swav") {
    stop_input("x_b", "is a second sensor, which only foundation_swav_pretrain() takes.", sys.call())
  }
  made_by <- sprintf("foundation_%s_pretrain", object$method)
  if (!is.null(dataset)) {
    made_by <- paste0(made_by, "_tiles")
    data <- list(dataset = quote(dataset))
  } else if (object$method == "swav") {
    data <- list(x_a = quote(patches), x_b = quote(x_b))
  } else {
    data <- list(patches = quote(patches))
  }
  if (!missing(probe) && !is.null(probe)) data$probe <- quote(probe)
  takes <- formals(get(made_by))
  settings <- object$config[setdiff(intersect(names(takes), names(object$config)), "probe")]
  settings$device <- object$device
  if (object$method == "swav") {
    if (!is.null(dataset)) settings$bands_b <- bands_of_b(object, list(...), sys.call())
    if (is.null(x_b) && is.null(settings$bands_b)) settings$shared_stem <- NULL
  }
  if (identical(settings$encoder, "given")) settings$encoder <- quote(object$encoder)
  if ("encoder" %in% names(list(...))) settings[c("feature_dim", "proj_dim")] <- NULL
  stop_if_unused("update", ..., takes = takes)
  eval(fit_again(made_by, data, settings, list(...)))
}

# The names of the bands of a second sensor: those given, else those of the fit; NULL without one.
bands_of_b <- function(fit, given, call) {
  if ("bands_b" %in% names(given) || length(fit$channels) < 2L) {
    return(given$bands_b)
  }
  if (is.null(fit$normalisation)) {
    problem <- "is needed with `dataset`: this fit knows no names of bands; `bands_b = NULL` goes without."
    stop_input("bands_b", problem, call)
  }
  fit$normalisation$bands[-seq_len(fit$channels[[1L]])]
}

#' @rdname update.edaphosbridge
#' @export
update.edaphosbridge_probe_sweep <- function(object, x, y, ...,
                                             encoder = object$classifier$encoder) {
  if (is.null(object$config)) {
    problem <- "was made before sweeps kept their settings. Call foundation_probe_sweep() again."
    stop_input("object", problem, sys.call())
  }
  settings <- c(object$config, list(device = object$classifier$device))
  if (length(settings$lr) == 0L) {
    settings$weight_decay <- NULL # of no use without Adam, and then the default where it comes back
  }
  data <- list(encoder = quote(encoder), x = quote(x), y = quote(y))
  stop_if_unused("update", ..., takes = formals(foundation_probe_sweep))
  eval(fit_again("foundation_probe_sweep", data, settings, list(...)))
}

# The settings with those of the split: groups, blocks, folds and validation rows are data, which a
# fit does not hold. Where the split is said anew, nothing of the old one stays.
parted_again <- function(config, given, call) {
  split <- config$split
  config$split <- NULL
  way <- split$by
  if (is.null(way)) {
    return(config)
  }
  others <- setdiff(c("groups", "blocks", "folds", "validation"), way)
  is_said_anew <- way %in% names(given) && is.null(given[[way]])
  if (is_said_anew || any(others %in% names(given))) {
    return(config)
  }
  if (!way %in% names(given)) {
    problem <- sprintf(
      "is data of this fit, as `x` and `y`, and is given again; `%s = NULL` draws rows at random.", way
    )
    stop_input(way, problem, call)
  }
  c(config, split[intersect(c("block_size", "buffer", "fold"), names(split))])
}

# The call, with `data` as names of variables: errors show it, and not the data.
fit_again <- function(made_by, data, settings, changes) {
  settings[names(changes)] <- changes
  as.call(c(as.name(made_by), data, settings))
}

# What is no fit keeps no settings to call with.
#' @rdname update.edaphosbridge
#' @export
update.edaphosbridge_result <- function(object, ...) {
  problem <- sprintf("is no fit, and does not keep how it was made. Call %s again.", maker_of(object))
  stop_input("object", problem, sys.call())
}

#' @export
update.edaphosbridge_cross_validation <- update.edaphosbridge_result

#' @export
update.edaphosbridge_ensemble <- update.edaphosbridge_result

#' @export
update.edaphosbridge_lr_find <- update.edaphosbridge_result

#' @export
update.edaphosbridge_tiles <- update.edaphosbridge_result

#' @export
update.edaphosbridge_encoder <- update.edaphosbridge_result

# What makes an object, "foundation_lr_find()".
maker_of <- function(object) {
  kind <- sub("^edaphosbridge_", "", leaf_class_of(object))
  switch(kind,
    attribution = "foundation_attribute()",
    cross_validation = "foundation_cross_validate()",
    ensemble = "foundation_finetune_ensemble()",
    interpretation = "foundation_interpret() or foundation_knn()",
    segmenter_comparison = "foundation_compare_segmenters()",
    tiles = "foundation_tile_dataset()",
    sprintf("foundation_%s()", kind)
  )
}
