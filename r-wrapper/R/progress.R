# Showing a running fit: one call an epoch from Python.

# Returns a list of three functions:
#   on_epoch  what Python calls; returns whether to go on
#   close     removes the bar
#   resume    to be called when Python has returned
#
# A handler that leaves the fit, as in tryCatch(..., message = ), must not jump over Python's frames:
# the jump ends here, and the answer says that the call was interrupted. `resume` then signals the
# same message again where the jump can land.
#
# `status` makes what the bar says beside it of a loss, a score and what `learner` is fitted.
fit_progress <- function(verbose, what = "classifier", status = epoch_status, learner = what) {
  bar <- NULL
  left_by <- NULL
  envir <- environment()
  with_bar <- !isTRUE(verbose) && interactive() && requireNamespace("cli", quietly = TRUE)
  show_line <- function(line) {
    left_by <<- line
    message(line)
    left_by <<- NULL
  }
  show_bar <- function(epoch, epochs, loss, score, probe) {
    if (is.null(bar)) {
      bar <<- cli::cli_progress_bar(what, total = epochs, .envir = envir)
    }
    text <- paste0(status(loss, score, learner), if (!is.null(probe)) sprintf(" probe=%.3f", probe))
    cli::cli_progress_update(set = epoch, status = text, id = bar, .envir = envir)
    if (epoch >= epochs) remove_bar() # another run may follow
  }
  remove_bar <- function() {
    if (!is.null(bar)) cli::cli_progress_done(id = bar, .envir = envir)
    bar <<- NULL
  }
  show <- function(epoch, epochs, loss, score, line, probe = NULL) {
    if (isTRUE(verbose) && nzchar(line)) {
      show_line(line)
    } else if (with_bar) {
      show_bar(epoch, epochs, loss, score, probe)
    }
    TRUE
  }
  list(
    on_epoch = function(...) {
      end_jumps(tryCatch(show(...), interrupt = function(condition) FALSE))
    },
    close = remove_bar,
    resume = function() {
      if (!is.null(left_by)) message(left_by)
    }
  )
}

score_of_progress <- function(learner) {
  switch(learner,
    regressor = "val_rmse",
    multilabel = "val_f1",
    segmenter = "val_iou",
    "val_acc"
  )
}

epoch_status <- function(loss, score, learner) {
  paste0(
    sprintf("loss=%.4f", loss),
    if (!is.null(score)) sprintf(" %s=%.4g", score_of_progress(learner), score)
  )
}

# The value of `code`, or FALSE where a jump would have left it for a place further out: a return()
# in an exit handler ends the jump. reticulate 1.41 lets jumps pass over Python, which then goes on
# with frames that are no more: with Python 3.13 the process crashes some calls later.
end_jumps <- function(code) {
  value <- FALSE
  on.exit(return(value))
  value <- code
}
