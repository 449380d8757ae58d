#' Train a classification head on an encoder
#'
#' Attaches a classification head to an encoder and trains it against labelled
#' patches, in Python (PyTorch). Two regimes of the transfer-learning
#' literature are offered. Nothing that is given is changed, and prediction and
#' validation always run in evaluation mode.
#'
#' @section Linear probe (`freeze_backbone = TRUE`, `head = "linear"`):
#' The encoder stays as it is and runs once over the data; one linear layer is
#' trained on the cached features (He, Girshick and Dollar 2019).
#'
#' @section Full fine-tuning (`freeze_backbone = FALSE`):
#' A copy of the encoder trains together with the head, the backbone at
#' `lr * backbone_lr_mult`, the head at `lr`.
#'
#' @param encoder A [foundation_encoder()], the encoder of an earlier fit, or a
#'   Python `torch.nn.Module` held by reticulate that maps `(B, C, H, W)` to
#'   features: a tensor `(B, D)`, or a mapping or object with `feature` (then
#'   `embedding`).
#' @param x Array `(N, C, H, W)` of patches: double, integer or logical, without
#'   missing values. It is read where it lies and converted to float32 in Python.
#'   Or patches that are not in memory and are read in parts: the path of a `.npy`
#'   file or of an array in a `.zarr` folder, or a [foundation_tile_dataset()].
#' @param y Factor, or a vector that `factor()` accepts, of length N. The order
#'   of the levels is the order of the columns; unused levels are dropped. Numbers
#'   that are not whole are no classes: [cut()] makes some.
#' @param freeze_backbone `TRUE` for linear probing, `FALSE` for full fine-tuning.
#' @param head `"linear"`; `"mlp"`: for each width in `hidden` a linear layer,
#'   ReLU and dropout, then a linear layer; `"concat_pool"`: fastai's head on the encoder's
#'   feature maps; or a Python `torch.nn.Module` from features `(B, D)` to a number for each class,
#'   target or label, held by reticulate, of which a copy trains.
#' @param hidden Hidden widths of MLP and fastai's head.
#' @param dropout Dropout probability in them, in `[0, 1)`. fastai's head has half of it in all
#'   layers but the last, or one of several numbers in each.
#' @param epochs,batch_size Passes over the training rows, and patches a step.
#' @param lr Learning rate of Adam for the head, constant.
#' @param weight_decay Adam's coupled weight decay, on head and backbone.
#' @param backbone_lr_mult Factor on `lr` for the backbone.
#' @param val_split Fraction of rows held out at random for validation, in
#'   `[0, 1)`; 0 holds out none. With `groups` or `blocks`, whole ones are held out,
#'   drawn until they have at least that share; one always trains. Not used with
#'   `folds` and `validation`.
#' @param device `"cpu"`, `"mps"` or `"cuda"`; falls back to the cpu with a
#'   message where it is not available.
#' @param seed Whole number, the only source of randomness; `NULL` draws one from
#'   R's generator, so that `set.seed()` reproduces too. `fit$config$seed` keeps it.
#' @param verbose Whether to report loss and accuracy of epoch 1, every 10th and
#'   the last as messages. Otherwise an interactive session shows a progress bar.
#' @param class_weight Weights of the classes in the loss: `"balanced"`, `n / (K * n_k)` of the
#'   training rows; `"capped"`, the same, but at most 10; or a named vector. `NULL` for none.
#' @param label_smoothing Share of the target that goes to all classes alike, in `[0, 1)`.
#' @param patience Stop after so many epochs without a better score of the validation rows (accuracy,
#'   of a regressor RMSE, of a multi-label classifier macro F1), and keep the best weights. `NULL`
#'   never stops.
#' @param augment `TRUE` to train on random views that do not change a label, flips and quarter
#'   turns; or a list with some of `flip_prob`, `rot90_prob`, `brightness_jitter`, `noise_sd`,
#'   `channel_drop_prob`, `cutout_prob`, `cutout_size_ratio` and `crop_ratio`.
#' @param groups Vector or factor of length N, the group of each row, such as its field
#'   or profile: the rows of a group stay on one side. At most one of `groups`, `blocks`,
#'   `folds` and `validation` is given; `fit$config$split` says what was done.
#' @param blocks Where each row lies: a matrix (N, 2), a data frame with x and y, or
#'   points of sf or terra. Rows in the same square of side `block_size` stay on one
#'   side. Project longitude and latitude first: a degree has not the same length
#'   everywhere.
#' @param block_size In the units of the coordinates; squares begin at multiples of it.
#' @param buffer Training rows nearer than that to any validation row are left out; in
#'   the units of `blocks`.
#' @param folds Whole numbers, the fold of each row; or a list with the rows that each
#'   fold holds out (caret's `createFolds()`); or a list of pairs `list(train, test)`
#'   (`folds_list` of blockCV); or an `rset` of rsample or spatialsample. The first fold
#'   validates (the lowest number), or `fold`; see [foundation_cross_validate()] for all
#'   of them.
#' @param fold Which of `folds` validates: its number, or its place in the list.
#' @param validation The rows that validate, or a logical vector that says whether each
#'   one does.
#' @param checkpoint_dir A folder in which the run keeps where it stands, after each epoch, or `NULL`.
#'   The same call goes on from there if it was killed, with the bits of a run that was not; where
#'   rates are constant, so does one with more `epochs`. A call with other data or settings is refused. Nothing in it is of use once the fit is there.
#'
#' @return A list of class `c("edaphosbridge_classifier", "edaphosbridge_fit",
#'   "edaphos_foundation_classifier")` with
#'   \item{encoder, head}{the trained encoder, and the head's weights as arrays; modules of your
#'     own as Python objects}
#'   \item{classes}{character, the order of the columns of probabilities}
#'   \item{ordered}{whether `y` was an ordered factor, as predicted classes are then}
#'   \item{loss_history, val_accuracy_history}{numeric, one value an epoch;
#'     accuracy is `NA` when `val_split = 0`}
#'   \item{config}{list of the settings, with the seed used}
#'   \item{feature_dim, head_type, freeze_backbone, device, in_channels, patch_size}{what was
#'     trained, and where}
#'   \item{class_counts}{integer, the labelled patches of each class, validation rows included}
#'   \item{overlapping}{integer, how many patches of a tile dataset share cells with another, so
#'     that the accuracy of a random split says little about other places; `NULL` of other patches}
#'   \item{normalisation}{how raw raster cells become the encoder's input, see
#'     [foundation_moco_pretrain_tiles()], or `NULL`}
#'   \item{state}{raw (by `fit$state`), the whole classifier as a safetensors file}
#'   It holds no pointer into Python: `saveRDS()` and `readRDS()` keep it whole.
#'   (A fit around Python modules of your own asks `predict()` for them again, as `encoder =`
#'   and `head =`; for other functions put them into it, `fit$head <- module`.)
#'
#' @references
#' He, K., Girshick, R. and Dollar, P. (2019). Rethinking ImageNet pre-training.
#' ICCV 2019.
#'
#' Kornblith, S., Shlens, J. and Le, Q. V. (2019). Do better ImageNet models
#' transfer better? CVPR 2019.
#'
#' @seealso [predict.edaphosbridge_classifier()], [foundation_encoder()],
#'   [summary()][summary.edaphosbridge], [plot()][plot.edaphosbridge_fit],
#'   [update()][update.edaphosbridge], [tidy()][tidiers.edaphosbridge]
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' data <- statlog_landsat()
#' x <- (data$x - mean(data$x)) / sd(data$x)
#' train <- which(data$train)[1:200]
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_classifier(encoder, x[train, , , ], data$y[train], epochs = 5, seed = 1)
#' fit
#' predict(fit, x[4436:4440, , , ])
#' predict(fit, x[4436:4440, , , ], type = "prob")
#' @export
foundation_fit_classifier <- function(encoder, x, y,
                                      freeze_backbone = TRUE,
                                      head = c("linear", "mlp"),
                                      hidden = c(64L, 32L),
                                      dropout = 0,
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
                                      label_smoothing = 0,
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
  from_classifier(fit_in_python("fit", labelled(encoder, x, y, call), call))
}

