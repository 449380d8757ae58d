# Results and times do not depend on the number of cores. Read when torch is loaded, here and in
# the fresh processes.
withr::local_envvar(
  OMP_NUM_THREADS = "1", MKL_NUM_THREADS = "1", OPENBLAS_NUM_THREADS = "1",
  .local_envir = testthat::teardown_env()
)

# --- Python --------------------------------------------------------------------------------

made <- new.env(parent = emptyenv()) # what is made once for the whole suite

# Without Python the tests that need it are skipped; with EDAPHOSBRIDGE_TEST_STRICT they fail.
skip_if_no_python <- function() {
  if (is.null(made$python_problem)) {
    made$python_problem <- tryCatch(
      {
        suppressMessages(python_module())
        ""
      },
      error = conditionMessage
    )
  }
  if (nzchar(made$python_problem)) {
    if (identical(Sys.getenv("EDAPHOSBRIDGE_TEST_STRICT"), "true")) {
      stop("these tests must not be skipped, but ", made$python_problem, call. = FALSE)
    }
    testthat::skip(paste("no Python with edaphos_bridge:", made$python_problem))
  }
  invisible(TRUE)
}

# A suggested package: without it the tests that need it are skipped, unless that is forbidden.
skip_if_lacking <- function(package) {
  strict <- identical(Sys.getenv("EDAPHOSBRIDGE_TEST_STRICT"), "true")
  if (!strict) testthat::skip_if_not_installed(package)
}

# A module of the user's own, made in Python's __main__. `kind` is what its forward returns;
# `...` are the other arguments of make_module() below.
own_module <- function(kind = "tensor", ...) {
  python_module() # torch is loaded by the package
  reticulate::py_run_string(own_module_code)
  reticulate::py$make_module(kind, ...)
}

own_module_code <- "
import types
import warnings
import torch

