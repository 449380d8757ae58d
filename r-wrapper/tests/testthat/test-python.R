test_that("library(edaphosbridge) starts no Python and does not load reticulate", {
  state <- callr::r(function() {
    library(edaphosbridge)
    c(reticulate = isNamespaceLoaded("reticulate"), python = reticulate::py_available())
  })
  expect_identical(state, c(reticulate = FALSE, python = FALSE))
})

test_that("checks of R's own and print() start no Python", {
  started <- callr::r(function() {
    library(edaphosbridge)
    refused <- tryCatch(
      foundation_fit_classifier("moco", array(0, c(2, 1, 1, 1)), NULL),
      edaphosbridge_input_error = function(condition) condition$argument
    )
    list(refused, reticulate::py_available())
  })
  expect_identical(started, list("y", FALSE))
})

# What foundation_encoder() says in a fresh R with another Python.
asked_for_encoder <- function(python, ...) {
  in_fresh_r(
    function() {
      before <- Sys.getenv("RETICULATE_PYTHON", NA)
      condition <- tryCatch(
        edaphosbridge::foundation_encoder("moco", 4),
        error = function(condition) condition
      )
      list(
        class = class(condition),
        message = conditionMessage(condition),
        restored = identical(Sys.getenv("RETICULATE_PYTHON", NA), before)
      )
    },
    env = fresh_environment(python, ...)
  )
}

test_that("EDAPHOSBRIDGE_PYTHON naming a missing file is an error that says so", {
  missing <- file.path(tempdir(), "no-such-python")
  answer <- asked_for_encoder(missing)
  expect_identical(
    answer$class,
    c("edaphosbridge_python_not_found", "edaphosbridge_error", "error", "condition")
  )
  expect_match(answer$message, "EDAPHOSBRIDGE_PYTHON", fixed = TRUE)
  expect_match(answer$message, missing, fixed = TRUE)
  expect_true(answer$restored)
})

test_that("EDAPHOSBRIDGE_PYTHON naming a folder without Python is the same error", {
  empty <- withr::local_tempdir()
  answer <- asked_for_encoder(empty)
  expect_identical(answer$class[[1]], "edaphosbridge_python_not_found")
  expect_match(answer$message, empty, fixed = TRUE)
})

test_that("a Python without edaphos_bridge: which was asked, and the command that installs it", {
  skip_if_no_python()
  folder <- bare_environment()
  withr::defer(unlink(folder, recursive = TRUE))
  answer <- asked_for_encoder(folder)
  python <- file.path(folder, "bin", "python")
  expect_identical(
    answer$class,
    c("edaphosbridge_python_not_found", "edaphosbridge_error", "error", "condition")
  )
  expect_match(answer$message, python, fixed = TRUE)
  expect_match(
    answer$message, paste0(python, ", which EDAPHOSBRIDGE_PYTHON names"),
    fixed = TRUE
  )
  expect_match(answer$message, install_command(python), fixed = TRUE)
  # what is set is not advised to be set
  expect_match(answer$message, "set EDAPHOSBRIDGE_PYTHON to another Python", fixed = TRUE)
  expect_true(answer$restored)
})

# A virtual environment in `folder` that has the packages of the Python in use.
environment_in <- function(folder) {
  made <- bare_environment()
  file.rename(made, folder)
  in_use <- grep("(site|dist)-packages$", reticulate::import("sys")$path, value = TRUE)
  site_packages <- list.files(file.path(folder, "lib"), "^python", full.names = TRUE)
  lines <- sprintf("import site; site.addsitedir(r'%s')", in_use)
  writeLines(lines, file.path(site_packages, "site-packages", "in-use.pth"))
  file.path(folder, "bin", "python")
}

test_that("EDAPHOSBRIDGE_PYTHON may be an environment's folder, and comes before all other rules", {
  skip_if_no_python()
  folder <- file.path(withr::local_tempdir(), "env")
  environment_in(folder)
  found <- in_fresh_r(
    function() {
      encoder <- edaphosbridge::foundation_encoder("simclr", 4, seed = 1)
      list(
        encoder = encoder,
        python = reticulate::py_config()$python,
        reticulate_python = Sys.getenv("RETICULATE_PYTHON")
      )
    },
    env = replace(fresh_environment(folder), "RETICULATE_PYTHON", "/another/python")
  )
  expect_identical(found$encoder, soil_encoder())
  expect_identical(found$python, file.path(folder, "bin", "python"))
  expect_identical(found$reticulate_python, "/another/python")
})

