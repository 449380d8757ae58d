#' Set up Python for edaphosbridge
#'
#' Makes a virtual environment and installs the Python package edaphos-bridge
#' there, with the versions of NumPy and pandas that the reticulate at hand can
#' load. PyTorch comes with it, which is large: the first time takes minutes.
#'
#' @section Where edaphosbridge looks:
#' The environment in the default place is found without further setting, unless
#' `EDAPHOSBRIDGE_PYTHON` or a rule of reticulate's (`RETICULATE_PYTHON`,
#' `reticulate::use_virtualenv()`) names another. For another place, set
#' `EDAPHOSBRIDGE_PYTHON` to it, for example in `~/.Renviron`.
#'
#' @param path Folder of the environment; `NULL` is the folder `python` in
#'   `tools::R_user_dir("edaphosbridge", "data")`. An environment that is there is
#'   brought up to date.
#' @param source Where the Python package comes from: the path of a checkout, a
#'   wheel or a source archive, or an address that pip knows, such as
#'   `"git+https://host/edaphos-bridge.git"`. It has no default yet, since PyPI does
#'   not have the package.
#' @param python The Python that the environment is made of, 3.10 or newer with a
#'   shared library; `NULL` takes the first suitable one on the search path.
#' @param pip_options Options for `pip install`, for example
#'   `c("--index-url", "https://download.pytorch.org/whl/cpu", "--extra-index-url",
#'   "https://pypi.org/simple")` for a PyTorch without CUDA on Linux.
#' @param quiet Whether to keep what pip says to itself, unless it fails.
#'
#' @return The path of the environment's Python, invisibly.
#'
#'   An argument that cannot be used is an error of class
#'   `edaphosbridge_input_error`; what fails on the way one of class
#'   `edaphosbridge_install_error`, and an environment that was begun is removed.
#' @seealso [edaphosbridge_doctor()]
#' @examples
#' \dontrun{
#' # in a checkout, whose folder r-wrapper this R package is installed from
#' install_edaphosbridge(source = ".")
#' edaphosbridge_doctor()
#'
#' # a PyTorch without CUDA, which is much smaller, on Linux
#' install_edaphosbridge(source = ".", pip_options = c(
#'   "--index-url", "https://download.pytorch.org/whl/cpu",
#'   "--extra-index-url", "https://pypi.org/simple"
#' ))
#' }
#' @export
install_edaphosbridge <- function(path = NULL, source = NULL, python = NULL,
                                  pip_options = character(), quiet = FALSE) {
  call <- sys.call()
  plan <- installation_plan(path, source, python, pip_options, call)
  is_new <- !dir.exists(plan$path)
  done <- FALSE
  on.exit(if (is_new && !done) unlink(plan$path, recursive = TRUE))
  for (step in plan$steps) {
    message(step$says)
    run_step(step$command, step$arguments, quiet, call)
  }
  check_environment(plan$python, call)
  done <- TRUE
  message(how_to_use(plan$path))
  invisible(plan$python)
}

# What would be run: a list of `path`, `python` (the environment's) and `steps`.
installation_plan <- function(path, source, python, pip_options, call) {
  path <- checked_path(path, call)
  requirements <- python_requirements(checked_source(source, call))
  if (!is.character(pip_options) || anyNA(pip_options)) {
    stop_input("pip_options", "must be a character vector.", call)
  }
  inside <- python_of(path)
  make <- NULL
  if (is.na(inside)) {
    make <- list(
      says = paste("Making a virtual environment in", path),
      command = checked_starter(python, call),
      arguments = c("-m", "venv", path)
    )
    is_windows <- .Platform$OS.type == "windows"
    inside <- file.path(path, if (is_windows) "Scripts/python.exe" else "bin/python")
  }
  pip <- function(says, ...) {
    arguments <- c("-m", "pip", "install", ..., pip_options)
    list(says = says, command = inside, arguments = arguments)
  }
  steps <- list(pip(
    paste("Installing", paste(requirements, collapse = ", ")), "--upgrade", requirements
  ))
  if (is.null(make)) {
    # pip leaves alone what has the same version, though it may be another state of the code
    steps[[2]] <- pip(
      paste("Installing", requirements[[1]], "anew"),
      "--force-reinstall", "--no-deps", requirements[[1]]
    )
  }
  list(path = path, python = inside, steps = c(if (!is.null(make)) list(make), steps))
}

checked_path <- function(path, call) {
  if (is.null(path)) {
    return(own_environment())
  }
  if (!is_string(path)) {
    stop_input("path", "must be the path of a folder, or NULL.", call)
  }
  path <- full_path(path)
  other <- file.exists(path) && is.na(python_of(path)) && length(list.files(path)) > 0L
  if (other || (file.exists(path) && !dir.exists(path))) {
    hint <- if (is_checkout(path)) ". A checkout is given as `source`." else ""
    stop_input("path", sprintf("is there and no virtual environment: %s%s", path, hint), call)
  }
  path
}

