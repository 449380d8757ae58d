#' Train a segmenter: a class for every cell
#'
#' Attaches a decoder to an encoder and trains it against masks, so that each cell of a patch gets a
#' class. Cells without a label count neither in the loss nor in the scores: a few labelled cells in
#' each patch are enough. Nothing that is given is changed.
#'
#' @inheritParams foundation_fit_classifier
#' @param encoder One that shows its feature maps: a [foundation_encoder()], the encoder of an earlier
#'   fit, or a Python `torch.nn.Module` with a method `maps(x)`, held by reticulate, that returns them in
#'   a list from fine to coarse. With `regime = "from_scratch"` it may be `NULL`, and only says how raw
#'   rasters become patches.
#' @param masks The class of each cell: an array `(N, H, W)` of whole numbers, text or logical values, or
#'   of the codes of a factor, that is with `levels`, as [predict()][predict.edaphosbridge_segmenter]
#'   gives it (a factor with dimensions is one too). Logical values have the classes `"FALSE"` and `"TRUE"`,
#'   which are Python's `False` and `True`. `NA` is unlabelled. Levels are the classes in their
#'   order, also those that do not occur; else the classes are what occurs, sorted. A
#'   [foundation_tile_dataset()] that was made with `labels` has its own, which need not be given.
#' @param regime What trains: the decoder on maps that are computed once (`"frozen"`), encoder and
#'   decoder (`"finetune"`), or a small network of its own without the encoder, against which the
#'   others are held (`"from_scratch"`).
#' @param decoder From maps to a class of each cell: `"clay"`, transposed convolutions on the coarsest
#'   map, which is doubled as often as it needs; `"unet"`, fastai's DynamicUnet, on all maps;
#'   `"linear"`, one linear layer on the coarsest map, interpolated; or a Python module held by
#'   reticulate, from the coarsest map `(B, D, h, w)` to a number for each class and cell (for the
#'   second one of two classes), of which a copy trains. From scratch there is one, that of the network.
#' @param loss Over labelled cells: cross-entropy (binary of two classes); one minus the coefficient of
#'   Dice; or the focal loss, a cross-entropy in which sure cells weigh less.
#' @param gamma Of the focal loss: its power, not negative.
#' @param threshold Of two classes: from which probability on a cell is of the second one.
#' @param classes All classes in their order, instead of those of `masks`. Names for masks of whole
#'   numbers are those of 0, 1 and so on.
#' @param unlabelled One more value of `masks` that stands for unlabelled cells, or `NULL`.
#' @param backbone_lr_mult Factor on `lr` for the encoder, with `regime = "finetune"`.
#' @param verbose Whether to report loss and mean intersection over union of epoch 1, every 10th and the
#'   last as messages. Otherwise an interactive session shows a progress bar.
#' @param class_weight As in [foundation_fit_classifier()], of labelled cells.
#' @param augment As in [foundation_fit_classifier()]; flips, turns and crops move masks with their
#'   patches.
#'
#' @return A list of class `c("edaphosbridge_segmenter", "edaphosbridge_fit",
#'   "edaphos_foundation_segmenter")` with the elements of [foundation_fit_classifier()], but
#'   \item{head, head_type}{the decoder}
#'   \item{classes}{character, the order of the probabilities and of codes}
#'   \item{regime, loss_fn}{what trained, and the loss}
#'   \item{val_iou_history}{numeric, the intersection over union on the validation rows after each
#'     epoch: of the second of two classes, of more their mean; `NA` when `val_split = 0`}
#'   \item{pixel_counts}{numeric, the labelled cells of each class, validation rows included}
#'   \item{n_patches}{patches, validation rows included}
#'   instead of `ordered`, `val_accuracy_history` and `class_counts`.
#' @references
#' Clay Foundation Model, fine-tuning for segmentation (decoder and network from scratch).
#'
#' Howard, J. and Gugger, S. (2020). fastai: a layered API for deep learning. Information 11.
#' (DynamicUnet.)
#'
#' Lin, T.-Y. et al. (2017). Focal loss for dense object detection. arXiv:1708.02002.
#'
#' Milletari, F. et al. (2016). V-Net. arXiv:1606.04797. (Dice.)
#' @seealso [predict.edaphosbridge_segmenter()], [foundation_finetune_ensemble()],
#'   [foundation_finetune_classifier()], [summary()][summary.edaphosbridge],
#'   [plot()][plot.edaphosbridge_fit], [tidy()][tidiers.edaphosbridge]
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(40 * 4 * 8 * 8), c(40, 4, 8, 8))
#' masks <- ifelse(x[, 1, , ] > 0, "wet", "dry")
#' masks[runif(length(masks)) < 0.9] <- NA # one cell in ten is labelled
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_segmenter(encoder, x, masks, epochs = 3, seed = 1)
#' fit
#' predicted <- predict(fit, x[1:2, , , ])
#' table(levels(predicted)[predicted])
#' dim(predict(fit, x[1:2, , , ], type = "prob"))
#' # from the encoder on, with fastai's decoder
#' foundation_fit_segmenter(
#'   encoder, x, masks, regime = "finetune", decoder = "unet", epochs = 1, seed = 1
#' )
#' @export
foundation_fit_segmenter <- function(encoder, x, masks = NULL,
                                     regime = c("frozen", "finetune", "from_scratch"),
                                     decoder = c("clay", "unet", "linear"),
                                     loss = c("cross_entropy", "dice", "focal"),
                                     gamma = 2,
                                     threshold = 0.5,
                                     classes = NULL,
                                     unlabelled = NULL,
                                     epochs = 30L,
                                     batch_size = 32L,
                                     lr = 1e-3,
                                     weight_decay = 0,
                                     backbone_lr_mult = 0.1,
                                     val_split = 0.2,
                                     device = c("cpu", "mps", "cuda"),
                                     seed = NULL,
                                     verbose = FALSE,
                                     class_weight = NULL,
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
  labels <- to_masks(masks, call)
  data <- list(to_encoder_of_regime(encoder, regime, call), to_patches(x, call), labels)
  from_segmenter(fit_in_python("segment", data, call, "segmenter"))
}

