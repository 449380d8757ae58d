#' Whether Python and the package edaphos-bridge are there
#'
#' For code that should run where it can: examples, vignettes, tests. Starts
#' Python if it has not been started.
#'
#' @return `TRUE` or `FALSE`; never an error. Why it is `FALSE`, the first call
#'   of any other function says.
#' @examples
#' edaphosbridge_available()
#' @export
edaphosbridge_available <- function() {
  ready <- tryCatch(suppressMessages(python_module()), error = function(error) NULL)
  !is.null(ready) && !is_forked_from_python()
}
