# Which process this is. A fork of a process in which Python runs has Python's memory, but not the
# threads that torch waits for: a call would never return.

# Called when the package is loaded, and when Python has started.
note_process <- function(what) {
  bridge[[what]] <- Sys.getpid()
}

# Whether this process was forked from one in which Python ran.
is_forked_from_python <- function() {
  here <- Sys.getpid()
  if (!is.null(bridge$started_in)) {
    return(bridge$started_in != here)
  }
  # Python may have been started by another package
  !is.null(bridge$loaded_in) && bridge$loaded_in != here && is_python_running()
}

stop_if_forked <- function() {
  if (is_forked_from_python()) {
    stop_condition(
      paste0(
        "this process was forked from an R in which Python runs, and Python's torch cannot ",
        "compute in it.\nUse parallel::makePSOCKcluster(), callr or future::multisession ",
        "instead of mclapply() and the like."
      ),
      c("edaphosbridge_forked_process", "edaphosbridge_error")
    )
  }
}