test_that("a relative EDAPHOSBRIDGE_PYTHON is meant from where R was started, whatever comes later", {
  skip_if_no_python()
  home <- withr::local_tempdir()
  dir.create(file.path(home, "reports"))
  python <- environment_in(file.path(home, ".venv"))
  started <- function(before_load, after_load = function() NULL) {
    script <- withr::local_tempfile(fileext = ".R", lines = c(
      deparse(body(before_load)), "library(edaphosbridge)", deparse(body(after_load)),
      "invisible(foundation_encoder('simclr', 4, seed = 1))",
      "cat(reticulate::py_config()$python, '\\n')",
      "child <- callr::r(function() Sys.getenv('EDAPHOSBRIDGE_PYTHON'), wd = tempdir())",
      "cat(child, '\\n')"
    ))
    withr::local_envvar(
      EDAPHOSBRIDGE_PYTHON = ".venv", RETICULATE_PYTHON = NA, R_LIBS = paste(.libPaths(), collapse = ":")
    )
    withr::local_dir(home)
    said <- system2(file.path(R.home("bin"), "Rscript"), shQuote(script), stdout = TRUE, stderr = TRUE)
    trimws(utils::tail(said, 2))
  }
  expected <- c(python, dirname(dirname(python)))
  # the working directory is another one when Python is asked for
  expect_identical(started(function() NULL, function() setwd("reports")), expected)
  # as in a chunk of rmarkdown::render(), where the package is loaded elsewhere
  expect_identical(started(function() setwd("reports")), expected)
})

test_that("a relative EDAPHOSBRIDGE_PYTHON that is nowhere is refused with the folder looked in", {
  folder <- withr::local_tempdir()
  withr::local_dir(folder)
  withr::local_envvar(EDAPHOSBRIDGE_PYTHON = "no/env")
  condition <- expect_error(wanted_python(), class = "edaphosbridge_python_not_found")
  expect_match(
    conditionMessage(condition), sprintf("no Python in %s: give the full path", getwd()),
    fixed = TRUE
  )
  withr::local_envvar(EDAPHOSBRIDGE_PYTHON = "~/no/env")
  expect_match(tryCatch(wanted_python(), error = conditionMessage), "there is no Python.$")
})

# What foundation_encoder() and the doctor say where another Python was started before.
asked_beside <- function(running, ...) {
  in_fresh_r(
    function(running) {
      reticulate::use_python(running, required = TRUE)
      reticulate::py_config()
      library(edaphosbridge)
      message <- tryCatch(foundation_encoder("moco", 4), error = conditionMessage)
      utils::capture.output(report <- edaphosbridge_doctor())
      list(message = message, troubles = report$troubles)
    },
    list(running),
    env = fresh_environment(...)
  )
}

test_that("where another Python runs already, the way out is a restart, not to set what is set", {
  skip_if_no_python()
  folder <- bare_environment()
  withr::defer(unlink(folder, recursive = TRUE))
  running <- file.path(folder, "bin", "python")
  answer <- asked_beside(running)
  expect_match(answer$message, "which ran in this session already", fixed = TRUE)
  expect_match(answer$message, paste("set up for it,", reticulate::py_exe()), fixed = TRUE)
  expect_match(answer$message, "Restart R, and call edaphosbridge before", fixed = TRUE)
  expect_no_match(answer$message, "set EDAPHOSBRIDGE_PYTHON|pip install")
  expect_identical(nrow(answer$troubles), 1L)
  expect_match(answer$troubles$problem, "runs in this session, and not the Python that EDAPHOS")
  expect_match(answer$troubles$mend, "^Restart R")
  # the environment of install_edaphosbridge() is such a Python too
  home <- withr::local_tempdir()
  dir.create(file.path(home, "R", "edaphosbridge"), recursive = TRUE)
  own <- environment_in(file.path(home, "R", "edaphosbridge", "python"))
  answer <- asked_beside(running, python = NA, R_USER_DATA_DIR = home)
  expect_match(answer$message, own, fixed = TRUE)
  expect_match(answer$message, "Restart R", fixed = TRUE)
  expect_match(answer$troubles$problem, "The running Python stands before what install_edaphosbridge")
  expect_match(answer$troubles$mend, "^Restart R")
})

