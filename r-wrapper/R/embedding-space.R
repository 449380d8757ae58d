#' Features of patches under any encoder
#'
#' @param object An encoder or a fit that holds one, or a Python `torch.nn.Module` of your own, as in
#'   [foundation_fit_classifier()]. It runs in evaluation mode and is not changed.
#' @param x Array `(N, C, H, W)` of patches without missing values; N may be 0. Or a file or tile
#'   dataset that holds them.
#' @return A numeric matrix `(N, feature_dim)`, the features before any projection.
#' @seealso [foundation_moco_embed()] for projections, [foundation_embed_at_coords()],
#'   [foundation_knn()], [foundation_embedding_map()]
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' data <- statlog_landsat()
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' dim(foundation_embed(encoder, data$x[1:10, , , ] / 255))
#' @export
foundation_embed <- function(object, x) {
  call <- sys.call()
  embed_any(encoder_of(object, call), to_patches(x, call), call)
}

# Features under any encoder; both have crossed.
embed_any <- function(encoder, patches, call) {
  from_array(answer_value(python_call("features", list(encoder, patches)), call))
}

#' Evaluate an encoder by its nearest neighbours
#'
#' Features become unit vectors. The `k` labelled patches that are most similar to a patch vote for
#' their classes, each with `exp(cosine / temperature)`. Nothing is trained.
#'
#' @param object An encoder or a fit that holds one, as in [foundation_embed()].
#' @param x,y Patches `(N, C, H, W)` that vote, and their classes.
#' @param newx,newy Patches that are asked about, and their classes. Without them the patches of `x`
#'   are, one after the other, and the patch itself does not vote, nor any of its group or block.
#' @param ... Not used: an argument of another name is an error.
#' @param k Neighbours that vote.
#' @param temperature The smaller, the more the nearest count.
#' @param groups,blocks,block_size Of the patches that are asked about, as in
#'   [foundation_interpret()].
#' @param n_boot,seed,n_pictures As in [foundation_interpret()].
#'
#' @return As [foundation_interpret()], with shares of votes as probabilities.
#'
#' @references
#' Wu, Z., Xiong, Y., Yu, S. X. and Lin, D. (2018). Unsupervised feature learning via non-parametric
#' instance discrimination. CVPR 2018.
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' data <- statlog_landsat()
#' x <- (data$x - mean(data$x)) / sd(data$x)
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' foundation_knn(encoder, x[1:200, , , ], data$y[1:200], k = 10, n_boot = 100, seed = 1)
#' @export
foundation_knn <- function(object, x, y, newx = NULL, newy = NULL, ..., k = 20L, temperature = 0.1,
                           groups = NULL, blocks = NULL, block_size = NULL, n_boot = 1000L,
                           seed = NULL, n_pictures = 25L) {
  call <- sys.call()
  stop_if_unused("foundation_knn", ..., call = call)
  answer <- python_call("knn", list(
    encoder_of(object, call),
    to_patches(x, call),
    to_labels(y, call),
    if (!is.null(newx)) to_patches(newx, call, "newx"),
    if (!is.null(newy)) to_labels(newy, call, "newy"),
    to_units(groups, blocks, block_size, call),
    list(
      k = to_scalar(k), temperature = to_scalar(temperature), n_boot = to_scalar(n_boot),
      seed = to_scalar(seed), n_pictures = to_scalar(n_pictures)
    ),
    draw_seed
  ))
  from_interpretation(answer_value(answer, call))
}

#' Patches in the plane of their two main components
#'
#' @param object An encoder or a fit that holds one, as in [foundation_embed()].
#' @param x Array `(N, C, H, W)` of two patches or more.
#' @param y Their classes, for the colours; or `NULL`.
#' @return A list of class `c("edaphosbridge_embedding_map", "edaphosbridge_result")` with `points`, a
#'   data frame with `PC1`, `PC2` and, where known, `class` (so do `as.data.frame()` and `tidy()`),
#'   and `explained`, each component's share of the variance.
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' data <- statlog_landsat()
#' x <- (data$x - mean(data$x)) / sd(data$x)
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' plot(foundation_embedding_map(encoder, x[1:200, , , ], data$y[1:200]))
#' @export
foundation_embedding_map <- function(object, x, y = NULL) {
  call <- sys.call()
  answer <- python_call("embedding_map", list(
    encoder_of(object, call), to_patches(x, call), if (!is.null(y)) to_labels(y, call)
  ))
  from_map(answer_value(answer, call))
}

# Of a sweep that of its classifier.
encoder_of <- function(object, call) {
  if (!missing(object) && inherits(object, "edaphosbridge_probe_sweep")) {
    object <- object$classifier
  }
  to_encoder(object, call, "object")
}

#' @export
as.data.frame.edaphosbridge_embedding_map <- function(x, row.names = NULL, optional = FALSE, ...) {
  as.data.frame(x$points, row.names = row.names, optional = optional, ...)
}

#' @exportS3Method generics::tidy
tidy.edaphosbridge_embedding_map <- function(x, ...) {
  stop_if_unused("tidy", ...)
  x$points
}
