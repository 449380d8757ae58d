#' Pretrain an encoder without labels by telling quarter turns
#'
#' Patches are turned by 0, 90, 180 and 270 degrees, and a linear layer on the encoder's features
#' tells which turn it was; the loss is the cross-entropy of the four. How well it tells that of
#' patches that are held out stands in `val_accuracy_history`, and in `plot()`. Chance is 0.25.
#' Patches seen from straight above may have no direction, and then there is nothing to tell: see
#' that accuracy. `foundation_rotation_pretrain_tiles()` does the same on the tiles of a raster,
#' read as they are needed; its encoder carries their normalisation, which
#' [foundation_embed_at_coords()] and `predict(coords = )` use on raw rasters.
#'
#' Unlike in [foundation_moco_pretrain()], an epoch is about one pass over the patches that train,
#' unless `steps_per_epoch` is given.
#'
#' @inheritParams foundation_moco_pretrain
#' @inheritSection foundation_moco_pretrain Checkpoints
#' @param patches Array `(N, C, H, W)` of square patches, for the method's own encoder of at least
#'   4 x 4 cells: double, integer or logical, without missing values. Or a file or tile dataset that holds them, as in
#'   [foundation_fit_classifier()].
#' @param mode `"all"` takes every patch of a batch in all four turns, as Gidaris et al. do; `"fixed"`
#'   draws one turn for each patch, which it keeps for the whole run.
#' @param feature_dim Width of the features. An `encoder` that has a width of its own keeps it: then
#'   leave this out.
#' @param batch_size Patches a step; with `"all"` the encoder sees four times as many. All that train,
#'   with a message, if there are fewer.
#' @param epochs Passes, or `steps_per_epoch` steps each.
#' @param val_split Share of the patches that are held out, in `[0, 1)`; 0 holds out none. They are
#'   drawn one by one: where patches share cells, as tiles may, the accuracy says little.
#' @param steps_per_epoch Steps an epoch, `NULL` for as many as the batches of the patches that train.
#'   `loss_history` has their mean.
#' @param encoder What to train instead of the method's own encoder, as in
#'   [foundation_moco_pretrain()]. A projection that it has is left as it is.
#'
#' @return A list of class `c("edaphosbridge_pretrain", "edaphosbridge_fit",
#'   "edaphos_foundation_rotation")`, as of [foundation_moco_pretrain()], without `proj_dim` and
#'   `queue_size`, and with
#'   \item{val_accuracy_history}{numeric, after each epoch in which share of the held-out patches (with
#'     `"all"`, of their turns) the turn was told; not there without any}
#'   By default its encoder is that of `foundation_encoder("rotation", ...)`, with dropout while it trains.
#'
#' @references
#' Gidaris, S., Singh, P. and Komodakis, N. (2018). Unsupervised representation learning by
#' predicting image rotations. ICLR 2018.
#'
#' @seealso [foundation_moco_pretrain()], [foundation_fit_classifier()]
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' x[, , 1:4, ] <- x[, , 1:4, ] + 1
#' fit <- foundation_rotation_pretrain(x, batch_size = 16, epochs = 5, seed = 1)
#' fit
#' plot(fit)
#' @export
foundation_rotation_pretrain <- function(patches,
                                         mode = c("all", "fixed"),
                                         feature_dim = 256L,
                                         batch_size = 64L,
                                         epochs = 10L,
                                         lr = 0.001,
                                         val_split = 0.2,
                                         seed = NULL,
                                         verbose = FALSE,
                                         device = c("cpu", "mps", "cuda"),
                                         checkpoint_dir = NULL,
                                         checkpoint_every = NULL,
                                         steps_per_epoch = NULL,
                                         encoder = NULL,
                                         probe = NULL) {
  call <- sys.call()
  data <- list("rotation", to_patches(patches, call, "patches"), to_beginning(encoder, call))
  from_pretrain(fit_in_python("pretrain", data, call, "rotation"))
}

#' @rdname foundation_rotation_pretrain
#' @export
foundation_rotation_pretrain_tiles <- function(dataset,
                                               mode = c("all", "fixed"),
                                               feature_dim = 256L,
                                               batch_size = 64L,
                                               epochs = 10L,
                                               lr = 0.001,
                                               val_split = 0.2,
                                               seed = NULL,
                                               verbose = FALSE,
                                               device = c("cpu", "mps", "cuda"),
                                               checkpoint_dir = NULL,
                                               checkpoint_every = NULL,
                                               resume = NULL,
                                               steps_per_epoch = NULL,
                                               encoder = NULL,
                                               probe = NULL) {
  call <- sys.call()
  data <- list("rotation", to_dataset(dataset, call), to_beginning(encoder, call))
  from_pretrain(fit_in_python("pretrain_tiles", data, call, "rotation"))
}
