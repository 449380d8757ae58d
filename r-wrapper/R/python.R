# How R reaches Python: the only file, beside find-python.R, that knows reticulate. Where R itself
# runs inside Python (rpy2), another `python_call()` and `is_python_object()` take the place of these
# two.

bridge <- new.env(parent = emptyenv())

# Makes a call of edaphos_bridge.interop.calls and returns its answer.
#
# Python has Ctrl-C meanwhile. One that R had noted before would jump out of the next R code that
# Python calls, reticulate's own after each import too, over the frames of Python and torch: torch
# then stays as it is in the middle of an operation, without gradients. It waits.
python_call <- function(name, args) {
  stop_if_forked()
  force(args) # what R refuses by itself starts no Python
  call <- python_module()$call
  suspendInterrupts(do.call(call, c(list(name), args)))
}

# Whether `x` is a Python object that R only holds.
is_python_object <- function(x) {
  inherits(x, "python.builtin.object")
}

# Whether a Python object did not survive saveRDS().
is_dead_python_object <- function(x) {
  is_python_object(x) && reticulate::py_is_null_xptr(x)
}

is_python_running <- function() {
  reticulate::py_available()
}

is_r_torch_loaded <- function() {
  "torch" %in% loadedNamespaces()
}

python_module <- function() {
  if (is.null(bridge$module)) {
    bridge$module <- start_python()
    note_process("started_in")
  }
  bridge$module
}

start_python <- function() {
  if (is_r_torch_loaded()) {
    stop_condition(
      paste(
        "the R package torch is loaded, and Python's torch cannot be loaded beside it in one",
        "process. Restart R, and do not load torch.",
        how_to_move_an_encoder("moco$encoder_q")
      ),
      c("edaphosbridge_r_torch_loaded", "edaphosbridge_error")
    )
  }
  was_running <- is_python_running()
  restore <- c(use_wanted_python(), use_temporary_cache())
  on.exit(for (put_back in restore) put_back())
  # Modules that Ctrl-C interrupts half-way stay so: it waits, and arrives when all are there.
  module <- suspendInterrupts(tryCatch(
    without_poetry(reticulate::import("edaphos_bridge.interop.reticulate")),
    error = identity
  ))
  if (inherits(module, "error")) {
    stop_if_interrupted(grepl("KeyboardInterrupt", conditionMessage(module), fixed = TRUE))
    stop_python_not_ready(conditionMessage(module), was_running)
  }
  # Nothing else fails here: what R held back may arrive as an error of reticulate's.
  stop_if_interrupted(tryCatch(module$was_interrupted(), error = function(pressed) TRUE))
  if (nzchar(module$startup_note)) {
    message(module$startup_note)
  }
  module
}

# EDAPHOSBRIDGE_PYTHON comes first: a Python, or the folder of a virtual environment. It is handed
# to reticulate as RETICULATE_PYTHON, the only way that asks no other rule (use_python() still
# looks for a Poetry project in the working directory). Without it, the environment of
# install_edaphosbridge() comes after every rule that the user has set, and before a search.
# Returns a function that undoes that.
use_wanted_python <- function() {
  if (is_python_running()) {
    return(function() NULL)
  }
  if (nzchar(Sys.getenv("EDAPHOSBRIDGE_PYTHON"))) {
    return(set_variable("RETICULATE_PYTHON", wanted_python()))
  }
  python <- python_of(own_environment())
  if (is.na(python) || nzchar(Sys.getenv("RETICULATE_PYTHON_FALLBACK"))) {
    return(function() NULL)
  }
  set_variable("RETICULATE_PYTHON_FALLBACK", python)
}

# torch makes a folder for compiled code beside R's temporary one, where nobody removes it.
use_temporary_cache <- function() {
  if (nzchar(Sys.getenv("TORCHINDUCTOR_CACHE_DIR"))) {
    return(function() NULL)
  }
  set_variable("TORCHINDUCTOR_CACHE_DIR", file.path(tempdir(), "torchinductor"))
}

# Sets an environment variable and returns a function that puts it back.
set_variable <- function(name, value) {
  before <- Sys.getenv(name, unset = NA)
  set <- function(value) do.call(Sys.setenv, structure(list(value), names = name))
  set(value)
  function() if (is.na(before)) Sys.unsetenv(name) else set(before)
}

stop_python_not_ready <- function(cause, was_running) {
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
      "reticulate found no Python (", cause, ").\nSet one up with\n  ", install_line(),
      "\nor set EDAPHOSBRIDGE_PYTHON to a Python 3.10 or newer that has edaphos-bridge."
    )
  } else {
    text <- paste0(
      "the Python package edaphos_bridge cannot be loaded from ", named_python(python, was_running),
      ":\n", cause, "\n", way_out(python, was_running),
      "\nedaphosbridge_doctor() looks closer."
    )
  }
  stop_condition(text, c("edaphosbridge_python_not_found", "edaphosbridge_error"))
}

# What to do where edaphos_bridge is missing in the Python that was asked. Another one cannot be
# started in the same session.
way_out <- function(python, was_running) {
  instead <- if (was_running) python_instead_of(python)
  if (!is.null(instead)) {
    return(paste0("Another Python is set up for it, ", instead, ". ", restart_first))
  }
  variable <- variable_behind(python)
  own <- own_instead_of(python)
  if (!is.null(own) && nzchar(variable)) {
    return(sprintf(
      "install_edaphosbridge() has set up another one, %s: unset %s and restart R.", own, variable
    ))
  }
  if (!nzchar(variable)) {
    return(paste0(
      "Set one up with\n  ", install_line(),
      "\nor set EDAPHOSBRIDGE_PYTHON to a Python that has it; then restart R."
    ))
  }
  paste0(
    "Install it with\n  ", install_command(python),
    "\nor set EDAPHOSBRIDGE_PYTHON to another Python that has it; then restart R."
  )
}

# reticulate takes every pyproject.toml in the working directory for one of Poetry, this project's too.
without_poetry <- function(code) {
  withCallingHandlers(code, warning = function(condition) {
    if (grepl("appears to use Poetry", conditionMessage(condition), fixed = TRUE)) {
      invokeRestart("muffleWarning")
    }
  })
}

restart_first <- "Restart R, and call edaphosbridge before anything else starts Python."