#' Predict the class of each cell of patches, or map them
#'
#' @param object A fit of [foundation_fit_segmenter()].
#' @param x As in [predict.edaphosbridge_classifier()]. Patches may be of another size than those of the
#'   training.
#' @param type `"class"` or `"prob"`. Of a raster without `coords` also `"entropy"`, `"margin"` and
#'   `"least_confidence"`, as in [predict.edaphosbridge_classifier()].
#' @inheritParams predict.edaphosbridge_classifier
#'
#' @section Maps:
#' Of a raster without `coords` every cell gets a class, from overlapping tiles of the size of the patches
#' of the training. They share half of their cells, and a cell has the mean of the probabilities of those
#' that it lies in, by weights that fall towards their edges. All else is as in
#' [predict.edaphosbridge_classifier()].
#'
#' @return For `"class"` an integer array `(N, H, W)` of the places of classes in `object$classes`, which
#'   are its `levels`: `levels(p)[p]` is the text, and `structure(p[1, , ], levels = levels(p))` the first
#'   mask with them. Such an array may be given as `masks`. For `"prob"` a numeric array `(N, K, H, W)`
#'   with `dimnames` for its K classes. `NA` for points of `coords` outside the raster or without data in
#'   any band.
#'
#'   Of a raster without `coords` a map, as of [predict.edaphosbridge_classifier()].
#' @seealso [foundation_fit_segmenter()]
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(40 * 4 * 8 * 8), c(40, 4, 8, 8))
#' masks <- ifelse(x[, 1, , ] > 0, "wet", "dry")
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_segmenter(encoder, x, masks, epochs = 3, seed = 1)
#' predicted <- predict(fit, x)
#' mean(levels(predicted)[predicted] == masks)
#' image(predicted[1, , ])
#' wet <- predict(fit, x, type = "prob")[, "wet", , ]
#' @export
predict.edaphosbridge_segmenter <- function(object, x,
                                            type = c(
                                              "class", "prob", "entropy", "margin",
                                              "least_confidence"
                                            ),
                                            device = NULL, ..., coords = NULL,
                                            encoder = NULL, newdata, dataset = NULL, head = NULL,
                                            filename = "", overwrite = FALSE, wopt = list(),
                                            block_size = NULL, colours = NULL, client = NULL,
                                            resume = TRUE, verbose = FALSE) {
  call <- sys.call()
  stop_if_unused("predict", ...)
  prediction <- predict_in_python(
    object, x, newdata, type, c("class", "prob"), device, coords, encoder, head,
    dataset, call
  )
  if (!is.null(prediction$map)) {
    return(prediction$map)
  }
  if (is.null(prediction$values)) {
    return(structure(prediction$codes, levels = object$classes))
  }
  from_named(prediction$values, object$classes, 2L)
}

# The network from scratch needs no encoder.
to_encoder_of_regime <- function(encoder, regime, call) {
  choices <- eval(formals(foundation_fit_segmenter)$regime)
  if (!missing(encoder) && is.null(encoder) && identical(to_choice(regime, choices), "from_scratch")) {
    return(NULL)
  }
  to_encoder(encoder, call)
}
