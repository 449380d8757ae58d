#' Classifiers on self-supervised encoders of raster patches
#'
#' An R array of raster patches and a factor of labels go in, a classifier
#' trained in Python (PyTorch) comes out, and predictions come back as R
#' factors and matrices. [foundation_fit_classifier()] and `predict()` are the
#' calls of the edaphos package.
#'
#' @section How Python is found:
#' Python starts at the first call that needs it, never at `library()`. The
#' environment variable `EDAPHOSBRIDGE_PYTHON` names the Python (or the virtual
#' environment) to use; where it is not set, reticulate's own rules apply
#' (`RETICULATE_PYTHON`, `reticulate::use_virtualenv()`, ...).
#'
#' @section Errors:
#' Every error is a condition of class `edaphosbridge_error`. Below it,
#' `edaphosbridge_input_error` says that an argument cannot be used (its name is
#' in the condition's element `argument`), `edaphosbridge_weights_error` that a
#' saved state or a file cannot, `edaphosbridge_download_error` that a file cannot
#' be downloaded, `edaphosbridge_training_error` that training diverged,
#' `edaphosbridge_r_torch_object` and `edaphosbridge_r_torch_loaded` that R's torch
#' is in the way (the message says how an encoder gets out of it), and `edaphosbridge_python_error` that Python failed in another way. The
#' Python traceback, if there is one, is in the element `traceback`.
#'
#' @keywords internal
"_PACKAGE"
