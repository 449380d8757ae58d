# Printing: fits and datasets keep the lines that Python prints of them.

#' @export
format.edaphosbridge_fit <- function(x, ...) {
  lines <- attr(x, "printed", exact = TRUE)
  if (is.null(lines)) lines_of_saved(x) else lines
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
