#' Pretrain an encoder on two sensors without labels (SwAV)
#'
#' Each view of a patch is assigned to prototypes, which train with the encoder, so that a batch uses
#' all of them equally (its codes, by Sinkhorn-Knopp). The loss asks to predict the codes of one view
#' from the others. Of two sensors that see the same places, one view is the patch of sensor a and the
#' other that of sensor b: the difference between them is an augmentation that is given. Of one
#' sensor, both are random views of the same patch.
#'
#' `foundation_swav_pretrain_tiles()` does the same on the tiles of a raster that has the bands of
#' both sensors, as [foundation_tile_align()] makes it of two; its encoder carries their
#' normalisation.
#'
#' As in [foundation_moco_pretrain()], an epoch is one step on one batch unless `steps_per_epoch` is
#' given, and checkpoints are the same.
#'
#' @section Collapse:
#' `entropy_history` is the entropy, in nats, of how often each prototype is the nearest one in a
#' batch; `exp()` of it is how many are in use. Where the last epoch uses fewer than two, the
#' embeddings have collapsed, and a warning says so. More steps, a smaller `epsilon` (0.03), a smaller
#' `lr` and `freeze_prototypes_steps` help.
#'
#' @section Both sensors in a fit:
#' A fit of two sensors goes into every fit function with patches whose channels are those of a, then
#' those of b, and gives the mean of their features. [foundation_encoder_for()] gives the encoder of
#' one sensor, or that of both side by side.
#'
#' What validates must not show places that were trained on. Patches of both sensors in one array are
#' one row a place, which a split never parts. Where they are rows of their own, the two rows of a
#' place are one group: `groups = rep(seq_len(n), 2)`.
#'
#' @param x_a,x_b Arrays `(N, C, H, W)` of patches of each sensor, as in [foundation_moco_pretrain()]:
#'   row by row of the same places and of one size, of any numbers of channels. `x_b = NULL` for one
#'   sensor.
#' @param dataset A [foundation_tile_dataset()] of the bands of both sensors.
#' @param bands_b Names of the bands that are those of sensor b; all others are those of sensor a.
#'   `NULL` for one sensor.
#' @param feature_dim,proj_dim Widths of the features and of the projection that is compared with
#'   prototypes.
#' @param n_prototypes Number of prototypes, at least 2.
#' @param temperature Divides the cosines of embeddings and prototypes in what is predicted.
#' @param epsilon Divides them in the codes: the smaller, the nearer codes are to one prototype each.
#' @param sinkhorn_iterations Iterations of Sinkhorn-Knopp.
#' @param freeze_prototypes_steps First steps in which the prototypes do not train; the paper's
#'   implementation has 313.
#' @param queue_size Earlier embeddings of each view that are assigned together with a batch, so that
#'   a small batch need not use all prototypes; 0 for none.
#' @param queue_start Steps before the queue begins to fill. It is used when it is full.
#' @param shared_stem Whether both sensors share the first layer of the encoder, as they share all
#'   others; by default (`NULL`) where they have the same number of channels.
#' @param small_crops Small crops of each patch of each sensor that predict the codes as well
#'   (multi-crop).
#' @param small_crop_ratio Two numbers in `(0, 1]`: range of the ratio of a small crop's sides to the
#'   patch's. They are resized to the larger.
#' @param crop_ratio,flip_prob,rot90_prob,channel_drop_prob,cutout_prob,cutout_size_ratio As in
#'   [foundation_moco_pretrain()]. Each view has changes of its own, those of two sensors too.
#' @param brightness_jitter,noise_sd As in [foundation_moco_pretrain()]. With `crop_ratio = c(1, 1)`
#'   and 0 for all others, the second sensor is the only augmentation.
#' @param encoder What to train instead of MoCo's encoder, as in [foundation_moco_pretrain()]. Of two
#'   sensors a module is that of sensor a, which must begin with a convolution unless `shared_stem`; or
#'   it is the encoder of both that an earlier run has made.
#' @param probe As in [foundation_moco_pretrain()]. Of two sensors its patches have the channels of a,
#'   then those of b, and it sees the mean of their features.
#' @inheritParams foundation_moco_pretrain
#'
#' @return A list as [foundation_moco_pretrain()] returns it, of class `c("edaphosbridge_pretrain",
#'   "edaphosbridge_fit", "edaphos_foundation_swav")`, with
#'   \item{entropy_history}{numeric, one value an epoch, see above}
#'   \item{channels}{integer, the channels of each sensor; `in_channels` is their sum}
#'
#' @references
#' Caron, M., Misra, I., Mairal, J., Goyal, P., Bojanowski, P. and Joulin, A. (2020). Unsupervised
#' learning of visual features by contrasting cluster assignments. NeurIPS 2020.
#'
#' @seealso [foundation_encoder_for()], [foundation_moco_pretrain()]
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' data <- statlog_landsat()
#' x <- (data$x - mean(data$x)) / sd(data$x)
#' visible <- x[1:500, 1:2, , ]
#' infrared <- x[1:500, 3:4, , ]
#' fit <- foundation_swav_pretrain(visible, infrared, epochs = 5, seed = 1)
#' fit
#' foundation_encoder_for(fit, "b")
#' @export
foundation_swav_pretrain <- function(x_a,
                                     x_b = NULL,
                                     feature_dim = 64L,
                                     proj_dim = 32L,
                                     n_prototypes = 32L,
                                     temperature = 0.1,
                                     epsilon = 0.05,
                                     sinkhorn_iterations = 3L,
                                     freeze_prototypes_steps = 0L,
                                     queue_size = 0L,
                                     queue_start = 0L,
                                     shared_stem = NULL,
                                     small_crops = 0L,
                                     small_crop_ratio = c(0.3, 0.6),
                                     batch_size = 32L,
                                     epochs = 30L,
                                     lr = 0.001,
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
                                     encoder = NULL,
                                     probe = NULL) {
  call <- sys.call()
  data <- list(
    "swav", to_patches(x_a, call, "x_a"), if (!is.null(x_b)) to_patches(x_b, call, "x_b"),
    to_beginning(encoder, call)
  )
  from_pretrain(fit_in_python("pretrain_sensors", data, call, "swav"))
}

#' @rdname foundation_swav_pretrain
#' @export
foundation_swav_pretrain_tiles <- function(dataset,
                                           bands_b = NULL,
                                           feature_dim = 64L,
                                           proj_dim = 32L,
                                           n_prototypes = 32L,
                                           temperature = 0.1,
                                           epsilon = 0.05,
                                           sinkhorn_iterations = 3L,
                                           freeze_prototypes_steps = 0L,
                                           queue_size = 0L,
                                           queue_start = 0L,
                                           shared_stem = NULL,
                                           small_crops = 0L,
                                           small_crop_ratio = c(0.3, 0.6),
                                           batch_size = 32L,
                                           epochs = 100L,
                                           lr = 0.001,
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
                                           encoder = NULL,
                                           probe = NULL) {
  call <- sys.call()
  data <- list("swav", to_dataset(dataset, call), to_scalar(bands_b), to_beginning(encoder, call))
  from_pretrain(fit_in_python("pretrain_tiles", data, call, "swav"))
}
