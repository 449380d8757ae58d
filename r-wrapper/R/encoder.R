#' An untrained encoder
#'
#' An encoder with random weights: the from-scratch baseline, and what pretraining
#' begins with. Two architectures are those of the edaphos package, one is the network
#' of the rotation pretext task, the others are fastai's XResNets.
#'
#' @param architecture `"moco"`: five 3x3 convolutions with BatchNorm and two
#'   residual sums; `"simclr"`: two convolutions; or `"xresnet18"`, `"xresnet34"`
#'   or `"xresnet50"`: a residual network of so many layers. All these end in global
#'   average pooling. `"rotation"`: two 2x2 convolutions, each with pooling and dropout,
#'   and a dense layer on all cells of the map, with dropout.
#' @param in_channels Channels C of the patches.
#' @param feature_dim,proj_dim Of `"moco"` and `"simclr"`: widths of the features and
#'   of the contrastive projection; by default 64 and 32 for `"moco"`, 32 and 16 for
#'   `"simclr"`. `"rotation"` has 256 features by default, and no projection.
#' @param seed Whole number; `NULL` draws one from R's generator.
#' @param width Of an XResNet: channels of its first stage, 64 by default. Its features
#'   have 8 times as many, those of `"xresnet50"` 32 times; it has no projection.
#' @param stem Of an XResNet: `"standard"`, the default, quarters height and width
#'   before the first stage; `"small"` leaves them as they are, for small patches. The
#'   last map has a 32nd, or an 8th, of the patch's rows and columns.
#' @param patch_size Of `"rotation"`, which needs it: height and width of its patches, in
#'   cells, at least 4. The others take patches of any size.
#'
#' @return A list of class `edaphosbridge_encoder` with `architecture`,
#'   `in_channels`, `feature_dim`, `proj_dim` (of an XResNet `width` and `stem` instead, of
#'   `"rotation"` `patch_size`), `normalisation` (`NULL` here),
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
#'
#' Gidaris, S., Singh, P. and Komodakis, N. (2018). Unsupervised representation learning by predicting image
#' rotations. ICLR 2018. (The task of `"rotation"`.)
#'
#' He, T., Zhang, Z., Zhang, H., Zhang, Z., Xie, J. and Li, M. (2019). Bag of tricks for
#' image classification with convolutional neural networks. CVPR 2019. As in fastai 2.8,
#' `xresnet`; Howard and Gugger (2020).
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' foundation_encoder("moco", in_channels = 4, seed = 1)
#' foundation_encoder("xresnet18", in_channels = 4, seed = 1, width = 16, stem = "small")
#' @export
foundation_encoder <- function(architecture = c(
                                 "moco", "simclr", "rotation", "xresnet18", "xresnet34", "xresnet50"
                               ), in_channels, feature_dim = NULL, proj_dim = NULL, seed = NULL,
                               width = NULL, stem = NULL, patch_size = NULL) {
  call <- sys.call()
  if (missing(in_channels)) {
    stop_input("in_channels", "is missing: the number of channels of the patches.", call)
  }
  answer <- python_call("make_encoder", list(
    to_choice(
      architecture, c("moco", "simclr", "rotation", "xresnet18", "xresnet34", "xresnet50")
    ),
    to_scalar(in_channels),
    list(
      feature_dim = to_scalar(feature_dim), proj_dim = to_scalar(proj_dim),
      width = to_scalar(width), stem = to_scalar(stem), patch_size = to_scalar(patch_size)
    ),
    to_scalar(seed),
    draw_seed
  ))
  from_encoder(answer_value(answer, call))
}

#' @export
format.edaphosbridge_encoder <- function(x, ...) {
  made <- if (!is.null(x$width)) sprintf(" of width %d, %s stem", x$width, x$stem)
  joined <- if (!is.null(x$sensors)) sprintf(", %s of both sensors", x$sensors)
  turned <- if (identical(x$patch_orientation, "transposed")) ", of transposed patches"
  paste0(
    "<edaphosbridge_encoder> ", x$architecture, made, ": ", widths_line(x), joined, turned
  )
}

# "4 channels -> 64 features -> 32 (projection)", of an encoder or a pretraining fit.
widths_line <- function(x) {
  projected <- if (!is.null(x$proj_dim)) sprintf(" -> %d (projection)", x$proj_dim)
  paste0(channels_text(x), " -> ", counted(x$feature_dim, "feature"), projected)
}

#' @export
print.edaphosbridge_encoder <- function(x, ...) {
  cat(format(x, ...), sep = "\n")
  invisible(x)
}
