# A machine may have no Python that an environment can be made of.
skip_if_no_starter <- function() {
  strict <- identical(Sys.getenv("EDAPHOSBRIDGE_TEST_STRICT"), "true")
  if (!strict && is.null(find_starter())) skip("no Python with venv")
}

# --- what would be done --------------------------------------------------------------------

test_that("NumPy and pandas are pinned for an old reticulate", {
  expect_identical(python_pins("1.28"), c("numpy<2", "pandas<3"))
  expect_identical(python_pins("1.37.9"), c("numpy<2", "pandas<3"))
  expect_identical(python_pins("1.38"), "pandas<3")
  expect_identical(python_pins("1.41.0"), "pandas<3")
  expect_null(python_pins("1.45"))
  expect_identical(
    python_requirements(reticulate = "1.28"),
    c("edaphos-bridge[pretrain,raster]", "numpy<2", "pandas<3")
  )
})

test_that("a Python is usable from 3.10, and up to 3.12 where NumPy 1 is needed", {
  usable <- function(reticulate) {
    versions <- c("2.7.18", "3.9.20", "3.10.0", "3.12.7", "3.13.1", "3.14.0")
    versions[vapply(versions, is_usable_python, NA, reticulate = reticulate)]
  }
  expect_identical(usable("1.28"), c("3.10.0", "3.12.7"))
  expect_identical(usable("1.38"), c("3.10.0", "3.12.7", "3.13.1", "3.14.0"))
  expect_false(is_usable_python("no version"))
})

test_that("the shell's line has the pins in quotes", {
  line <- install_command("/a path/python")
  pins <- python_pins()
  expected <- "'/a path/python' -m pip install edaphos-bridge"
  if (length(pins)) expected <- paste(c(expected, sprintf("\"%s\"", pins)), collapse = " ")
  expect_identical(line, expected)
})

test_that("the plan makes an environment and installs into it", {
  skip_if_no_starter()
  folder <- withr::local_tempdir()
  path <- file.path(folder, "env")
  python <- find_starter()
  plan <- installation_plan(path, NULL, python, c("--index-url", "https://example.org"), NULL)
  expect_identical(plan$path, path)
  expect_identical(plan$python, file.path(path, "bin", "python"))
  expect_identical(plan$steps[[1]]$command, python)
  expect_identical(plan$steps[[1]]$arguments, c("-m", "venv", path))
  expect_identical(plan$steps[[2]]$command, plan$python)
  expect_identical(plan$steps[[2]]$arguments, c(
    "-m", "pip", "install", "--upgrade", "--index-url", "https://example.org",
    python_requirements()
  ))
  # from a folder or a file, with its extras; an environment that is there is brought up to date
  dir.create(path)
  dir.create(file.path(path, "bin"))
  file.create(plan$python)
  plan <- installation_plan(path, folder, NULL, character(), NULL)
  expect_length(plan$steps, 1)
  expect_identical(
    plan$steps[[1]]$arguments[[5]], paste0(normalizePath(folder), "[pretrain,raster]")
  )
})

test_that("the default place is in R's folder for data of the user", {
  withr::local_envvar(R_USER_DATA_DIR = "/home/somebody")
  expect_identical(own_environment(), "/home/somebody/R/edaphosbridge/python")
  expect_identical(checked_path(NULL, NULL), own_environment())
})

# --- what is refused -----------------------------------------------------------------------

test_that("arguments that cannot be used are refused before anything is made", {
  refused <- function(argument, says, ...) {
    path <- withr::local_tempfile()
    arguments <- utils::modifyList(list(path = path), list(...))
    expect_refused(
      do.call("install_edaphosbridge", arguments), argument, says,
      of = "install_edaphosbridge"
    )
    expect_false(file.exists(path))
  }
  file <- withr::local_tempfile(lines = "text")
  refused("path", "path of a folder", path = 5)
  refused("path", "path of a folder", path = "")
  refused("path", "no virtual environment", path = file)
  refused("path", "no virtual environment", path = dirname(file))
  refused("source", "path of a checkout", source = "/no/such/folder")
  refused("source", "path of a checkout", source = c("a", "b"))
  refused("python", "path of a Python", python = "/no/such/python")
  refused("python", "it does not run", python = Sys.which("false")[[1]])
  refused("pip_options", "character vector", pip_options = 1)
})

# --- what is done --------------------------------------------------------------------------

# Wheels that only have names, in a folder that pip takes for all there is.
local_wheels <- function(code = "", frame = parent.frame()) {
  folder <- withr::local_tempdir(.local_envir = frame)
  script <- withr::local_tempfile(fileext = ".py", lines = c(
    "import sys, zipfile",
    "folder, code = sys.argv[1:]",
    "for name, version in (('edaphos_bridge', '0.1.0'), ('numpy', '1.26.4'), ('numpy', '9.0.0'),",
    "                      ('pandas', '2.3.3'), ('pandas', '9.0.0')):",
    "    info = f'{name}-{version}.dist-info'",
    "    extras = 'Provides-Extra: pretrain\\nProvides-Extra: raster\\n' if 'bridge' in name else ''",
    "    with zipfile.ZipFile(f'{folder}/{name}-{version}-py3-none-any.whl', 'w') as wheel:",
    "        wheel.writestr(f'{name}.py', code if 'bridge' in name else '')",
    "        wheel.writestr(f'{info}/METADATA', f'Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n{extras}')",
    "        wheel.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')",
    "        wheel.writestr(f'{info}/RECORD', '')"
  ))
  system2(find_starter(), shQuote(c(script, folder, code)))
  folder
}

