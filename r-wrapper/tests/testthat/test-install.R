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
    python_requirements("/a/checkout", reticulate = "1.28"),
    c("/a/checkout[interpret,maps,pretrain]", "numpy<2", "pandas<3")
  )
})

test_that("an address goes to pip with the package's name, and a repository as one", {
  package <- function(source) python_requirements(checked_source(source, NULL), "1.45")
  expect_identical(
    package("git+https://example.org/bridge.git@main"),
    "edaphos-bridge[interpret,maps,pretrain] @ git+https://example.org/bridge.git@main"
  )
  expect_identical(
    package("https://example.org/bridge.git"),
    "edaphos-bridge[interpret,maps,pretrain] @ git+https://example.org/bridge.git"
  )
  wheel <- "https://example.org/edaphos_bridge-0.1.0-py3-none-any.whl"
  expect_identical(package(wheel), paste("edaphos-bridge[interpret,maps,pretrain] @", wheel))
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

test_that("the lines that install name a checkout or a wheel, since PyPI lacks the package", {
  line <- install_command("/a path/python")
  pins <- sprintf(" \"%s\"", python_pins())
  expect_identical(line, paste0(
    "'/a path/python' -m pip install --upgrade \"path/to/edaphos-bridge[interpret,maps,pretrain]\"",
    paste(pins, collapse = ""), " # a checkout of edaphos-bridge, or a wheel made of one"
  ))
  # both are lines that run: what completes them is a comment
  expect_identical(
    parse(text = install_line(), keep.source = FALSE)[[1]],
    quote(install_edaphosbridge(source = "path/to/edaphos-bridge"))
  )
})

# A folder that says that it is a checkout of the Python package.
local_checkout <- function(frame = parent.frame()) {
  folder <- withr::local_tempdir(.local_envir = frame)
  writeLines(c("[project]", "name = \"edaphos-bridge\""), file.path(folder, "pyproject.toml"))
  folder
}

test_that("the plan makes an environment and installs into it", {
  skip_if_no_starter()
  folder <- local_checkout()
  path <- file.path(withr::local_tempdir(), "env")
  python <- find_starter()
  options <- c("--index-url", "https://example.org")
  plan <- installation_plan(path, folder, python, options, NULL)
  expect_identical(plan$path, path)
  expect_identical(plan$python, file.path(path, "bin", "python"))
  expect_identical(plan$steps[[1]]$command, python)
  expect_identical(plan$steps[[1]]$arguments, c("-m", "venv", path))
  expect_identical(plan$steps[[2]]$command, plan$python)
  requirements <- python_requirements(normalizePath(folder))
  expect_identical(
    plan$steps[[2]]$arguments,
    c("-m", "pip", "install", "--upgrade", requirements, options)
  )
  # an environment that is there is brought up to date, also where the version is the same
  dir.create(file.path(path, "bin"), recursive = TRUE)
  file.create(plan$python)
  plan <- installation_plan(path, folder, NULL, character(), NULL)
  expect_length(plan$steps, 2)
  expect_identical(plan$steps[[1]]$arguments, c("-m", "pip", "install", "--upgrade", requirements))
  expect_identical(
    plan$steps[[2]]$arguments,
    c("-m", "pip", "install", "--force-reinstall", "--no-deps", requirements[[1]])
  )
})

test_that("a relative path is meant from here, and what is said of it later is the full one", {
  folder <- withr::local_tempdir()
  withr::local_dir(folder)
  expect_identical(checked_path("env", NULL), file.path(getwd(), "env"))
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
    arguments <- utils::modifyList(list(path = path, source = checkout), list(...))
    expect_refused(
      do.call("install_edaphosbridge", arguments), argument, says,
      of = "install_edaphosbridge"
    )
    expect_false(file.exists(path))
  }
  checkout <- local_checkout()
  file <- withr::local_tempfile(lines = "text")
  refused("path", "path of a folder", path = 5)
  refused("path", "path of a folder", path = "")
  refused("path", "no virtual environment", path = file)
  refused("path", "no virtual environment", path = dirname(file))
  refused("path", "A checkout is given as `source`", path = checkout)
  refused("source", "no file or folder '/no/such/folder'", source = "/no/such/folder")
  refused("source", "path of a checkout", source = c("a", "b"))
  refused("source", sprintf("which '%s' is not", file), source = file)
  refused("source", "which '", source = dirname(file))
  expect_refused(
    install_edaphosbridge(withr::local_tempfile()), "source",
    c("path of a checkout", "git+https://", "PyPI does not have the package yet"),
    of = "install_edaphosbridge"
  )
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

wheel_in <- function(wheels) list.files(wheels, "edaphos", full.names = TRUE)

install_offline <- function(wheels, path, source = wheel_in(wheels)) {
  offline <- c("--no-index", "--find-links", wheels)
  install_edaphosbridge(path, source, pip_options = offline, quiet = TRUE)
}

test_that("the environment is made, with the pinned versions, and its Python is returned", {
  skip_if_no_starter()
  wheels <- local_wheels()
  path <- file.path(withr::local_tempdir(), "new env")
  withr::local_envvar(EDAPHOSBRIDGE_PYTHON = NA, PIP_FIND_LINKS = NA, PYTHONPATH = NA)
  expect_message(
    expect_message(
      expect_message(python <- install_offline(wheels, path), "Making a virtual environment"),
      "Installing .*edaphos_bridge-0.1.0-py3-none-any.whl"
    ),
    paste0("EDAPHOSBRIDGE_PYTHON=", path),
    fixed = TRUE
  )
  expect_identical(python, file.path(path, "bin", "python"))
  facts <- inspect_python(python)
  expect_identical(facts[["version.edaphos-bridge"]], "0.1.0")
  numpy <- if ("numpy<2" %in% python_pins()) "1.26.4"
  expect_identical(facts$version.numpy, numpy)
  # again, with other code of the same version: the environment stays, and has the new code
  marker <- file.path(path, "marker")
  file.create(marker)
  said <- capture_messages(again <- install_offline(local_wheels("new = True"), path))
  expect_identical(again, python)
  expect_true(file.exists(marker))
  expect_match(said, "anew", all = FALSE)
  expect_identical(system2(python, c("-c", shQuote("import edaphos_bridge as e; e.new"))), 0L)
})

test_that("an environment in the default place is found by itself", {
  skip_if_no_starter()
  home <- withr::local_tempdir()
  found <- in_fresh_r(
    function(home, wheels) {
      library(edaphosbridge)
      said <- character()
      python <- withCallingHandlers(
        install_edaphosbridge(
          source = list.files(wheels, "edaphos", full.names = TRUE),
          pip_options = c("--no-index", "--find-links", wheels), quiet = TRUE
        ),
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
  wheel <- wheel_in(local_wheels())
  withr::local_envvar(PIP_FIND_LINKS = NA)
  condition <- expect_error(
    suppressMessages(install_offline(nothing, path, wheel)), class = "edaphosbridge_install_error"
  )
  expect_s3_class(condition, "edaphosbridge_error")
  requirement <- shQuote(paste0(normalizePath(wheel), "[interpret,maps,pretrain]"))
  installs <- paste("bin/python -m pip install --upgrade", requirement)
  expect_match(conditionMessage(condition), installs, fixed = TRUE)
  expect_match(conditionMessage(condition), paste("--no-index --find-links", nothing), fixed = TRUE)
  expect_match(conditionMessage(condition), "No matching distribution")
  expect_false(file.exists(path))
})

test_that("a package that was installed and cannot be imported is the same error", {
  skip_if_no_starter()
  path <- file.path(withr::local_tempdir(), "env")
  withr::local_envvar(PIP_FIND_LINKS = NA, PYTHONPATH = NA)
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
    list("reticulate", "py_require", python_pins(), python_version = ">=3.10")
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
  needs <- list("pandas<3", python_version = ">=3.10")
  expect_identical(declared_to(reticulate, c("edaphosbridge", "reticulate")), needs)
  expect_identical(declared_to(reticulate, c("reticulate", "edaphosbridge")), needs)
  expect_null(declared_to(reticulate, "edaphosbridge"))
})

test_that("nothing is declared to a reticulate that takes no declarations", {
  reticulate <- stand_in_package("reticulate", "1.28")
  expect_null(declared_to(reticulate, c("edaphosbridge", "reticulate")))
  expect_null(declared_to(reticulate, c("reticulate", "edaphosbridge")))
})
