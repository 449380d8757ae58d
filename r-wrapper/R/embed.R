#' Embeddings of patches
#'
#' The features of patches under an encoder, or their projections, computed in
#' batches and in evaluation mode. The encoder is not changed.
#'
#' @param object A MoCo or SimCLR encoder ([foundation_encoder()],
#'   [foundation_weights_load()]), or a fit that holds one.
#' @param patches Array `(N, C, H, W)` of patches without missing values; N may be 0.
#'   Or a file or tile dataset that holds them, as in [foundation_fit_classifier()].
#' @param projection `TRUE` for the projections, unit vectors of length
#'   `proj_dim`, instead of the features before them.
#'
#' @return A numeric matrix `(N, feature_dim)` or `(N, proj_dim)`.
#'
#'   An encoder of the other kind, another number of channels and missing values
#'   are errors of class `edaphosbridge_input_error`.
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' data <- statlog_landsat()
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' dim(foundation_moco_embed(encoder, data$x[1:10, , , ] / 255))
#' @export
foundation_moco_embed <- function(object, patches, projection = FALSE) {
  embed("moco", object, patches, projection, sys.call())
}

#' @rdname foundation_moco_embed
#' @export
foundation_simclr_embed <- function(object, patches, projection = FALSE) {
  embed("simclr", object, patches, projection, sys.call())
}

embed <- function(architecture, object, patches, projection, call) {
  answer <- python_call("embed", list(
    architecture,
    to_encoder(object, call, "object"),
    to_patches(patches, call, "patches"),
    to_scalar(projection)
  ))
  from_array(answer_value(answer, call))
}