test_that("R's torch in the process is an error before Python starts", {
  skip_if_no_python()
  library_folder <- stand_in_package("torch", "0.0.1")
  answer <- in_fresh_r(
    function(library_folder) {
      stand_in <- "torch" # R CMD check takes a string in the call for a dependency
      loadNamespace(stand_in, lib.loc = library_folder)
      condition <- tryCatch(
        edaphosbridge::foundation_encoder("moco", 4),
        error = function(condition) condition
      )
      list(
        class = class(condition),
        message = conditionMessage(condition),
        started = reticulate::py_available()
      )
    },
    list(library_folder)
  )
  expect_identical(
    answer$class,
    c("edaphosbridge_r_torch_loaded", "edaphosbridge_error", "error", "condition")
  )
  expect_match(answer$message, "R package torch")
  expect_match(answer$message, "Restart R")
  for (line in c(
    "torch::torch_save(moco$encoder_q$state_dict(), \"encoder.pt\")",
    "foundation_weights_load(\"encoder.pt\")"
  )) {
    expect_match(answer$message, line, fixed = TRUE)
  }
  expect_false(answer$started)
})

test_that("nothing is left in the folder for temporary files", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  in_fresh_r(
    function(encoder, x, y) {
      edaphosbridge::foundation_fit_classifier(encoder, x, y, epochs = 1, freeze_backbone = FALSE)
    },
    list(soil_encoder(), soil_x, soil_y),
    env = fresh_environment(TMPDIR = folder)
  )
  expect_identical(list.files(folder), character())
})

# --- interrupts ----------------------------------------------------------------------------

# Waits until `file` is there, and fails if the process has ended before.
wait_for <- function(file, process) {
  deadline <- Sys.time() + 120
  while (!file.exists(file)) {
    if (!process$is_alive()) {
      process$get_result() # signals what ended it
    }
    if (Sys.time() > deadline) {
      stop(basename(file), " is not there")
    }
    Sys.sleep(0.05)
  }
}

test_that("an interrupt stops a fit: caught as one, nothing changed, and the session goes on", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  process <- callr::r_bg(
    function(folder, encoder, x, y, own_module_code) {
      library(edaphosbridge)
      before <- serialize(list(encoder, x, y), NULL)
      many <- rep(1:48, 20)
      interrupted <- function(name, encoder, ...) {
        started <- function(condition) {
          file.create(file.path(folder, name))
          invokeRestart("muffleMessage")
        }
        outcome <- tryCatch(
          {
            # epochs of many steps: the interrupt comes in Python's loop as well as between epochs
            withCallingHandlers(
              foundation_fit_classifier(
                encoder, x[many, , , ], y[many],
                epochs = 1e7, batch_size = 2, verbose = TRUE, seed = 1, ...
              ),
              message = started
            )
            "finished"
          },
          interrupt = function(condition) "interrupt",
          error = function(condition) conditionMessage(condition)
        )
        after <- foundation_fit_classifier(encoder, x, y, epochs = 3, seed = 5)
        list(outcome = outcome, loss = after$loss_history)
      }
      foundation_encoder("simclr", 4)
      reticulate::py_run_string(own_module_code)
      module <- reticulate::py$make_module()
      own_before <- reticulate::py$state_of(module)
      list(
        frozen = interrupted("frozen", encoder),
        full = interrupted("full", encoder, freeze_backbone = FALSE),
        own = interrupted("own", module, freeze_backbone = FALSE),
        unchanged = identical(serialize(list(encoder, x, y), NULL), before),
        own_unchanged = identical(reticulate::py$state_of(module), own_before)
      )
    },
    list(folder, soil_encoder(), soil_x, soil_y, own_module_code),
    env = fresh_environment(),
    supervise = TRUE
  )
  withr::defer(process$kill())
  for (name in c("frozen", "full", "own")) {
    wait_for(file.path(folder, name), process)
    process$interrupt()
  }
  process$wait(120000)
  outcome <- process$get_result()
  expect_identical(outcome$frozen, list(outcome = "interrupt", loss = quick_fit()$loss_history))
  expect_identical(outcome$full, outcome$frozen)
  expect_identical(outcome$own$outcome, "interrupt")
  expect_identical(outcome$own$loss, quick_fit(own_module())$loss_history)
  expect_true(outcome$unchanged)
  expect_true(outcome$own_unchanged)
})