class OwnEncoder(torch.nn.Module):
    def __init__(self, kind, warn, fail_on):
        super().__init__()
        self.conv = torch.nn.Conv2d(4, 6, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(6)
        self.kind, self.warn, self.fail_on = kind, warn, fail_on

    def forward(self, x):
        if self.warn:
            warnings.warn('the encoder of the user warns')
        if len(x) == self.fail_on:
            raise RuntimeError('the encoder of the user fails')
        features = torch.relu(self.norm(self.conv(x))).mean(dim=(2, 3))
        if self.kind == 'dict':
            return {'embedding': features * 0, 'feature': features}
        if self.kind == 'object':
            return types.SimpleNamespace(embedding=features)
        if self.kind == 'list':
            return [features]
        return features

def make_module(kind='tensor', warn=False, fail_on=0):
    torch.manual_seed(7)
    return OwnEncoder(kind, warn, fail_on)

def state_of(module):
    state = {k: v.double().numpy().copy() for k, v in module.state_dict().items()}
    gradients = [p.requires_grad for p in module.parameters()]
    has_grad = [p.grad is not None for p in module.parameters()]
    return {'state': state, 'gradients': gradients, 'has_grad': has_grad, 'mode': module.training}
"

# --- data ----------------------------------------------------------------------------------

deep_copy <- function(object) unserialize(serialize(object, NULL))

# 48 patches of 4 x 5 x 5 in three classes, whose order is neither that of the alphabet nor that
# of their appearance. Whole numbers, so that doubles and integers hold the same values.
soil_classes <- c("Oxisol", "Ultisol", "Inceptisol")
soil_y <- factor(rep(c("Ultisol", "Inceptisol", "Oxisol"), 16), levels = soil_classes)
soil_x <- withr::with_seed(11, array(round(3 * stats::rnorm(48 * 4 * 25)), c(48, 4, 5, 5)))
for (class in 1:3) { # each class is bright in a channel of its own
  rows <- as.integer(soil_y) == class
  soil_x[rows, class, , ] <- soil_x[rows, class, , ] + 6
}
pristine <- deep_copy(list(x = soil_x, y = soil_y))

patches <- function(rows) soil_x[rows, , , , drop = FALSE]

soil_encoder <- function() {
  if (is.null(made$encoder)) {
    made$encoder <- foundation_encoder("simclr", in_channels = 4, seed = 1)
  }
  made$encoder
}

# A fit of the small data with a few quick epochs.
quick_fit <- function(encoder = soil_encoder(), x = soil_x, y = soil_y, ..., epochs = 3, seed = 5) {
  foundation_fit_classifier(encoder, x, y, ..., epochs = epochs, seed = seed)
}

soil_fit <- function() {
  if (is.null(made$fit)) {
    made$fit <- quick_fit(epochs = 20, lr = 0.05)
  }
  made$fit
}

# Masks of the small data: cells are wet where the first channel is high, and the classes are in no order
# of the alphabet.
wetness <- c("wet", "dry")
soil_masks <- array(ifelse(soil_x[, 1, , ] > 1, "wet", "dry"), c(48, 5, 5))
as_codes <- function(masks, levels = wetness) {
  structure(match(masks, levels), dim = dim(masks), levels = levels)
}
holed <- withr::with_seed(4, replace(soil_masks, sample(length(soil_masks), 900), NA))

quick_segmenter <- function(masks = as_codes(soil_masks), ..., x = soil_x, epochs = 2, seed = 5) {
  foundation_fit_segmenter(soil_encoder(), x, masks, ..., epochs = epochs, seed = seed)
}

wet_fit <- function() {
  if (is.null(made$wet_fit)) {
    made$wet_fit <- quick_segmenter(epochs = 30, lr = 0.02)
  }
  made$wet_fit
}

prob <- function(fit, x = soil_x, ...) predict(fit, x, type = "prob", ...)

# A raster of three bands with holes, 30 rows and 40 columns of 10 m, in a GeoTIFF.
soil_stack <- function() {
  if (is.null(made$stack)) {
    values <- withr::with_seed(3, matrix(stats::rnorm(1200 * 3), 1200))
    values <- t(t(values) * c(1, 50, 0.1) + c(0, 1000, -5))
    values[c(170:173, 210:213), ] <- NA
    values[800, 2] <- NA
    stack <- terra::rast(
      nrows = 30, ncols = 40, nlyrs = 3, xmin = 500, xmax = 900, ymin = 600, ymax = 900,
      crs = "EPSG:32723", names = c("clay", "ndvi", "slope"), vals = values
    )
    made$stack <- tempfile("stack-", fileext = ".tif")
    terra::writeRaster(stack, made$stack, datatype = "FLT8S")
  }
  terra::rast(made$stack)
}

soil_tiles <- function(stack = soil_stack(), ..., patch_size = 5, n_patches = 40, seed = 2) {
  foundation_tile_dataset(stack, patch_size, n_patches, ..., seed = seed)
}

small_moco <- list(feature_dim = 6, proj_dim = 4, batch_size = 8, epochs = 3, seed = 1)

tile_fit <- function() {
  if (is.null(made$tile_fit)) {
    made$tile_fit <- do.call(foundation_moco_pretrain_tiles, c(list(soil_tiles()), small_moco))
  }
  made$tile_fit
}

# --- expectations --------------------------------------------------------------------------

# Every cell within tolerance * max(size, |expected|), as assert_close() has it in the Python tests
# (tests/closeness.py): `size` is that of the terms of a sum, 0 for a strictly relative bound. NA
# stands in the same cells; names and dimensions are equal.
expect_close <- function(found, expected, tolerance, size = 1) {
  label <- deparse1(substitute(found))
  testthat::expect_identical(length(found), length(expected), label = paste0("length(", label, ")"))
  testthat::expect_identical(
    attributes(found), attributes(expected),
    label = paste0("attributes(", label, ")")
  )
  testthat::expect_identical(
    as.vector(is.na(found)), as.vector(is.na(expected)),
    label = paste0("is.na(", label, ")")
  )
  allowed <- tolerance * pmax(size, abs(as.vector(expected)))
  excess <- abs(as.vector(found) - as.vector(expected)) - allowed
  infinite <- is.infinite(expected) # which would allow anything
  excess[infinite] <- ifelse(found[infinite] == expected[infinite], 0, Inf)
  worst <- max(which.max(excess), 1L) # cells without number have no excess
  testthat::expect(
    !any(excess > 0, na.rm = TRUE),
    sprintf(
      "%d of %d cells of %s are not within %g; the worst, %d: found %.10g, expected %.10g",
      sum(excess > 0, na.rm = TRUE), length(excess), label, tolerance, worst,
      as.vector(found)[worst], as.vector(expected)[worst]
    )
  )
  invisible(found)
}

# The largest absolute value, at least 1: the `size` of sums, some of which cancel.
size_of <- function(values) max(1, abs(values), na.rm = TRUE)

random_state <- function() get0(".Random.seed", envir = globalenv(), inherits = FALSE)

# `code` is refused because of `argument`: a classed error with the user's own call, whose message
# names the argument and everything in `says`. R's generator and the data are left alone.
expect_refused <- function(code, argument, says, of = "foundation_fit_classifier") {
  random_before <- random_state()
  condition <- testthat::expect_error(code, class = "edaphosbridge_input_error")
  testthat::expect_identical(
    class(condition),
    c("edaphosbridge_input_error", "edaphosbridge_error", "error", "condition")
  )
  testthat::expect_identical(condition$argument, argument)
  for (text in c(paste0("`", argument, "`"), says)) {
    testthat::expect_match(conditionMessage(condition), text, fixed = TRUE)
  }
  testthat::expect_identical(conditionCall(condition)[[1]], as.name(of))
  testthat::expect_identical(random_state(), random_before)
  testthat::expect_identical(list(x = soil_x, y = soil_y), pristine)
  invisible(condition)
}

# --- fresh R processes ---------------------------------------------------------------------

# The environment of a fresh process: this process's Python, and no rule of the user's beside it.
fresh_environment <- function(python = reticulate::py_exe(), ...) {
  c(callr::rcmd_safe_env(), EDAPHOSBRIDGE_PYTHON = python, RETICULATE_PYTHON = NA, ...)
}

# Runs `code` (a function that finds nothing of this process) in a fresh R and returns its value.
in_fresh_r <- function(code, args = list(), env = fresh_environment()) {
  callr::r(code, args, env = env, timeout = 120)
}

# A library folder with a package of that name and version, made of `code` and what it exports.
stand_in_package <- function(name, version, code = character(), exports = character(),
                             frame = parent.frame()) {
  library_folder <- withr::local_tempdir(.local_envir = frame)
  source_folder <- file.path(withr::local_tempdir(), name)
  dir.create(file.path(source_folder, "R"), recursive = TRUE)
  writeLines(
    c(
      paste("Package:", name), paste("Version:", version), "Title: Stand-In",
      "Description: Empty.", "Author: Nobody", "Maintainer: Nobody <nobody@example.org>",
      "License: GPL-3"
    ),
    file.path(source_folder, "DESCRIPTION")
  )
  writeLines(code, file.path(source_folder, "R", "code.R"))
  writeLines(sprintf("export(%s)", exports), file.path(source_folder, "NAMESPACE"))
  callr::rcmd("INSTALL", c("--no-docs", "-l", library_folder, source_folder), fail_on_status = TRUE)
  library_folder
}

# A virtual environment of the Python in use without any package.
bare_environment <- function() {
  folder <- tempfile("bare-")
  status <- system2(
    reticulate::py_exe(), c("-m", "venv", "--without-pip", shQuote(folder)),
    stdout = FALSE, stderr = FALSE
  )
  testthat::expect_identical(status, 0L)
  folder
}
