# --- environments with something wrong in them ---------------------------------------------

# A virtual environment with packages that are only named: `versions` by package, and what
# importing their modules runs.
fake_environment <- function(versions, code = list(), frame = parent.frame()) {
  folder <- bare_environment()
  withr::defer(unlink(folder, recursive = TRUE), frame)
  python <- list.files(file.path(folder, "lib"), "^python", full.names = TRUE)
  packages <- file.path(python, "site-packages")
  dir.create(packages, showWarnings = FALSE)
  for (package in names(versions)) {
    module <- sub("-", "_", package)
    information <- file.path(packages, sprintf("%s-%s.dist-info", module, versions[[package]]))
    dir.create(information)
    writeLines(
      c("Metadata-Version: 2.1", paste("Name:", package), paste("Version:", versions[[package]])),
      file.path(information, "METADATA")
    )
    writeLines(as.character(code[[module]]), file.path(packages, paste0(module, ".py")))
  }
  folder
}

good_versions <- list(`edaphos-bridge` = "0.1.0", torch = "2.13.0", numpy = "1.26.4", pandas = "2.3.3")

good_torch <- "
class cuda:
    is_available = staticmethod(lambda: False)
class backends:
    class mps:
        is_available = staticmethod(lambda: False)
"

# The report of a fresh R with this Python, and what it printed; `...` are further variables.
examined_in <- function(python, prepare = function() NULL, ...) {
  in_fresh_r(
    function(prepare) {
      library(edaphosbridge)
      prepare()
      printed <- utils::capture.output(report <- withVisible(edaphosbridge_doctor()))
      list(
        report = report$value, visible = report$visible, printed = printed,
        started = reticulate::py_available()
      )
    },
    list(prepare),
    env = fresh_environment(python, ...)
  )
}

expect_trouble <- function(python, problem, mend) {
  answer <- examined_in(python)
  troubles <- answer$report$troubles
  expect_identical(nrow(troubles), 1L)
  expect_match(troubles$problem, problem)
  expect_match(troubles$mend, mend, fixed = TRUE)
  expect_match(answer$printed, troubles$mend, fixed = TRUE, all = FALSE)
  expect_false(answer$started)
  invisible(answer$report)
}

# --- the report ----------------------------------------------------------------------------

test_that("where nothing is wrong the doctor reports everything, and starts no Python", {
  skip_if_no_python()
  answer <- examined_in(reticulate::py_exe())
  report <- answer$report
  expect_s3_class(report, "edaphosbridge_doctor", exact = TRUE)
  expect_named(report, c(
    "edaphosbridge", "R", "reticulate", "python", "packages", "devices", "r_torch_loaded",
    "forked", "troubles"
  ))
  expect_identical(report$R, as.character(getRversion()))
  expect_identical(report$reticulate, as.character(utils::packageVersion("reticulate")))
  expect_identical(report$python$path, reticulate::py_exe())
  expect_match(report$python$version, "^3[.]")
  expect_identical(report$python$chosen_by, "EDAPHOSBRIDGE_PYTHON")
  expect_false(report$python$running)
  versions <- reticulate::import("importlib.metadata")$version
  for (package in names(report$packages)) {
    expect_identical(report$packages[[package]], versions(package))
  }
  cuda <- reticulate::import("torch")$cuda$is_available()
  expect_identical(report$devices[c("cpu", "cuda")], c(cpu = TRUE, cuda = cuda))
  expect_false(report$r_torch_loaded)
  expect_false(report$forked)
  expect_identical(report$troubles, data.frame(problem = character(), mend = character()))
  expect_false(answer$visible)
  expect_identical(answer$printed, format(report))
  expect_identical(answer$printed[[length(answer$printed)]], "Nothing is wrong.")
  expect_false(answer$started)
})

test_that("in a session with Python the doctor reports that one", {
  skip_if_no_python()
  utils::capture.output(report <- edaphosbridge_doctor())
  expect_true(report$python$running)
  expect_identical(report$python$path, reticulate::py_config()$python)
  expect_identical(nrow(report$troubles), 0L)
})