test_that("Ctrl-C still stops R's own code after a call into Python", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  process <- callr::r_bg(
    function(folder, encoder, x, y) {
      edaphosbridge::foundation_fit_classifier(encoder, x, y, epochs = 1)
      tryCatch(
        {
          file.create(file.path(folder, "started"))
          until <- Sys.time() + 60
          while (Sys.time() < until) sqrt(2)
          "finished"
        },
        interrupt = function(condition) "interrupt"
      )
    },
    list(folder, soil_encoder(), soil_x, soil_y),
    env = fresh_environment(),
    supervise = TRUE
  )
  withr::defer(process$kill())
  wait_for(file.path(folder, "started"), process)
  process$interrupt()
  process$wait(120000)
  expect_identical(process$get_result(), "interrupt")
})

test_that("an interrupt that R takes in a call waits for the end: no jump passes over Python", {
  skip_if_no_python()
  skip_if_not_installed("rlang")
  module <- own_module()
  reticulate::py_run_string("
import torch

class CallsR(torch.nn.Module):
    'Calls R inside, as reticulate does after an import; counts in R when it goes on.'

    def __init__(self, module, from_r, ended):
        super().__init__()
        self.module, self.from_r, self.ended = module, [from_r], [ended]

    def forward(self, x):
        with torch.inference_mode():
            self.from_r[0]()
        self.ended[0]()
        return self.module(x)
")
  begun <- 0
  ended <- 0
  calls_r <- reticulate::py$CallsR(
    module,
    function() {
      begun <<- begun + 1
      if (begun == 3) rlang::interrupt() # as Ctrl-C does it that R had noted before
    },
    function() ended <<- ended + 1
  )
  outcome <- tryCatch(
    {
      foundation_fit_classifier(calls_r, soil_x, soil_y, epochs = 1, freeze_backbone = FALSE)
      for (step in 1:1e6) sqrt(2) # R takes it some steps later
      "finished"
    },
    interrupt = function(condition) "interrupt"
  )
  expect_identical(outcome, "interrupt")
  expect_gt(begun, 3)
  expect_identical(ended, begun)
  fit <- foundation_fit_classifier(module, soil_x, soil_y, epochs = 1, freeze_backbone = FALSE)
  expect_length(fit$loss_history, 1)
})

# Python looks for this module when it starts: Ctrl-C at every `every`-th import from then on. What is
# looked for in vain, again in every call, counts once.
presses_code <- "
import os, signal, sys

class Presses:
    seen = set()

    def find_spec(self, name, path=None, target=None):
        if name in Presses.seen:
            return
        Presses.seen.add(name)
        if len(Presses.seen) % int(os.environ['PRESS_EVERY']) == 0:
            os.kill(os.getpid(), signal.SIGINT)

if os.environ.get('PRESS_IN') == str(os.getpid()):
    sys.meta_path.insert(0, Presses())
"

test_that("Ctrl-C at any import of the first calls is an interrupt, and the session goes on", {
  skip_if_no_python()
  skip_on_os("windows")
  folder <- withr::local_tempdir()
  writeLines(presses_code, file.path(folder, "sitecustomize.py"))
  paths <- paste(c(folder, Sys.getenv("PYTHONPATH")), collapse = .Platform$path.sep)
  for (every in c("1", "101")) {
    outcomes <- in_fresh_r(
      function(x, y) {
        library(edaphosbridge)
        Sys.setenv(PRESS_IN = Sys.getpid())
        outcomes <- list()
        call <- function() {
          encoder <- foundation_encoder("simclr", in_channels = 4, seed = 1)
          fit <- foundation_fit_classifier(encoder, x, y, head = "mlp", epochs = 2, seed = 5)
          fit$loss_history
        }
        for (attempt in 1:99) {
          # R takes what it has noted some steps later: here, and not outside of tryCatch()
          outcomes[[attempt]] <- tryCatch(
            {
              outcome <- tryCatch(
                call(),
                interrupt = function(condition) "interrupt", error = conditionMessage
              )
              for (step in 1:1e5) sqrt(2)
              outcome
            },
            interrupt = function(condition) "interrupt"
          )
          if (is.numeric(outcomes[[attempt]])) break
        }
        outcomes
      },
      list(soil_x, soil_y),
      env = fresh_environment(PRESS_EVERY = every, PYTHONPATH = paths)
    )
    last <- length(outcomes)
    expect_identical(unique(outcomes[-last]), list("interrupt"))
    expect_identical(outcomes[[last]], quick_fit(head = "mlp", epochs = 2)$loss_history)
  }
})
