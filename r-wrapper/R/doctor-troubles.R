# What is wrong, and the one line that mends it. The first cause is named, not what follows from it.

# `report` is as edaphosbridge_doctor() returns it, `facts` as inspect_python() does, `problem` what
# kept Python from being found.
troubles_of <- function(report, facts, problem = NULL) {
  troubles <- c(
    process_troubles(report),
    if (is.na(report$python$path)) {
      no_python_trouble(problem, report$python)
    } else if (!is.null(problem)) {
      trouble(problem, restart_first)
    } else {
      python_troubles(report, facts)
    }
  )
  data.frame(
    problem = vapply(troubles, `[[`, "", "problem"),
    mend = vapply(troubles, `[[`, "", "mend")
  )
}

trouble <- function(problem, mend) list(list(problem = problem, mend = mend))

process_troubles <- function(report) {
  c(
    if (report$r_torch_loaded) trouble(
      "R's torch is loaded, and Python's torch cannot be loaded beside it in one process.",
      "Restart R, and do not load torch."
    ),
    if (report$forked) trouble(
      "This process was forked from one in which Python runs; torch would hang in it.",
      "Use parallel::makePSOCKcluster() instead of mclapply()."
    )
  )
}

no_python_trouble <- function(problem, python) {
  if (!is.null(problem)) {
    return(trouble(problem, unset_line(python)))
  }
  get_one <- "reticulate::install_python(\"3.12:latest\")"
  trouble("There is no Python.", install_line(if (is.null(find_starter())) get_one))
}

python_troubles <- function(report, facts) {
  python <- report$python
  if (is.na(python$version)) {
    return(trouble(sprintf("%s is no Python that runs.", python$path), anew(python)))
  }
  if (!is_usable_python(python$version, "99")) {
    problem <- sprintf("Python %s is too old: 3.10 is needed.", python$version)
    return(trouble(problem, anew(python)))
  }
  c(
    if (!python$running && identical(facts$shared, "no")) trouble(
      "This Python has no shared library, which reticulate needs.", anew(python)
    ),
    package_troubles(report, facts)
  )
}

# Another environment, which no variable of the user's stands before.
anew <- function(python) {
  paste0(if (is_named(python)) paste0(unset_line(python), "; "), install_line())
}

# Whether a variable of the environment has chosen it.
is_named <- function(python) {
  python$chosen_by %in% c(
    "EDAPHOSBRIDGE_PYTHON", "RETICULATE_PYTHON", "RETICULATE_PYTHON_ENV", "VIRTUAL_ENV"
  )
}

unset_line <- function(python) sprintf("Sys.unsetenv(\"%s\")", python$chosen_by)

# edaphos-bridge is not there. Where install_edaphosbridge() has set up another environment, a
# variable or the running session stands before it.
missing_trouble <- function(python, install) {
  problem <- "The Python package edaphos-bridge is not installed there"
  own <- own_instead_of(python$path)
  if (is.null(own) || !(is_named(python) || python$running)) {
    return(trouble(paste0(problem, "."), install))
  }
  stands <- if (python$running) "The running Python" else python$chosen_by
  trouble(
    sprintf("%s. %s stands before what install_edaphosbridge() has set up, %s.", problem, stands, own),
    if (python$running) restart_first else unset_line(python)
  )
}

package_troubles <- function(report, facts) {
  packages <- report$packages
  # an environment that a variable names, or ours, gets the packages; otherwise a new one does
  chosen <- is_named(report$python) || report$python$chosen_by == "install_edaphosbridge()"
  pip <- function(...) paste(c(shQuote(report$python$path), "-m pip install", ...), collapse = " ")
  install <- if (chosen) install_command(report$python$path) else install_line()
  if (is.na(packages[["edaphos-bridge"]]) && !is.null(facts$error.edaphos_bridge)) {
    return(missing_trouble(report$python, install))
  }
  found <- c(
    version_troubles(packages, report$reticulate, pip),
    import_troubles(packages, facts, pip),
    crash_trouble(facts, pip, install)
  )
  if (length(found) == 0L && !is.null(facts$error.edaphos_bridge)) {
    found <- trouble(
      paste("edaphos_bridge cannot be imported:", facts$error.edaphos_bridge), install
    )
  }
  c(found, skew_trouble(packages[["edaphos-bridge"]], report$edaphosbridge, install))
}

# The first two numbers of the two packages' versions go together.
skew_trouble <- function(there, here, install) {
  minor <- function(version) sub("^([0-9]+[.][0-9]+).*", "\\1", version)
  if (!is.na(there) && minor(there) != minor(here)) {
    trouble(
      sprintf("The Python package edaphos-bridge is %s, the R package %s.", there, here),
      install
    )
  }
}

# What reticulate cannot load though Python can.
version_troubles <- function(packages, reticulate, pip) {
  major <- function(package) as.integer(sub("[.].*", "", packages[[package]]))
  too_new <- function(package, limit, needed, name) {
    pin <- sprintf("%s<%d", package, limit)
    is_pinned <- pin %in% python_pins(reticulate)
    if (!is_pinned || is.na(packages[[package]]) || !isTRUE(major(package) >= limit)) {
      return(NULL)
    }
    trouble(
      sprintf(
        "%s %s is too new for reticulate %s, which cannot load it; reticulate %s can.",
        name, packages[[package]], reticulate, needed
      ),
      pip(dQuote(pin, FALSE))
    )
  }
  c(too_new("numpy", 2L, "1.38", "NumPy"), too_new("pandas", 3L, "1.45", "pandas"))
}

crash_trouble <- function(facts, pip, install) {
  begun <- sub("^begun[.]", "", grep("^begun[.]", names(facts), value = TRUE))
  if (is.null(facts$done) && length(begun)) {
    module <- begun[[length(begun)]]
    trouble(
      sprintf("Python crashed, or stood still, when it imported %s.", module),
      if (module == "edaphos_bridge") install else pip("--force-reinstall", module)
    )
  }
}

import_troubles <- function(packages, facts, pip) {
  troubles <- lapply(c("numpy", "pandas", "torch"), function(name) {
    error <- facts[[paste0("error.", name)]]
    if (is.null(error)) {
      return(NULL)
    }
    pin <- grep(paste0("^", name, "<"), python_pins(), value = TRUE)
    requirement <- if (length(pin)) dQuote(pin, FALSE) else name
    if (is.na(packages[[name]])) {
      problem <- sprintf("The Python package %s is not installed there.", name)
      return(trouble(problem, pip(requirement)))
    }
    trouble(
      sprintf("%s %s cannot be imported: %s", name, packages[[name]], error),
      pip("--force-reinstall", requirement)
    )
  })
  do.call(c, troubles)
}