install_offline <- function(wheels, path, ...) {
  install_edaphosbridge(path, ..., pip_options = c("--no-index", "--find-links", wheels), quiet = TRUE)
}

test_that("the environment is made, with the pinned versions, and its Python is returned", {
  skip_if_no_starter()
  wheels <- local_wheels()
  path <- file.path(withr::local_tempdir(), "new env")
  withr::local_envvar(EDAPHOSBRIDGE_PYTHON = NA, PIP_FIND_LINKS = NA)
  expect_message(
    expect_message(
      expect_message(python <- install_offline(wheels, path), "Making a virtual environment"),
      "Installing edaphos-bridge"
    ),
    paste0("EDAPHOSBRIDGE_PYTHON=", path),
    fixed = TRUE
  )
  expect_identical(python, file.path(path, "bin", "python"))
  facts <- probe_python(python)
  expect_identical(facts[["version.edaphos-bridge"]], "0.1.0")
  numpy <- if ("numpy<2" %in% python_pins()) "1.26.4"
  expect_identical(facts$version.numpy, numpy)
  # again, from a file: the environment stays
  marker <- file.path(path, "marker")
  file.create(marker)
  wheel <- list.files(wheels, "edaphos", full.names = TRUE)
  again <- suppressMessages(install_offline(wheels, path, source = wheel))
  expect_identical(again, python)
  expect_true(file.exists(marker))
})

test_that("an environment in the default place is found by itself", {
  skip_if_no_starter()
  home <- withr::local_tempdir()
  found <- in_fresh_r(
    function(home, wheels) {
      library(edaphosbridge)
      said <- character()
      python <- withCallingHandlers(
        install_edaphosbridge(pip_options = c("--no-index", "--find-links", wheels), quiet = TRUE),
        message = function(condition) {
          said <<- c(said, conditionMessage(condition))
          invokeRestart("muffleMessage")
        }
      )
      utils::capture.output(report <- edaphosbridge_doctor())
      list(python = python, said = said, report = report$python)
    },
    list(home, local_wheels()),
    env = c(
      callr::rcmd_safe_env(),
      EDAPHOSBRIDGE_PYTHON = NA, RETICULATE_PYTHON = NA, VIRTUAL_ENV = NA, PIP_FIND_LINKS = NA,
      R_USER_DATA_DIR = home
    )
  )
  expect_identical(found$python, file.path(home, "R/edaphosbridge/python/bin/python"))
  expect_match(found$said, "finds it by itself", all = FALSE)
  expect_identical(found$report$path, found$python)
  expect_identical(found$report$chosen_by, "install_edaphosbridge()")
})

test_that("what fails is a classed error with the line that failed, and leaves nothing", {
  skip_if_no_starter()
  path <- file.path(withr::local_tempdir(), "env")
  nothing <- withr::local_tempdir()
  withr::local_envvar(PIP_FIND_LINKS = NA)
  condition <- expect_error(
    suppressMessages(install_offline(nothing, path)), class = "edaphosbridge_install_error"
  )
  expect_s3_class(condition, "edaphosbridge_error")
  expect_match(conditionMessage(condition), "bin/python -m pip install --upgrade --no-index")
  expect_match(conditionMessage(condition), "No matching distribution")
  expect_false(file.exists(path))
})

test_that("a package that was installed and cannot be imported is the same error", {
  skip_if_no_starter()
  path <- file.path(withr::local_tempdir(), "env")
  withr::local_envvar(PIP_FIND_LINKS = NA)
  expect_error(
    suppressMessages(install_offline(local_wheels("import no_such_module"), path)),
    "No module named 'no_such_module'",
    class = "edaphosbridge_install_error"
  )
  expect_false(file.exists(path))
})

# --- reticulate from 1.41 on ---------------------------------------------------------------

test_that("the needs are declared where reticulate takes declarations", {
  declared <- NULL
  env <- new.env(parent = environment(declare_needs))
  declare <- declare_needs
  env$getNamespaceExports <- function(ns) c("import", "py_require")
  env$getExportedValue <- function(ns, name) function(...) declared <<- list(ns, name, ...)
  environment(declare) <- env
  declare()
  expect_identical(
    declared,
    list("reticulate", "py_require", python_requirements(), python_version = ">=3.10")
  )
  declared <- NULL
  env$getNamespaceExports <- function(ns) "import"
  declare()
  expect_null(declared)
})

# What a reticulate in `library_folder` was asked for in a fresh R that loads the packages in `order`.
declared_to <- function(library_folder, order) {
  in_fresh_r(
    function(library_folder, order) {
      .libPaths(c(library_folder, .libPaths()))
      for (package in order) library(package, character.only = TRUE)
      getOption("declared")
    },
    list(library_folder, order),
    env = callr::rcmd_safe_env()
  )
}

test_that("the needs are declared as soon as reticulate is there, whichever package comes first", {
  reticulate <- stand_in_package(
    "reticulate", "1.41.0",
    code = "py_require <- function(...) options(declared = c(getOption('declared'), list(...)))",
    exports = "py_require"
  )
  needs <- list(python_requirements(reticulate = "1.41.0"), python_version = ">=3.10")
  expect_identical(declared_to(reticulate, c("edaphosbridge", "reticulate")), needs)
  expect_identical(declared_to(reticulate, c("reticulate", "edaphosbridge")), needs)
  expect_null(declared_to(reticulate, "edaphosbridge"))
})

test_that("nothing is declared to a reticulate that takes no declarations", {
  reticulate <- stand_in_package("reticulate", "1.28")
  expect_null(declared_to(reticulate, c("edaphosbridge", "reticulate")))
  expect_null(declared_to(reticulate, c("reticulate", "edaphosbridge")))
})
