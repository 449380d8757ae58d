#' An untrained encoder of edaphos
#'
#' The two encoder architectures of the edaphos package with random weights: the
#' from-scratch baseline.
#'
#' @param architecture `"moco"`: five 3x3 convolutions with BatchNorm and two
#'   residual sums; or `"simclr"`: two convolutions. Both end in global average
#'   pooling.
#' @param in_channels Channels C of the patches.
#' @param feature_dim,proj_dim Widths of the features and of the contrastive
#'   projection; by default 64 and 32 for `"moco"`, 32 and 16 for `"simclr"`.
#' @param seed Whole number; `NULL` draws one from R's generator.
#'
#' @return A list of class `edaphosbridge_encoder` with `architecture`,
#'   `in_channels`, `feature_dim`, `proj_dim`, `normalisation` (`NULL` here),
#'   `patch_orientation`, `n_channels` (another name of `in_channels`) and `state` (raw by
#'   `encoder$state`, a safetensors file). It survives `saveRDS()`.
#'   `normalisation` and `patch_orientation` may be assigned, see
#'   [foundation_embed_at_coords()]: the state follows.
#' @references
#' Chen, X., Fan, H., Girshick, R. and He, K. (2020). Improved baselines with
#' momentum contrastive learning. arXiv:2003.04297.
#'
#' Chen, T., Kornblith, S., Norouzi, M. and Hinton, G. (2020). A simple framework
#' for contrastive learning of visual representations. ICML 2020.
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' foundation_encoder("moco", in_channels = 4, seed = 1)
#' @export
foundation_encoder <- function(architecture = c("moco", "simclr"), in_channels,
                               feature_dim = NULL, proj_dim = NULL, seed = NULL) {
  call <- sys.call()
  if (missing(in_channels)) {
    stop_input("in_channels", "is missing: the number of channels of the patches.", call)
  }
  answer <- python_call("make_encoder", list(
    to_choice(architecture, c("moco", "simclr")),
    to_scalar(in_channels),
    to_scalar(feature_dim),
    to_scalar(proj_dim),
    to_scalar(seed),
    draw_seed
  ))
  from_encoder(answer_value(answer, call))
}

#' @export
format.edaphosbridge_encoder <- function(x, ...) {
  turned <- if (identical(x$patch_orientation, "transposed")) ", of transposed patches" else ""
  joined <- if (is.null(x$sensors)) "" else sprintf(", %s of both sensors", x$sensors)
  sprintf(
    "<edaphosbridge_encoder> %s: %s channels -> %d features -> %d (projection)%s%s",
    x$architecture, channels_text(x), x$feature_dim, x$proj_dim, joined, turned
  )
}

#' @export
print.edaphosbridge_encoder <- function(x, ...) {
  cat(format(x, ...), sep = "\n")
  invisible(x)
}
