# Which Python this package uses, without starting it.

# A relative EDAPHOSBRIDGE_PYTHON, as README has had it, is meant from where R was started: what R
# starts later, and setwd() and rmarkdown::render() before that, are elsewhere. Called when the
# package is loaded.
settle_wanted_python <- function() {
  wanted <- Sys.getenv("EDAPHOSBRIDGE_PYTHON")
  if (nzchar(wanted) && !is_absolute(wanted)) {
    # a shell keeps in PWD the folder that it started R in
    places <- file.path(c(getwd(), Sys.getenv("PWD", getwd())), wanted)
    found <- places[file.exists(places)]
    if (length(found)) Sys.setenv(EDAPHOSBRIDGE_PYTHON = found[[1]])
  }
}

is_absolute <- function(path) grepl("^(~|/|\\\\|[A-Za-z]:)", path)

# The full path; links stay, since one into a virtual environment is what makes it one.
full_path <- function(path) {
  path <- path.expand(path)
  if (is_absolute(path)) path else file.path(getwd(), path)
}

# The Python that EDAPHOSBRIDGE_PYTHON names.
wanted_python <- function() {
  wanted <- Sys.getenv("EDAPHOSBRIDGE_PYTHON")
  place <- full_path(wanted)
  python <- if (dir.exists(place)) python_of(place) else place
  if (is.na(python) || !file.exists(python)) {
    relative <- if (!is_absolute(wanted)) sprintf(" in %s: give the full path", getwd())
    stop_condition(
      paste0(sprintf("EDAPHOSBRIDGE_PYTHON is '%s', and there is no Python", wanted), relative, "."),
      c("edaphosbridge_python_not_found", "edaphosbridge_error")
    )
  }
  python
}

# The Python of a virtual environment, or NA.
python_of <- function(folder) {
  inside <- file.path(folder, c("bin/python", "Scripts/python.exe"))
  c(inside[file.exists(inside)], NA_character_)[[1]]
}

# Where install_edaphosbridge() makes its environment.
own_environment <- function() {
  file.path(tools::R_user_dir("edaphosbridge", "data"), "python")
}

# The Python that a call would use, without starting it: a list of `path` (NA where there is none),
# `chosen_by`, `running`, and `problem` where a rule of the user's cannot be followed.
find_python <- function() {
  if (is_python_running()) {
    path <- reticulate::py_config()$python
    found <- list(path = path, chosen_by = "this session", running = TRUE)
    instead <- python_instead_of(path)
    if (nzchar(Sys.getenv("EDAPHOSBRIDGE_PYTHON")) && !is.null(instead)) {
      found$problem <- sprintf(
        "%s runs in this session, and not the Python that EDAPHOSBRIDGE_PYTHON names, %s.",
        path, instead
      )
    }
    return(found)
  }
  found <- list(path = NA_character_, chosen_by = "EDAPHOSBRIDGE_PYTHON", running = FALSE)
  if (nzchar(Sys.getenv("EDAPHOSBRIDGE_PYTHON"))) {
    return(tryCatch(
      replace(found, "path", wanted_python()),
      edaphosbridge_error = function(condition) c(found, problem = conditionMessage(condition))
    ))
  }
  found$path <- discovered_python()
  found$chosen_by <- variable_behind(found$path)
  if (is.na(found$path) && nzchar(found$chosen_by)) {
    value <- Sys.getenv(found$chosen_by)
    found$problem <- sprintf("%s is '%s', and there is no Python.", found$chosen_by, value)
  }
  if (!is.na(found$path) && identical(found$path, python_of(own_environment()))) {
    found$chosen_by <- "install_edaphosbridge()"
  } else if (!nzchar(found$chosen_by)) {
    found$chosen_by <- "found by reticulate"
  }
  found
}

# The environment variable that names a Python, "" where none does. A process inherits them: R from
# a shell with an active environment, and whatever a session starts in which Python runs, since
# reticulate sets VIRTUAL_ENV.
variable_behind <- function(python) {
  for (variable in c("EDAPHOSBRIDGE_PYTHON", "RETICULATE_PYTHON", "RETICULATE_PYTHON_ENV")) {
    if (nzchar(Sys.getenv(variable))) {
      return(variable)
    }
  }
  folder <- Sys.getenv("VIRTUAL_ENV")
  inside <- !is.na(python) && nzchar(folder) && same_path(dirname(dirname(python)), folder)
  if (inside) "VIRTUAL_ENV" else ""
}

# The Python that is set up for this package, where that is another one than `python`; else NULL.
python_instead_of <- function(python) {
  if (!nzchar(Sys.getenv("EDAPHOSBRIDGE_PYTHON"))) {
    return(own_instead_of(python))
  }
  other_than(python, tryCatch(wanted_python(), edaphosbridge_error = function(condition) NA))
}

own_instead_of <- function(python) other_than(python, python_of(own_environment()))

# `candidate`, or NULL where there is none or it is the same Python. An environment's is a link to the
# one it was made of.
other_than <- function(python, candidate) {
  is_same <- !is.na(candidate) && same_path(dirname(candidate), dirname(python)) &&
    same_path(candidate, python)
  if (is.na(candidate) || is_same) NULL else candidate
}

same_path <- function(one, other) {
  identical(normalizePath(one, mustWork = FALSE), normalizePath(other, mustWork = FALSE))
}

# A Python as messages name it.
named_python <- function(python, was_running) {
  if (was_running) {
    return(paste0(python, ", which ran in this session already"))
  }
  variable <- variable_behind(python)
  paste0(python, if (nzchar(variable)) sprintf(", which %s names", variable))
}

# reticulate from 1.41 on would download an environment where it finds no Python.
discovered_python <- function() {
  restore <- c(use_wanted_python(), set_variable("RETICULATE_USE_MANAGED_VENV", "no"))
  on.exit(for (put_back in restore) put_back())
  path <- tryCatch(
    suppressWarnings(reticulate::py_discover_config()$python),
    error = function(condition) NULL
  )
  if (is.null(path)) NA_character_ else path
}
