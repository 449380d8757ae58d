#' What edaphosbridge finds, and what is wrong
#'
#' Prints R, reticulate, the Python that would be used and what is installed
#' there, the devices, and for each trouble the one line that mends it. Python is
#' looked at in a process of its own and is not started in this one: what is broken
#' there cannot break the report.
#'
#' @return Invisibly, a list of class `edaphosbridge_doctor` with
#'   \item{edaphosbridge, R, reticulate}{versions, character}
#'   \item{python}{list with `path`, `version`, `chosen_by` (the rule that found it) and
#'     `running`, whether it runs in this session; `path` and `version` are `NA` where
#'     there is none}
#'   \item{packages}{named character, the versions of edaphos-bridge, torch, numpy
#'     and pandas in that Python, `NA` where there is none}
#'   \item{devices}{named logical, whether `cpu`, `mps` and `cuda` can compute; `NA`
#'     where torch cannot say}
#'   \item{r_torch_loaded}{whether R's torch is loaded, which Python's cannot be
#'     beside}
#'   \item{forked}{whether this process was forked from one in which Python runs}
#'   \item{troubles}{data frame with `problem` and `mend`, one row each}
#' @seealso [install_edaphosbridge()]
#' @examples
#' edaphosbridge_doctor()
#' @export
edaphosbridge_doctor <- function() {
  report <- examined()
  print(report)
  invisible(report)
}

examined <- function() {
  found <- find_python()
  facts <- if (is.na(found$path)) list() else inspect_python(found$path)
  fact <- function(key) if (is.null(facts[[key]])) NA_character_ else facts[[key]]
  packages <- c("edaphos-bridge", "torch", "numpy", "pandas")
  report <- list(
    edaphosbridge = as.character(utils::packageVersion("edaphosbridge")),
    R = as.character(getRversion()),
    reticulate = as.character(utils::packageVersion("reticulate")),
    python = list(
      path = found$path, version = fact("version"), chosen_by = found$chosen_by,
      running = found$running
    ),
    packages = vapply(paste0("version.", packages), fact, ""),
    devices = c(
      cpu = if (is.na(fact("device.cuda"))) NA else TRUE,
      mps = fact("device.mps") == "yes",
      cuda = fact("device.cuda") == "yes"
    ),
    r_torch_loaded = is_r_torch_loaded(),
    forked = is_forked_from_python()
  )
  names(report$packages) <- packages
  report$troubles <- troubles_of(report, facts, found$problem)
  structure(report, class = "edaphosbridge_doctor")
}

#' @export
format.edaphosbridge_doctor <- function(x, ...) {
  or_none <- function(value) ifelse(is.na(value), "none", value)
  python <- x$python
  if (is.na(python$path)) {
    place <- "none"
  } else {
    how <- if (python$running) "running" else paste0(python$chosen_by, "; not started")
    place <- c(sprintf("%s  %s", or_none(python$version), python$path), sprintf("(%s)", how))
  }
  devices <- names(x$devices)[x$devices %in% TRUE]
  lines <- c(
    R = x$R,
    reticulate = x$reticulate,
    Python = place[1],
    if (length(place) > 1L) stats::setNames(place[2], ""),
    or_none(x$packages),
    devices = if (length(devices)) paste(devices, collapse = ", ") else "not known",
    "R's torch" = if (x$r_torch_loaded) "loaded" else "not loaded",
    process = if (x$forked) "forked" else "not forked"
  )
  c(
    paste("edaphosbridge", x$edaphosbridge),
    sprintf("  %-15s %s", names(lines), lines),
    if (nrow(x$troubles) == 0L) "Nothing is wrong.",
    sprintf("! %s\n  -> %s", x$troubles$problem, x$troubles$mend)
  )
}

#' @export
print.edaphosbridge_doctor <- function(x, ...) {
  cat(format(x, ...), sep = "\n")
  invisible(x)
}
