# Printing: fits and datasets keep the lines that Python prints of them.

#' @export
format.edaphosbridge_fit <- function(x, ...) {
  lines <- attr(x, "printed", exact = TRUE)
  if (is.null(lines)) lines_from_python(x) else lines
}

#' @export
print.edaphosbridge_fit <- function(x, ...) {
  cat(format(x, ...), sep = "\n")
  invisible(x)
}

#' @export
format.edaphosbridge_tiles <- format.edaphosbridge_fit

#' @export
print.edaphosbridge_tiles <- print.edaphosbridge_fit

#' @export
format.edaphosbridge_ensemble <- format.edaphosbridge_fit

#' @export
print.edaphosbridge_ensemble <- print.edaphosbridge_fit

# For objects that were saved before they kept the lines. Where Python cannot say them, the first
# line stands alone.
lines_from_python <- function(x) {
  kind <- sub("^edaphosbridge_", "", leaf_class_of(x))
  is_sweep <- kind == "probe_sweep"
  tryCatch(
    {
      answer <- python_call("printed", list(
        kind,
        if (is_sweep) x$classifier$state else x$state,
        if (is_sweep) {
          c(list(best = x$best), lapply(unclass(x)[c("settings", "results")], lapply, as.list))
        }
      ))
      unlist(answer_value(answer, NULL))
    },
    edaphosbridge_error = function(condition) sprintf("<%s>", utils::tail(class(x), 1L))
  )
}
