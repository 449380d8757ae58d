#' Encoders in files, and the ones that edaphos has published
#'
#' `foundation_weights_list()` shows the published encoders,
#' `foundation_weights_download()` fetches one into the cache,
#' `foundation_weights_load()` opens a published encoder or a file, and
#' `foundation_weights_save()` writes one.
#'
#' @section Files:
#' `foundation_weights_save()` writes one safetensors file with its metadata,
#' whole or not at all. `foundation_weights_load()` opens such files, and files
#' of R's torch without R's torch: state dicts and modules (serialization
#' version 3), and state dicts in the older RDS form. Architecture and widths of
#' R torch's are found from the names and shapes of the tensors; weights of an
#' XResNet alone do not tell its stem. A damaged file is an error
#' of class `edaphosbridge_weights_error`; no code in a file is ever run.
#'
#' @section Encoders of R's torch:
#' R's torch and Python's cannot be loaded in one process. Save the encoder in
#' the session that has it, with
#' `torch::torch_save(moco$encoder_q$state_dict(), "encoder.pt")`, and load it in
#' a fresh one, with `foundation_weights_load("encoder.pt")`.
#'
#' @section Downloads:
#' A download that breaks off is resumed, up to four attempts. The file gets its
#' name in the cache only when its sha256 is the published one. What fails is an
#' error of class `edaphosbridge_download_error`, and the cache is as it was.
#'
#' @param name A name in `foundation_weights_list()`.
#' @param source A name in `foundation_weights_list()`, the path of a file, or what
#'   `foundation_weights_download()` returned.
#' @param n_channels,feature_dim,proj_dim What the encoder must have, its
#'   channels and widths; `NULL` accepts any.
#' @param cache_dir Folder of the downloads; `NULL` is the platform's folder for
#'   caches of a user.
#' @param patch_orientation How the patches of rasters lay that the encoder was pretrained on.
#'   edaphos transposes what it cuts from a raster: an encoder of its
#'   `foundation_moco_pretrain_tiles()` is `"transposed"`, one of its `foundation_moco_pretrain()` on
#'   an array of yours `"rows_first"`. `NULL` takes what the file says, and `"transposed"` for a
#'   published encoder. A file of R torch says nothing: what reads a raster for such an encoder
#'   warns.
#' @param overwrite Whether to download what is in the cache already.
#' @param timeout_sec Seconds without a byte after which an attempt is given up.
#' @param verbose Whether to report what happened, as messages.
#' @param encoder An encoder of [foundation_encoder()], or a fit that holds one.
#' @param path The file to write; an existing one is replaced.
#'
#' @return `foundation_weights_list()`: a data frame with `name`, `architecture`,
#'   `n_channels`, `feature_dim`, `proj_dim`, `patch_size`, `file`, `url`,
#'   `sha256`, `doi`, `license`, `description`, `aoi` (where it was pretrained),
#'   `published_at`, `edaphos_version`; `NA` is not known, and without `url` an
#'   encoder is announced and cannot be downloaded.
#'
#'   `foundation_weights_download()`: invisibly, a list with `path`, the file in the
#'   cache; `metadata`, the path of a file that describes it, `NA` where none is
#'   published; and `entry`, its row of `foundation_weights_list()`.
#'
#'   `foundation_weights_load()`: an encoder as of [foundation_encoder()].
#'
#'   `foundation_weights_save()`: the path of the file, invisibly.
#' @seealso [foundation_fit_classifier()], [foundation_moco_embed()]
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' foundation_weights_list()[, c("name", "n_channels", "license")]
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' path <- foundation_weights_save(encoder, tempfile(fileext = ".safetensors"))
#' foundation_weights_load(path)
#' @name foundation_weights
NULL

#' @rdname foundation_weights
#' @export
foundation_weights_list <- function() {
  from_table(answer_value(python_call("weights_list", list()), sys.call()))
}

#' @rdname foundation_weights
#' @export
foundation_weights_download <- function(name, cache_dir = NULL, overwrite = FALSE,
                                        timeout_sec = 60, verbose = FALSE) {
  call <- sys.call()
  if (missing(name)) {
    stop_input("name", "is missing. foundation_weights_list() shows the names.", call)
  }
  answer <- python_call("weights_download", list(
    to_scalar(name), to_path(cache_dir), to_scalar(overwrite), to_scalar(timeout_sec),
    to_scalar(verbose)
  ))
  value <- answer_value(answer, call)
  report_lines(value$lines)
  invisible(list(path = value$path, metadata = NA_character_, entry = from_table(value$entry)))
}

#' @rdname foundation_weights
#' @export
foundation_weights_load <- function(source, n_channels = NULL, feature_dim = NULL,
                                    proj_dim = NULL, cache_dir = NULL, overwrite = FALSE,
                                    verbose = FALSE, patch_orientation = NULL) {
  call <- sys.call()
  if (missing(source)) {
    stop_input("source", "is missing: a path, or a name of foundation_weights_list().", call)
  }
  if (is.list(source) && is.character(source$path)) {
    source <- source$path # of foundation_weights_download()
  }
  answer <- python_call("weights_load", list(
    to_path(source), to_scalar(n_channels), to_scalar(feature_dim), to_scalar(proj_dim),
    to_path(cache_dir), to_scalar(overwrite), to_scalar(verbose), to_scalar(patch_orientation)
  ))
  value <- answer_value(answer, call)
  report_lines(value$lines)
  from_encoder(value$encoder)
}

#' @rdname foundation_weights
#' @export
foundation_weights_save <- function(encoder, path) {
  call <- sys.call()
  if (missing(path)) {
    stop_input("path", "is missing: the file to write.", call)
  }
  answer <- python_call("weights_save", list(to_encoder(encoder, call), to_path(path)))
  invisible(answer_value(answer, call))
}

report_lines <- function(lines) {
  for (line in unlist(lines)) {
    message(line)
  }
}
