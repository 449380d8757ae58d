# How R reaches Python: the only file that knows reticulate. Where R itself runs inside Python
# (rpy2), another `python_call()` and `is_python_object()` take the place of these two.

bridge <- new.env(parent = emptyenv())

# Calls a function of edaphos_bridge.interop.reticulate and returns its answer.
python_call <- function(name, args) {
  do.call(python_module()[[name]], args)
}

# Whether `x` is a Python object that R only holds.
is_python_object <- function(x) {
  inherits(x, "python.builtin.object")
}

# Whether a Python object did not survive saveRDS().
is_dead_python_object <- function(x) {
  is_python_object(x) && reticulate::py_is_null_xptr(x)
}

python_module <- function() {
  if (is.null(bridge$module)) {
    bridge$module <- start_python()
  }
  bridge$module
}

start_python <- function() {
  if ("torch" %in% loadedNamespaces()) {
    stop_condition(
      paste(
        "the R package torch is loaded, and Python's torch cannot be loaded beside it in one",
        "process. Restart R, and do not load torch.",
        how_to_move_an_encoder("moco$encoder_q")
      ),
      c("edaphosbridge_r_torch_loaded", "edaphosbridge_error")
    )
  }
  restore <- use_wanted_python()
  on.exit(restore())
  module <- tryCatch(
    reticulate::import("edaphos_bridge.interop.reticulate"),
    error = function(cause) stop_python_not_ready(conditionMessage(cause))
  )
  if (nzchar(module$startup_note)) {
    message(module$startup_note)
  }
  module
}

# EDAPHOSBRIDGE_PYTHON comes first: a Python, or the folder of a virtual environment. It is handed
# to reticulate as RETICULATE_PYTHON, the only way that asks no other rule (use_python() still
# looks for a Poetry project in the working directory). Returns a function that undoes that.
use_wanted_python <- function() {
  wanted <- Sys.getenv("EDAPHOSBRIDGE_PYTHON")
  if (!nzchar(wanted) || reticulate::py_available()) {
    return(function() NULL)
  }
  python <- wanted
  if (dir.exists(wanted)) {
    inside <- file.path(wanted, c("bin/python", "Scripts/python.exe"))
    python <- c(inside[file.exists(inside)], wanted)[[1]]
  }
  if (!file.exists(python) || dir.exists(python)) {
    stop_condition(
      sprintf("EDAPHOSBRIDGE_PYTHON is '%s', and there is no Python.", wanted),
      c("edaphosbridge_python_not_found", "edaphosbridge_error")
    )
  }
  before <- Sys.getenv("RETICULATE_PYTHON", unset = NA)
  Sys.setenv(RETICULATE_PYTHON = python)
  function() {
    if (is.na(before)) Sys.unsetenv("RETICULATE_PYTHON") else Sys.setenv(RETICULATE_PYTHON = before)
  }
}

stop_python_not_ready <- function(cause) {
  python <- tryCatch(reticulate::py_config()$python, error = function(e) NULL)
  wanted <- Sys.getenv("EDAPHOSBRIDGE_PYTHON")
  if (is.null(python) && nzchar(wanted)) {
    text <- paste0(
      "reticulate cannot load the Python that EDAPHOSBRIDGE_PYTHON names, '", wanted, "':\n", cause,
      "\nIt must have a shared library (Debian: the package libpython3.x; pyenv: built with ",
      "--enable-shared)."
    )
  } else if (is.null(python)) {
    text <- paste0(
      "reticulate found no Python (", cause, "). Install Python 3.10 or newer, then set ",
      "EDAPHOSBRIDGE_PYTHON to it."
    )
  } else {
    text <- paste0(
      "the Python package edaphos_bridge cannot be loaded from ", python, ":\n", cause,
      "\nInstall it with\n  ", install_command(python),
      "\nor set EDAPHOSBRIDGE_PYTHON to the Python that has it, and restart R."
    )
  }
  stop_condition(text, c("edaphosbridge_python_not_found", "edaphosbridge_error"))
}

install_command <- function(python) {
  # reticulate before 1.38 cannot load NumPy 2, before 1.45 not pandas 3
  pins <- if (utils::packageVersion("reticulate") < "1.38") "\"numpy<2\" \"pandas<3\""
  paste(shQuote(python), "-m pip install edaphos-bridge", pins)
}
