# Assigning to what stands in an object's `state` too: the state follows, or the assignment is
# refused. Python reads the state, and would not see the change.

#' @export
`$<-.edaphosbridge_encoder` <- function(x, name, value) {
  assigned(x, name, value)
}

#' @export
`$<-.edaphosbridge_fit` <- `$<-.edaphosbridge_encoder`

#' @export
`$<-.edaphosbridge_tiles` <- `$<-.edaphosbridge_encoder`

#' @export
`$<-.edaphosbridge_ensemble` <- `$<-.edaphosbridge_encoder`

#' @export
`[[<-.edaphosbridge_encoder` <- function(x, i, value) {
  assigned(x, if (is.character(i)) i else names(x)[[i]], value)
}

#' @export
`[[<-.edaphosbridge_fit` <- `[[<-.edaphosbridge_encoder`

#' @export
`[[<-.edaphosbridge_tiles` <- `[[<-.edaphosbridge_encoder`

#' @export
`[[<-.edaphosbridge_ensemble` <- `[[<-.edaphosbridge_encoder`

#' @export
`[<-.edaphosbridge_encoder` <- function(x, i, value) {
  names <- if (is.character(i)) i else names(x)[i]
  for (k in seq_along(names)) {
    x <- assigned(x, names[[k]], if (length(value) > 0L) value[[(k - 1L) %% length(value) + 1L]])
  }
  x
}

#' @export
`[<-.edaphosbridge_fit` <- `[<-.edaphosbridge_encoder`

#' @export
`[<-.edaphosbridge_tiles` <- `[<-.edaphosbridge_encoder`

#' @export
`[<-.edaphosbridge_ensemble` <- `[<-.edaphosbridge_encoder`

# What is refused, and what to do instead.
in_state <- list(
  edaphosbridge_encoder = list(
    names = c(
      "architecture", "in_channels", "n_channels", "feature_dim", "proj_dim", "width", "stem",
      "patch_size"
    ),
    instead = "foundation_encoder() makes another encoder."
  ),
  edaphosbridge_fit = list(
    names = c("encoder", "normalisation", "patch_orientation"),
    instead = paste(
      "predict() takes a `dataset` for an encoder without normalisation; an encoder that is changed",
      "before foundation_fit_classifier() keeps the change."
    )
  ),
  edaphosbridge_regressor = list(
    names = c(
      "encoder", "normalisation", "patch_orientation", "targets", "y_mean", "y_sd", "loss_fn"
    ),
    instead = paste(
      "foundation_fit_regressor() makes another fit; predict() takes a `dataset` for an encoder",
      "without normalisation."
    )
  ),
  edaphosbridge_multilabel = list(
    names = c("encoder", "normalisation", "patch_orientation", "labels", "threshold"),
    instead = paste(
      "foundation_fit_multilabel() makes another fit; predict() takes another `threshold`, and a",
      "`dataset` for an encoder without normalisation."
    )
  ),
  edaphosbridge_segmenter = list(
    names = c("encoder", "normalisation", "patch_orientation", "classes", "regime", "loss_fn"),
    instead = paste(
      "foundation_fit_segmenter() makes another fit; predict() takes a `dataset` for an encoder",
      "without normalisation."
    )
  ),
  edaphosbridge_ensemble = list(
    names = c("members", "encoder", "task", "K_ens"),
    instead = "foundation_finetune_ensemble() makes another ensemble."
  ),
  edaphosbridge_pretrain = list(
    names = c("encoder", "normalisation", "patch_orientation"),
    instead = "Take the encoder out, `encoder <- fit$encoder`, and change that."
  ),
  edaphosbridge_probe_sweep = list(), # its classifier has the state
  edaphosbridge_tiles = list(
    names = c(
      "patch_size", "n_patches", "n_channels", "height", "width", "bands", "means", "sds",
      "normalise", "cells", "coords", "classes", "seed"
    ),
    instead = "foundation_tile_dataset() makes another dataset."
  )
)

assigned <- function(x, name, value) {
  is_encoder <- inherits(x, "edaphosbridge_encoder")
  if (is_encoder && name %in% c("normalisation", "patch_orientation")) {
    return(encoder_with(x, name, value))
  }
  refused <- in_state[[c(intersect(class(x), names(in_state)), "edaphosbridge_fit")[[1]]]]
  is_module <- is_python_object(x[[name]]) && is_python_object(value) # which no state holds
  if (name %in% refused$names && !is_module) {
    problem <- paste("cannot be assigned: it is part of `state`.", refused$instead)
    stop_input(name, problem, NULL)
  }
  if (is_module && inherits(x, "edaphosbridge_pretrain")) { # its weights are in the state
    value <- answer_value(python_call("filled_encoder", list(x$state, value)), NULL)
  }
  plain <- unclass(x)
  plain[[name]] <- value
  structure(plain, class = class(x))
}

# The encoder that carries another normalisation or orientation.
encoder_with <- function(encoder, name, value) {
  value <- if (name == "patch_orientation") {
    to_scalar(value)
  } else if (inherits(value, "edaphosbridge_tiles")) {
    value$state
  } else {
    plain_normalisation(value)
  }
  answer <- python_call("encoder_with", list(encoder$state, name, value))
  from_encoder(answer_value(answer, NULL))
}

plain_normalisation <- function(value) {
  if (!is.null(value) && (!is.list(value) || is.null(names(value)))) {
    stop_input(
      "normalisation",
      sprintf(
        "must be a tile dataset, a list as its `normalisation` in a fit, or NULL; found %s.",
        class(value)[[1]]
      ),
      NULL
    )
  }
  several <- intersect(c("bands", "means", "sds"), names(value))
  value <- unclass(value)
  value[several] <- lapply(value[several], to_numbers)
  single <- setdiff(names(value), several)
  value[single] <- lapply(value[single], to_scalar)
  value
}
