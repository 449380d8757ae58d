#' Pretrain an encoder without labels
#'
#' `foundation_moco_pretrain()` trains a MoCo v2 encoder: two random views of
#' each patch go through a query encoder, which trains, and a key encoder, which
#' follows it by a moving average; the loss (InfoNCE) asks which key shows the
#' same patch, among it and a queue of earlier keys.
#' `foundation_moco_pretrain_tiles()` does the same on the tiles of a raster, read
#' as they are needed; its encoder carries their normalisation, which
#' [foundation_embed_at_coords()] and `predict(coords = )` use on raw rasters.
#' `foundation_simclr_pretrain()` trains the smaller SimCLR encoder; its loss
#' (NT-Xent) asks of each of the 2B views of a batch which other one shows the
#' same patch. Each of them trains another encoder where `encoder` says so.
#'
#' @section Epochs are steps:
#' As in edaphos, an epoch is one step on one batch, not a pass over the patches:
#' `epochs = 30` takes 30 steps (`foundation_moco_pretrain_tiles()`: 100). With `steps_per_epoch`,
#' `epochs * steps_per_epoch` steps are taken; `ceiling(N / batch_size)` makes an
#' epoch about one pass. `loss_history` has the mean of an epoch's steps.
#'
#' @section Settings of the MoCo papers:
#' The defaults are those of edaphos. The MoCo v2 paper uses `temperature = 0.2`
#' and, where there are that many patches, a queue of 65536. BYOL raises the
#' momentum to 1 in the course of the run: `momentum_schedule = "cosine"`.
#'
#' @section Checkpoints:
#' With `checkpoint_dir`, a run that was killed at any moment goes on from its
#' last checkpoint when the same call is made again, and ends as one that was
#' never interrupted, to the last bit. A checkpoint of other settings or other
#' patches or tiles is refused. With `seed = NULL` the seed of the checkpoint is used.
#'
#' The same call with more `epochs` makes a run that had ended longer, and it ends as one of that
#' length; so does `update(fit, patches, epochs = , checkpoint_dir = )`. Not with a
#' `momentum_schedule`, where every step depends on the number of steps. The folder belongs to one
#' run at a time. Whether it can be written to is tried before the first step; where only the last
#' checkpoint fails, the fit comes back with a warning.
#'
#' @param patches Array `(N, C, H, W)`: double, integer or logical, without
#'   missing values; best with zero mean and unit variance per channel. At least
#'   two of them. Or a file or tile dataset that holds them, as in
#'   [foundation_fit_classifier()].
#' @param dataset A [foundation_tile_dataset()].
#' @param feature_dim,proj_dim Widths of the features and of the projection that
#'   the loss sees. An `encoder` that has widths of its own keeps them: then leave
#'   these out.
#' @param queue_size Keys in the queue; `max(2, N - batch_size)` if that is less.
#' @param momentum Weight of the old key encoder in the moving average, in
#'   `[0, 1]`.
#' @param temperature Divides the cosines in the loss.
#' @param batch_size Patches a step, at least 2; all patches, with a message, if there are fewer.
#' @param epochs Steps, unless `steps_per_epoch` is given.
#' @param lr Learning rate of Adam, constant.
#' @param crop_ratio Two numbers in `(0, 1]`: range of the ratio of a crop's sides
#'   to the patch's.
#' @param flip_prob Probability of a left-right flip and, separately, of an
#'   up-down flip.
#' @param rot90_prob Probability of a turn by 90, 180 or 270 degrees (180 where H
#'   is not W).
#' @param channel_drop_prob Probability of each channel to be set to zero.
#' @param cutout_prob,cutout_size_ratio Probability of a box of zeros, and the
#'   ratio of its sides to the patch's.
#' @param brightness_jitter Each channel is multiplied by a number in 1 +- this,
#'   in `[0, 1)`.
#' @param noise_sd Standard deviation of the Gaussian noise on every cell.
#' @param seed Whole number, the only source of randomness; `NULL` draws one from
#'   R's generator, so that `set.seed()` reproduces too. `fit$config$seed` keeps it.
#' @param verbose Whether to report the loss of epoch 1, every 10th and the last as
#'   messages. Otherwise an interactive session shows a progress bar.
#' @param device `"cpu"`, `"mps"` or `"cuda"`; falls back to the cpu with a
#'   message where it is not available.
#' @param checkpoint_dir Folder for checkpoints, or `NULL`.
#' @param checkpoint_every Steps between two checkpoints, 100 by default; the last
#'   step always makes one.
#' @param resume A folder with a checkpoint to go on from, as in edaphos. Nothing is written to it
#'   unless it is the `checkpoint_dir` too, from which a run goes on by itself; where both have a
#'   checkpoint, the further one is used.
#' @param steps_per_epoch Steps an epoch.
#' @param momentum_schedule `NULL`, or `"cosine"` to raise the momentum to 1.
#' @param encoder What to train instead of the method's own encoder (`NULL`). The name of an
#'   architecture of [foundation_encoder()] makes a new one, its weights drawn from `seed`: `"moco"`,
#'   `"simclr"` and `"rotation"` of the widths asked for, an XResNet as it is by default. Of an encoder of
#'   [foundation_encoder()] or [foundation_weights_load()], of that in a fit, or of a Python
#'   `torch.nn.Module` of yours a copy is trained, from the weights it has. One without a projection
#'   gets MoCo's beside it, which the fit does not keep: its encoder gives the features before that.
#' @param probe [linear_probe()], [knn_probe()] or [segmentation_probe()], which look every few epochs
#'   at what the encoder is worth for labelled patches, or `NULL`. The run is the same with and without
#'   it, to the last bit, unless the probe has patience, which ends it and keeps the best encoder. A
#'   probe of Python's, held by reticulate or rpy2, is one too.
#'
#' @return A list of class `c("edaphosbridge_pretrain", "edaphosbridge_fit",
#'   "edaphos_foundation_moco")`, or with `"edaphos_foundation_simclr"` in the last place, with
#'   \item{encoder}{the trained (query) encoder, see [foundation_encoder()]; of a module of yours
#'     the Python object. After `readRDS()`, `fit$encoder <- module` gives the module, built anew,
#'     the weights of the fit.}
#'   \item{loss_history, final_loss}{numeric, one value an epoch, and the last}
#'   \item{config}{list of the settings, with the seed, the widths and the queue size used; where
#'     an encoder was asked for, `encoder` is its name, or `"given"`}
#'   \item{method}{`"moco"` or `"simclr"`}
#'   \item{normalisation}{list of the tile dataset's `bands`, `means`, `sds`,
#'     `normalise` and `patch_size`; `NULL` after patches, which are taken as they
#'     are}
#'   \item{device, in_channels, feature_dim, proj_dim, patch_size}{what was
#'     trained, and where}
#'   \item{batch_size, queue_size}{as used; SimCLR has no queue}
#'   \item{probe_history}{of a run with a probe: data frame with `epoch`, when it looked, and `score`,
#'     what it found; `config$probe` says what it was}
#'   \item{state}{raw (by `fit$state`), the whole fit as a safetensors file}
#'   It goes straight into [foundation_fit_classifier()], and survives `saveRDS()`.
#'
#' @references
#' Chen, X., Fan, H., Girshick, R. and He, K. (2020). Improved baselines with
#' momentum contrastive learning. arXiv:2003.04297.
#'
#' Chen, T., Kornblith, S., Norouzi, M. and Hinton, G. (2020). A simple framework
#' for contrastive learning of visual representations. ICML 2020.
#'
#' @seealso [foundation_rotation_pretrain()], [foundation_fit_classifier()], [linear_probe()]
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' data <- statlog_landsat()
#' x <- (data$x - mean(data$x)) / sd(data$x)
#' fit <- foundation_moco_pretrain(x[1:500, , , ], batch_size = 32, epochs = 5, seed = 1)
#' fit
#' plot(fit)
#' @export
foundation_moco_pretrain <- function(patches,
                                     feature_dim = 64L,
                                     proj_dim = 32L,
                                     queue_size = 1024L,
                                     momentum = 0.999,
                                     temperature = 0.07,
                                     batch_size = 16L,
                                     epochs = 30L,
                                     lr = 0.03,
                                     crop_ratio = c(0.6, 1),
                                     flip_prob = 0.5,
                                     rot90_prob = 0.75,
                                     channel_drop_prob = 0.2,
                                     cutout_prob = 0.3,
                                     cutout_size_ratio = 0.2,
                                     brightness_jitter = 0.2,
                                     noise_sd = 0.1,
                                     seed = NULL,
                                     verbose = FALSE,
                                     device = c("cpu", "mps", "cuda"),
                                     checkpoint_dir = NULL,
                                     checkpoint_every = NULL,
                                     steps_per_epoch = 1L,
                                     momentum_schedule = NULL,
                                     encoder = NULL,
                                     probe = NULL) {
  call <- sys.call()
  data <- list("moco", to_patches(patches, call, "patches"), to_beginning(encoder, call))
  from_pretrain(fit_in_python("pretrain", data, call, "moco"))
}