#' Predict classes or probabilities of patches, or map them
#'
#' @section Maps:
#' Of a raster without `coords`, a `SpatRaster` of terra, a stars object or the path of a raster, a map
#' is made: a cell for each cell of the raster, or for every `stride` x `stride` of them with the value
#' at the one in its middle. The values are those at the centres of cells, `coords =`; cells without data
#' in any band are `NA`. The raster is read in blocks, each once, with the cells that patches of its edge
#' reach: memory does not grow with the raster, nor with the map, which is written to a file, a
#' cloud-optimised GeoTIFF. A message a block or so (`verbose`), or a bar in an interactive session, say
#' how many blocks are done, how many a second and how long it will take.
#'
#' Ctrl-C stops a map within a second. Blocks that are finished stay beside `filename`, in the folder
#' `<filename>.parts`, and the same call goes on from there; an existing file is replaced when the new
#' map is whole. A map without a `filename` begins anew.
#'
#' Paths that end in `.npy`, and those into a `.zarr` folder, are of patches.
#'
#' @param object A fit of [foundation_fit_classifier()].
#' @param x Array `(N, C, H, W)` with the channels of the training data; N may
#'   be 1 or 0. Or a file or tile dataset that holds them, as in
#'   [foundation_fit_classifier()]. Or a raster, as in [foundation_tile_dataset()]: with `coords` at
#'   points of it, else for a map. Of a fit on patches of 1 x 1 cells also a data frame or matrix of
#'   cells, see the section on them.
#' @param type `"class"` or `"prob"`. Of a raster without `coords` also `"entropy"` (Shannon's, over that
#'   of equal classes), `"margin"` (one minus the difference of the two highest probabilities) and
#'   `"least_confidence"` (one minus the highest), which are 0 where a class is certain. Several may be
#'   given then, but `"class"` only alone.
#' @param device Where to compute, instead of the device used for fitting.
#' @param ... Not used: an argument of another name is an error.
#' @param coords Points in the coordinates of the raster `x`, as in
#'   [foundation_embed_at_coords()]: the patches around them are read in windows
#'   and normalised as in pretraining.
#' @param encoder,head For a fit around Python modules of your own that was read from
#'   a file: those modules, built anew.
#' @param newdata Another name of `x`, as R's other models have it; to give both is
#'   an error. Messages about it speak of `x`.
#' @param dataset With a raster: a [foundation_tile_dataset()] that gives means and standard
#'   deviations for an encoder without `normalisation`, with patches of the size that the
#'   classifier was trained on. With a data frame of cells: one of any size.
#' @param filename Of a map: the path of its file, which ends in `.tif` or `.tiff`; `""` is a temporary
#'   one, in terra's folder ([terra::terraOptions()]), which goes with the session.
#' @param overwrite Of a map: whether `filename` is replaced if it exists.
#' @param wopt Of a map: a list with some of what [terra::writeRaster()] takes. `gdal`, creation options
#'   of GDAL's COG driver such as `"COMPRESS=ZSTD"`; `filetype`, `"GTiff"` or `"COG"`; `datatype`, if it
#'   is the one that the map has: of classes `"INT1U"`, of more than 255 `"INT2U"`, else `"FLT4S"`.
#' @param stride Of a map: a cell for every `stride` x `stride` cells of the raster, with the value of
#'   the cell in the middle; where that would lie beyond the raster, of the last row or column. Patches at
#'   the edge reach beyond the raster: what has no data there counts as its band's mean.
#' @param block_size Of a map: its cells, in each direction, that are computed and kept at a time, at
#'   least 16; by default as many as take about 128 MiB, at most 512, and fewer of a small map.
#' @param method Of a map: `"exact"`, or `"dense"`, which runs the convolutions once over a whole block.
#'   That is an approximation: patches then have neighbours where the exact way has their edge. For
#'   MoCo and SimCLR encoders.
#' @param colours Of a map of classes: a colour for each, by name or in their order, as
#'   [grDevices::col2rgb()] reads them. By default those of Okabe and Ito, which colour-blind people
#'   tell apart too.
#' @param client Of a map: the address of a scheduler of dask's, whose workers compute the blocks. They
#'   must see raster and `filename` under the same names. It needs the Python package distributed. By
#'   default threads of this process.
#' @param resume Of a map: whether blocks are taken that the same call left when it was stopped.
#' @param verbose Of a map: whether to report blocks, rate and time left as messages.
#'
#' @section Cells in a data frame:
#' A fit on patches of one cell, an array `(N, C, 1, 1)`, predicts data frames with a row for each cell
#' and a column for each band, so that what knows models but no patches works with it:
#' `terra::predict(stack, fit)`, with `type = "prob"` too, and tools that explain any model. Where the
#' encoder carries a `normalisation`, or `dataset` gives one, columns are taken by the names of its bands
#' and cells are raw, as with `coords`; else columns are the channels in order. A row with `NA` is `NA`.
#' A fit on larger patches needs the cells around each: `predict(fit, stack)`, or `coords`.
#'
#' @return For `"class"` a factor of length N with `levels = object$classes`; for
#'   `"prob"` a numeric matrix (N, number of classes) with
#'   `colnames = object$classes`, whose rows sum to 1. Both are `NA` for points of
#'   `coords` outside the raster or without data in any band, and for rows of a data frame with `NA`.
#'
#'   Of a raster without `coords` a `SpatRaster` with its coordinate reference system and extent (the last
#'   row and column of a `stride` may reach beyond it): for `"class"` with the classes as levels 1 to K
#'   and their colours, for `"prob"` with a layer a class. Of a stars object a stars object, a factor for
#'   `"class"`; of a proxy a proxy.
#' @seealso [foundation_embed_raster()]
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' data <- statlog_landsat()
#' x <- (data$x - mean(data$x)) / sd(data$x)
#' train <- which(data$train)[1:200]
#' test <- which(!data$train)[1:100]
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_classifier(encoder, x[train, , , ], data$y[train], epochs = 5, seed = 1)
#' predicted <- predict(fit, x[test, , , ])
#' table(predicted, truth = data$y[test])
#' # one patch: drop = FALSE keeps its dimension
#' predict(fit, x[test[1], , , , drop = FALSE], type = "prob")
#'
#' # a map
#' if (requireNamespace("terra", quietly = TRUE)) {
#'   stack <- terra::rast(system.file("ex/logo.tif", package = "terra"))
#'   dataset <- foundation_tile_dataset(stack, patch_size = 8, n_patches = 50, seed = 1)
#'   encoder <- foundation_moco_pretrain_tiles(dataset, epochs = 2, seed = 1)
#'   points <- data.frame(x = c(20, 60, 80), y = c(30, 40, 10))
#'   x <- foundation_patches_at_coords(encoder, points, stack)
#'   fit <- foundation_fit_classifier(
#'     encoder, x, c("dry", "wet", "dry"), val_split = 0, epochs = 2, seed = 1
#'   )
#'   soils <- predict(fit, stack, stride = 2, colours = c(dry = "tan", wet = "blue"))
#'   terra::plot(soils)
#'   predict(fit, stack, type = c("prob", "entropy"), stride = 4)
#' }
#' @importFrom stats predict
#' @export
predict.edaphosbridge_classifier <- function(object, x,
                                             type = c(
                                               "class", "prob", "entropy", "margin",
                                               "least_confidence"
                                             ),
                                             device = NULL, ..., coords = NULL,
                                             encoder = NULL, newdata, dataset = NULL, head = NULL,
                                             filename = "", overwrite = FALSE, wopt = list(),
                                             stride = 1L, block_size = NULL, method = c("exact", "dense"),
                                             colours = NULL, client = NULL, resume = TRUE,
                                             verbose = FALSE) {
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
    return(from_factor(prediction$codes, object$classes, isTRUE(object$ordered)))
  }
  from_matrix(prediction$values, object$classes)
}

#' @rdname tidiers.edaphosbridge
#' @method augment edaphosbridge_classifier
#' @exportS3Method generics::augment edaphosbridge_classifier
augment.edaphosbridge_classifier <- function(x, newdata, data = NULL, coords = NULL,
                                             dataset = NULL, ...) {
  call <- sys.call()
  stop_if_unused("augment", ..., also = c("device", "encoder", "head"))
  stop_if_map(newdata, coords, call)
  prob <- stats::predict(x, newdata, type = "prob", coords = coords, dataset = dataset, ...)
  class <- rep(NA_integer_, nrow(prob))
  known <- !is.na(prob[, 1L])
  class[known] <- max.col(prob[known, , drop = FALSE], ties.method = "first")
  colnames(prob) <- paste0(".pred_", x$classes)
  columns <- data.frame(
    .pred_class = from_factor(class, x$classes, isTRUE(x$ordered)), prob,
    check.names = FALSE
  )
  bound_to(data, coords, columns, call)
}
