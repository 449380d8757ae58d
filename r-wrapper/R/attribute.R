#' What a fit looks at in patches
#'
#' Attributes an output of a fit to the cells and bands of patches, by the Python library captum.
#' Grad-CAM works on the encoder's last feature map, which has a quarter of the patch's cells or
#' fewer: of a patch of 9 x 9 cells a MoCo encoder keeps 5 x 5. So for patches under 16 cells a side
#' it is coarse, and integrated gradients, which tell each cell of each band, are the default.
#'
#' @inheritParams foundation_interpret
#' @param x Array `(N, C, H, W)` of patches, as in [foundation_fit_classifier()]; all are held in
#'   memory.
#' @param method `"grad_cam"` or `"integrated_gradients"`; `NULL` takes `"integrated_gradients"` for
#'   patches under 16 cells a side, else `"grad_cam"`.
#' @param target The class, or the name of the target, whose output is attributed (of a class its
#'   logit); by default the class predicted for each patch, of a regressor its first target.
#' @param baseline For integrated gradients: what stands for no information, a number for all bands
#'   or one for each. Of patches with zero mean, 0 is the mean.
#' @param n_steps For integrated gradients: steps of the integral.
#'
#' @return A list of class `c("edaphosbridge_attribution", "edaphosbridge_result")` with `values`, an
#'   array `(N, C, H, W)` with signs by integrated gradients, `(N, 1, H, W)` without negative ones by
#'   Grad-CAM; `method`, `target`, `prediction`, `patches` and `bands`. `as.data.frame()` and
#'   `tidy()` give the sum over cells for each patch and band, and its share of all absolute values.
#'
#' @references
#' Selvaraju, R. R. et al. (2017). Grad-CAM: visual explanations from deep networks via
#' gradient-based localization. ICCV 2017.
#'
#' Sundararajan, M., Taly, A. and Yan, Q. (2017). Axiomatic attribution for deep networks. ICML 2017.
#' @seealso [plot()][plot.edaphosbridge_attribution], [foundation_band_importance()]
#' @examplesIf edaphosbridge::edaphosbridge_available() && reticulate::py_module_available("captum")
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' y <- factor(rep(c("Oxisol", "Ultisol"), 30))
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_classifier(encoder, x, y, epochs = 3, seed = 1)
#' found <- foundation_attribute(fit, x[1:9, , , ]) # needs captum: pip install captum
#' plot(found)
#' @export
foundation_attribute <- function(fit, x, method = NULL, target = NULL, ..., baseline = 0,
                                 n_steps = 50L, encoder = NULL) {
  call <- sys.call()
  stop_if_unused("foundation_attribute", ..., call = call)
  fit <- to_fit(fit, call)
  answer <- python_call("attribute", list(
    fit$state,
    held_modules(fit, call, encoder = encoder),
    to_patches(x, call),
    if (!is.null(method)) to_choice(method, c("grad_cam", "integrated_gradients")),
    to_scalar(target),
    to_scalar(baseline),
    to_scalar(n_steps)
  ))
  from_attribution(answer_value(answer, call))
}

#' @export
as.data.frame.edaphosbridge_attribution <- function(x, row.names = NULL, optional = FALSE, ...) {
  size <- dim(x$values)
  flat <- array(x$values, c(size[1:2], prod(size[3:4])))
  absolute <- apply(abs(flat), 1:2, sum)
  total <- rowSums(absolute)
  share <- absolute / ifelse(total > 0, total, 1)
  bands <- if (size[[2]] == 1L && length(x$bands) > 1L) "all" else x$bands
  table <- data.frame(
    row = rep(seq_len(size[[1]]), each = size[[2]]),
    prediction = rep(x$prediction, each = size[[2]]),
    target = rep(x$target, each = size[[2]]),
    band = rep(bands, size[[1]]),
    attribution = as.vector(t(apply(flat, 1:2, sum))),
    share = as.vector(t(share))
  )
  as.data.frame(table, row.names = row.names, optional = optional, ...)
}

#' @exportS3Method generics::tidy
tidy.edaphosbridge_attribution <- function(x, ...) {
  stop_if_unused("tidy", ...)
  as.data.frame(x)
}

#' Which bands a fit needs
#'
#' A band of each patch is exchanged for that of another patch, at random, and the fit predicts again:
#' accuracy falls, or RMSE rises (over all targets), by the band's importance. Bands that tell the
#' same share what they tell, and each alone looks unimportant.
#'
#' @inheritParams foundation_interpret
#' @param x Array `(N, C, H, W)` of patches that it was not trained on; all are held in memory.
#' @param n_repeats Permutations of each band.
#'
#' @return A list of class `c("edaphosbridge_band_importance", "edaphosbridge_result")` with
#'   `importance`, a data frame with `band`, mean `importance` and `sd` over repeats (so do
#'   `as.data.frame()` and `tidy()`); `losses`, a matrix (bands, repeats); `metric`
#'   (`"accuracy"` or `"rmse"`) and its `score` with all bands as they are; `seed`.
#'
#' @references
#' Breiman, L. (2001). Random forests. Machine Learning 45.
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' y <- factor(ifelse(apply(x[, 2, , ], 1, mean) > 0, "Oxisol", "Ultisol"))
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_classifier(encoder, x, y, epochs = 3, seed = 1)
#' found <- foundation_band_importance(fit, x, y, n_repeats = 3, seed = 1)
#' found
#' plot(found)
#' @export
foundation_band_importance <- function(fit, x, y, ..., n_repeats = 10L, seed = NULL,
                                       encoder = NULL) {
  call <- sys.call()
  stop_if_unused("foundation_band_importance", ..., call = call)
  fit <- to_fit(fit, call)
  answer <- python_call("band_importance", list(
    fit$state, held_modules(fit, call, encoder = encoder), to_patches(x, call), to_truth(fit, y, call),
    to_scalar(n_repeats), to_scalar(seed), draw_seed
  ))
  from_importance(answer_value(answer, call))
}

#' @export
as.data.frame.edaphosbridge_band_importance <- function(x, row.names = NULL, optional = FALSE, ...) {
  as.data.frame(x$importance, row.names = row.names, optional = optional, ...)
}

#' @exportS3Method generics::tidy
tidy.edaphosbridge_band_importance <- function(x, ...) {
  stop_if_unused("tidy", ...)
  x$importance
}