#' @rdname foundation_moco_pretrain
#' @export
foundation_moco_pretrain_tiles <- function(dataset,
                                           feature_dim = 64L,
                                           proj_dim = 32L,
                                           queue_size = 1024L,
                                           momentum = 0.999,
                                           temperature = 0.07,
                                           batch_size = 16L,
                                           epochs = 100L,
                                           lr = 0.03,
                                           crop_ratio = c(0.6, 1),
                                           flip_prob = 0.5,
                                           rot90_prob = 0.75,
                                           channel_drop_prob = 0.2,
                                           cutout_prob = 0.3,
                                           cutout_size_ratio = 0.2,
                                           brightness_jitter = 0.2,
                                           noise_sd = 0.1,
                                           seed = NULL,
                                           verbose = FALSE,
                                           device = c("cpu", "mps", "cuda"),
                                           checkpoint_dir = NULL,
                                           checkpoint_every = NULL,
                                           resume = NULL,
                                           steps_per_epoch = 1L,
                                           momentum_schedule = NULL,
                                           encoder = NULL,
                                           probe = NULL) {
  call <- sys.call()
  data <- list("moco", to_dataset(dataset, call), NULL, to_beginning(encoder, call))
  from_pretrain(fit_in_python("pretrain_tiles", data, call, "moco"))
}