checked_source <- function(source, call) {
  is_or <- "must be the path of a checkout, a wheel or a source archive of edaphos-bridge, or an"
  needed <- paste(is_or, "address such as \"git+https://host/edaphos-bridge.git\"")
  if (is.null(source)) {
    stop_input("source", paste0(needed, ": PyPI does not have the package yet."), call)
  }
  if (!is_string(source)) {
    stop_input("source", paste0(needed, "."), call)
  }
  if (is_address(source)) {
    is_repository <- grepl("[.]git(@[^/]*)?$", source) && !startsWith(source, "git+")
    return(paste0(if (is_repository) "git+", source))
  }
  if (!file.exists(source)) {
    stop_input("source", sprintf("%s; there is no file or folder '%s'.", needed, source), call)
  }
  is_package <- if (dir.exists(source)) {
    is_checkout(source)
  } else {
    grepl("[.](whl|tar[.]gz|zip)$", source)
  }
  if (!is_package) {
    stop_input("source", sprintf("%s, which '%s' is not.", needed, source), call)
  }
  normalizePath(source)
}

# Whether a folder holds the Python package's code.
is_checkout <- function(folder) {
  file <- file.path(folder, "pyproject.toml")
  file.exists(file) &&
    any(grepl("^name *= *[\"']edaphos-bridge[\"']", readLines(file, warn = FALSE)))
}

# The Python to make the environment of.
checked_starter <- function(python, call) {
  if (is.null(python)) {
    starter <- find_starter()
    if (is.null(starter)) {
      stop_condition(
        paste0(
          "there is no Python to make an environment of. It must be 3.10 or newer",
          if (length(grep("numpy", python_pins()))) ", before 3.13 for this reticulate",
          ", with venv and a shared library. Give it as `python`, for example\n  ",
          install_line(python = "reticulate::install_python(\"3.12:latest\")")
        ),
        c("edaphosbridge_install_error", "edaphosbridge_error"),
        call = call
      )
    }
    return(starter)
  }
  if (!is_string(python) || !nzchar(Sys.which(path.expand(python)))) {
    stop_input("python", "must be the path of a Python.", call)
  }
  python <- path.expand(python)
  problem <- starter_problem(inspect_python(python, brief = TRUE))
  if (!is.null(problem)) {
    stop_input("python", sprintf("cannot be used, because %s: %s", problem, python), call)
  }
  python
}

find_starter <- function() {
  names <- c("python3", "python", paste0("python3.", c(12, 11, 10, 13, 14)))
  for (python in unique(Sys.which(names))) {
    if (nzchar(python) && is.null(starter_problem(inspect_python(python, brief = TRUE)))) {
      return(python)
    }
  }
  NULL
}

# Why an environment of a probed Python would not work, or NULL.
starter_problem <- function(facts) {
  if (is.null(facts$version)) {
    "it does not run"
  } else if (!is_usable_python(facts$version)) {
    sprintf("its version is %s, and this reticulate needs one from 3.10%s", facts$version,
      if (is_usable_python("3.13")) " on" else " to 3.12"
    )
  } else if (facts$shared == "no") {
    "it has no shared library"
  } else if (facts$venv == "no") {
    "it has no venv (Debian: apt-get install python3-venv)"
  }
}

run_step <- function(command, arguments, quiet, call) {
  log <- if (quiet) tempfile("edaphosbridge-install-") else ""
  if (quiet) on.exit(unlink(log))
  status <- system2(
    command, shQuote(arguments),
    stdout = log, stderr = log, env = libraries_without_r()
  )
  if (status != 0L) {
    said <- if (quiet && file.exists(log)) utils::tail(readLines(log, warn = FALSE), 15L)
    stop_install(
      c(sprintf("this failed with status %d:", status), shell_line(command, arguments), said), call
    )
  }
}

shell_line <- function(command, arguments) {
  needs_quotes <- grepl("[^A-Za-z0-9_./:=-]", arguments)
  arguments[needs_quotes] <- shQuote(arguments[needs_quotes])
  paste(c(" ", command, arguments), collapse = " ")
}

check_environment <- function(python, call) {
  error <- inspect_python(python)$error.edaphos_bridge
  if (!is.null(error)) {
    stop_install(c("the package was installed and cannot be imported:", error), call)
  }
}

stop_install <- function(lines, call) {
  stop_condition(
    paste(lines, collapse = "\n"), c("edaphosbridge_install_error", "edaphosbridge_error"),
    call = call
  )
}

how_to_use <- function(path) {
  is_own <- path == own_environment()
  variable <- if (is_own) variable_behind(discovered_python()) else ""
  paste0(
    "Installed in ", path, ".",
    if (is_own && !nzchar(variable)) " edaphosbridge finds it by itself.",
    if (nzchar(variable)) sprintf("\n%s names another Python: unset it.", variable),
    if (!is_own) sprintf(
      "\nTo use it, put this line into ~/.Renviron:\n  EDAPHOSBRIDGE_PYTHON=%s", path
    ),
    if (is_python_running()) "\nRestart R: another Python runs in this session."
  )
}

is_string <- function(x) is.character(x) && length(x) == 1L && !is.na(x) && nzchar(x)