# --- troubles ------------------------------------------------------------------------------

test_that("a variable that names no Python", {
  report <- expect_trouble(
    "/no/such/python", "EDAPHOSBRIDGE_PYTHON is '/no/such/python'",
    "Sys.unsetenv(\"EDAPHOSBRIDGE_PYTHON\")"
  )
  expect_identical(report$python$path, NA_character_)
  expect_true(all(is.na(report$packages)))
})

test_that("a file that is no Python", {
  file <- withr::local_tempfile(lines = "text")
  expect_trouble(
    file, "is no Python that runs",
    "Sys.unsetenv(\"EDAPHOSBRIDGE_PYTHON\"); install_edaphosbridge(source = "
  )
})

test_that("a Python without the package: the line that installs it", {
  skip_if_no_python()
  folder <- fake_environment(list())
  python <- file.path(folder, "bin", "python")
  report <- expect_trouble(folder, "edaphos-bridge is not installed", install_command(python))
  expect_true(is.na(report$devices[["cpu"]]))
})

test_that("a Python without torch", {
  skip_if_no_python()
  folder <- fake_environment(
    good_versions[c("edaphos-bridge", "numpy", "pandas")],
    list(edaphos_bridge = "import torch")
  )
  report <- expect_trouble(folder, "torch is not installed", "-m pip install torch")
  expect_identical(report$packages[["torch"]], NA_character_)
})

test_that("a torch that cannot be imported, and its reason", {
  skip_if_no_python()
  folder <- fake_environment(
    good_versions,
    list(torch = "raise OSError('libcudart.so is\\n missing')", edaphos_bridge = "import torch")
  )
  expect_trouble(
    folder, "torch 2.13.0 cannot be imported: OSError: libcudart.so is missing",
    "-m pip install --force-reinstall torch"
  )
})

test_that("a torch that takes Python down with it", {
  skip_if_no_python()
  folder <- fake_environment(good_versions, list(torch = "import os; os._exit(3)"))
  expect_trouble(folder, "crashed, or stood still, when it imported torch", "--force-reinstall torch")
})

test_that("NumPy 2 with a reticulate that cannot load it is named as what it is", {
  skip_if_no_python()
  folder <- fake_environment(
    replace(good_versions, c("numpy", "pandas"), c("2.2.1", "3.0.0")), list(torch = good_torch)
  )
  report <- examined_in(folder)$report
  facts <- inspect_python(file.path(folder, "bin", "python"))
  problems <- function(reticulate) {
    troubles_of(replace(report, "reticulate", reticulate), facts)$problem
  }
  expect_identical(problems("1.28"), c(
    "NumPy 2.2.1 is too new for reticulate 1.28, which cannot load it; reticulate 1.38 can.",
    "pandas 3.0.0 is too new for reticulate 1.28, which cannot load it; reticulate 1.45 can."
  ))
  expect_match(problems("1.41"), "pandas 3.0.0 is too new for reticulate 1.41")
  expect_length(problems("1.45"), 0)
  mends <- troubles_of(replace(report, "reticulate", "1.28"), facts)$mend
  expect_match(mends[[1]], "bin/python' -m pip install \"numpy<2\"", fixed = TRUE)
})

test_that("an edaphos-bridge of another version", {
  skip_if_no_python()
  folder <- fake_environment(
    replace(good_versions, "edaphos-bridge", "0.7.2.dev0"), list(torch = good_torch)
  )
  expect_trouble(
    folder, "edaphos-bridge is 0.7.2.dev0, the R package 0.1.0",
    install_command(file.path(folder, "bin", "python"))
  )
})