# A tile dataset, which must be there.
to_dataset <- function(dataset, call) {
  if (missing(dataset)) {
    stop_input("dataset", "is missing. foundation_tile_dataset() makes one.", call)
  }
  source <- to_tiles(dataset, call)
  if (is.null(source)) {
    stop_input("dataset", "must be a tile dataset; found NULL.", call)
  }
  source
}

#' @rdname foundation_moco_pretrain
#' @export
foundation_simclr_pretrain <- function(patches,
                                       feature_dim = 32L,
                                       proj_dim = 16L,
                                       batch_size = 8L,
                                       epochs = 30L,
                                       lr = 0.005,
                                       temperature = 0.2,
                                       noise_sd = 0.1,
                                       seed = NULL,
                                       verbose = FALSE,
                                       device = c("cpu", "mps", "cuda"),
                                       checkpoint_dir = NULL,
                                       checkpoint_every = NULL,
                                       steps_per_epoch = 1L,
                                       encoder = NULL,
                                       probe = NULL) {
  call <- sys.call()
  data <- list("simclr", to_patches(patches, call, "patches"), to_beginning(encoder, call))
  from_pretrain(fit_in_python("pretrain", data, call, "simclr"))
}

#' @rdname tidiers.edaphosbridge
#' @method augment edaphosbridge_pretrain
#' @exportS3Method generics::augment edaphosbridge_pretrain
augment.edaphosbridge_pretrain <- function(x, newdata, data = NULL, coords = NULL,
                                           dataset = NULL, ...) {
  call <- sys.call()
  stop_if_unused("augment", ...)
  features <- if (is.null(coords)) {
    embed_any(to_encoder(x, call), to_patches(newdata, call, "newdata"), call)
  } else {
    foundation_embed_at_coords(x, coords, newdata, dataset)
  }
  colnames(features) <- paste0(".feature_", seq_len(ncol(features)))
  bound_to(data, coords, as.data.frame(features), call)
}
