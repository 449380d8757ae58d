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
#' (`RETICULATE_PYTHON`, `reticulate::use_virtualenv()`, ...), then the environment
#' that [install_edaphosbridge()] makes. [edaphosbridge_doctor()] tells which one it
#' is, and what is wrong.
#'
#' @section Processes:
#' Each R process has a Python of its own. A fork (`parallel::mclapply()`) of a
#' process in which Python runs cannot compute and refuses with an error of class
#' `edaphosbridge_forked_process`; workers of `parallel::makePSOCKcluster()`, callr
#' and `future::multisession` can. Encoders and fits go to workers and into files as
#' they are.
#'
#' @section Errors:
#' Every error is a condition of class `edaphosbridge_error`. Below it,
#' `edaphosbridge_input_error` says that an argument cannot be used (its name is
#' in the condition's element `argument`), `edaphosbridge_weights_error` that a
#' saved state or a file cannot, `edaphosbridge_download_error` that a file cannot
#' be downloaded, `edaphosbridge_training_error` that training diverged,
#' `edaphosbridge_r_torch_object` and `edaphosbridge_r_torch_loaded` that R's torch
#' is in the way (the message says how an encoder gets out of it),
#' `edaphosbridge_python_not_found` and `edaphosbridge_install_error` that Python could
#' not be found or set up, and `edaphosbridge_python_error` that Python failed in
#' another way. The Python traceback, if there is one, is in the element `traceback`.
#'
#' @keywords internal
"_PACKAGE"