test_that("a Python that is too old, or has no shared library", {
  report <- list(
    r_torch_loaded = FALSE, forked = FALSE, edaphosbridge = "0.1.0", reticulate = "1.28",
    python = list(path = "/p", version = "3.9.2", chosen_by = "found by reticulate", running = FALSE),
    packages = c(`edaphos-bridge` = "0.1.0", torch = "2.13.0", numpy = "1.26.4", pandas = "2.3.3")
  )
  found <- troubles_of(report, list(done = "yes"))
  expect_identical(found$problem, "Python 3.9.2 is too old: 3.10 is needed.")
  expect_identical(found$mend, install_line())
  report$python$version <- "3.14.0"
  expect_match(troubles_of(report, list(done = "yes", shared = "no"))$problem, "no shared library")
  expect_identical(nrow(troubles_of(report, list(done = "yes", shared = "yes"))), 0L)
})

test_that("where there is no Python the line that sets one up", {
  report <- list(
    r_torch_loaded = TRUE, forked = TRUE, python = list(path = NA_character_)
  )
  found <- troubles_of(report, list())
  expect_match(found$problem, "R's torch is loaded", all = FALSE)
  expect_match(found$problem, "forked", all = FALSE)
  expect_match(found$mend[[3]], "^install_edaphosbridge[(]")
  expect_identical(found$problem[[3]], "There is no Python.")
})

# --- inherited variables -------------------------------------------------------------------

test_that("an inherited variable that wins is named, and the line that unsets it", {
  skip_if_no_python()
  home <- withr::local_tempdir()
  own <- file.path(home, "R", "edaphosbridge", "python")
  dir.create(dirname(own), recursive = TRUE)
  file.rename(fake_environment(good_versions, list(torch = good_torch)), own)
  other <- fake_environment(list())
  python <- file.path(other, "bin", "python")
  for (variable in c("RETICULATE_PYTHON", "VIRTUAL_ENV")) {
    value <- if (variable == "VIRTUAL_ENV") other else python
    withr::local_envvar(
      EDAPHOSBRIDGE_PYTHON = NA, RETICULATE_PYTHON = NA, VIRTUAL_ENV = NA, R_USER_DATA_DIR = home
    )
    withr::local_envvar(structure(value, names = variable))
    expect_identical(variable_behind(python), variable)
    report <- list(
      r_torch_loaded = FALSE, forked = FALSE, edaphosbridge = "0.1.0", reticulate = "1.28",
      python = list(path = python, version = "3.11.2", chosen_by = variable, running = FALSE),
      packages = c(`edaphos-bridge` = NA, torch = NA, numpy = NA, pandas = NA)
    )
    found <- troubles_of(report, list(done = "yes", error.edaphos_bridge = "ModuleNotFoundError"))
    expect_identical(nrow(found), 1L)
    stands <- paste(variable, "stands before what install_edaphosbridge() has set up")
    expect_match(found$problem, stands, fixed = TRUE)
    expect_match(found$problem, own, fixed = TRUE)
    expect_identical(found$mend, sprintf("Sys.unsetenv(\"%s\")", variable))
  }
})

test_that("the report says which variable has chosen the Python", {
  skip_if_no_python()
  other <- fake_environment(list())
  python <- file.path(other, "bin", "python")
  chosen_by <- function(...) {
    variables <- fresh_environment(NA)
    variables[names(c(...))] <- c(...)
    in_fresh_r(function() edaphosbridge:::find_python()[c("path", "chosen_by")], env = variables)
  }
  expect_identical(
    chosen_by(RETICULATE_PYTHON = python), list(path = python, chosen_by = "RETICULATE_PYTHON")
  )
  activated <- chosen_by(
    VIRTUAL_ENV = other, PATH = paste0(dirname(python), ":", Sys.getenv("PATH")),
    R_USER_DATA_DIR = tempdir()
  )
  expect_identical(activated$chosen_by, "VIRTUAL_ENV")
  expect_identical(dirname(activated$path), dirname(python))
  missing <- in_fresh_r(
    function() {
      utils::capture.output(report <- edaphosbridge::edaphosbridge_doctor())
      report$troubles
    },
    env = replace(fresh_environment(NA), "RETICULATE_PYTHON", "/no/such/python")
  )
  expect_identical(missing$problem, "RETICULATE_PYTHON is '/no/such/python', and there is no Python.")
  expect_identical(missing$mend, "Sys.unsetenv(\"RETICULATE_PYTHON\")")
})
