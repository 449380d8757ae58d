test_that("foundation_weights_list() is a data frame with NA where nothing is known", {
  skip_if_no_python()
  table <- foundation_weights_list()
  expect_s3_class(table, "data.frame")
  expect_identical(table$name, c("edaphos-cerrado-moco-v1", "edaphos-cerrado-moco-v2"))
  expect_identical(table$n_channels, c(31L, 31L))
  expect_identical(table$doi, c("10.5281/zenodo.19701276", NA))
  expect_true(is.na(table$url[[2]]))
})

test_that("foundation_weights_list() has the columns of edaphos", {
  skip_if_no_python()
  table <- foundation_weights_list()
  of_edaphos <- c(
    "name", "description", "n_channels", "feature_dim", "proj_dim", "patch_size", "aoi", "url",
    "sha256", "doi", "license", "published_at", "edaphos_version"
  )
  expect_true(all(of_edaphos %in% names(table)))
  expect_identical(table$edaphos_version, c("1.2.0", "3.11.0"))
  expect_match(table$description[[1]], "SoilGrids")
})

# The registry has one encoder, "here", in a file; the cache is a folder of the caller's.
local_registry <- function(file, url = "http://127.0.0.1:9/encoder.pt", frame = parent.frame()) {
  registry <- reticulate::import("edaphos_bridge.weights.registry")
  before <- registry$REGISTRY
  withr::defer(registry$REGISTRY <- before, frame)
  hashlib <- reticulate::import("hashlib")
  bytes <- if (is.null(file)) raw() else readBin(file, "raw", file.size(file))
  registry$REGISTRY <- reticulate::tuple(registry$PublishedWeights(
    "here", "simclr",
    n_channels = 4L, url = url, sha256 = hashlib$sha256(bytes)$hexdigest()
  ))
}

test_that("foundation_weights_download() returns edaphos' list, which foundation_weights_load() takes", {
  skip_if_no_python()
  cache <- withr::local_tempdir()
  path <- file.path(cache, "here.pt") # no network is touched: it is in the cache
  foundation_weights_save(soil_encoder(), path)
  local_registry(path)
  returned <- withVisible(foundation_weights_download("here", cache_dir = cache))
  expect_false(returned$visible)
  found <- returned$value
  expect_named(found, c("path", "metadata", "entry"))
  expect_identical(found$path, path)
  expect_identical(found$metadata, NA_character_)
  expect_identical(found$entry, foundation_weights_list())
  expect_identical(found$entry$n_channels, 4L)
  encoder <- foundation_weights_load(found)
  expect_identical(encoder, soil_encoder())
  expect_identical(encoder$n_channels, 4L)
  expect_identical(foundation_weights_load(found$path), encoder)
})

test_that("an encoder survives foundation_weights_save() and foundation_weights_load()", {
  skip_if_no_python()
  path <- withr::local_tempfile(fileext = ".safetensors")
  saved <- withVisible(foundation_weights_save(soil_encoder(), path))
  expect_identical(saved, list(value = path, visible = FALSE))
  expect_identical(foundation_weights_load(path), soil_encoder())
  expect_identical(foundation_weights_load(path, 4, feature_dim = 32L), soil_encoder())
  fit_path <- withr::local_tempfile()
  foundation_weights_save(soil_fit(), fit_path)
  expect_identical(foundation_weights_load(fit_path), soil_encoder())
  fit <- quick_fit(foundation_weights_load(path))
  expect_identical(fit$loss_history, quick_fit()$loss_history)
})

test_that("what a load finds is reported as a message when asked for", {
  skip_if_no_python()
  path <- withr::local_tempfile()
  foundation_weights_save(soil_encoder(), path)
  expect_message(foundation_weights_load(path, verbose = TRUE), "simclr, 4 channels")
  expect_silent(foundation_weights_load(path))
})

test_that("arguments that cannot be used are refused in the function's own name", {
  skip_if_no_python()
  path <- withr::local_tempfile()
  foundation_weights_save(soil_encoder(), path)
  load_refused <- function(code, argument, says) {
    expect_refused(code, argument, says, of = "foundation_weights_load")
  }
  load_refused(foundation_weights_load(), "source", "is missing")
  load_refused(foundation_weights_load("no-such-file.pt"), "source", "no-such-file.pt")
  load_refused(foundation_weights_load(NA), "source", "found NA")
  load_refused(foundation_weights_load(path, n_channels = 31), "n_channels", c("must be 4", "found 31"))
  load_refused(foundation_weights_load(path, proj_dim = "8"), "proj_dim", "found '8'")
  load_refused(foundation_weights_load(path, verbose = NA), "verbose", "found NA")
  expect_refused(
    foundation_weights_download("edaphos-cerrado-moco-v2"), "name", "without an address",
    of = "foundation_weights_download"
  )
  expect_refused(
    foundation_weights_download("moco"), "name", "edaphos-cerrado-moco-v1",
    of = "foundation_weights_download"
  )
  expect_refused(
    foundation_weights_save(soil_encoder()), "path", "is missing",
    of = "foundation_weights_save"
  )
  expect_refused(
    foundation_weights_save(soil_encoder(), file.path(tempdir(), "no", "file")), "path",
    "a folder that does not exist",
    of = "foundation_weights_save"
  )
  expect_refused(
    foundation_weights_save("moco", path), "encoder", "found character",
    of = "foundation_weights_save"
  )
})

test_that("a damaged file is a weights error, and R lives on", {
  skip_if_no_python()
  path <- withr::local_tempfile()
  foundation_weights_save(soil_encoder(), path)
  bytes <- readBin(path, "raw", file.size(path))
  for (length in c(0, 7, 8, 100, length(bytes) - 1)) {
    writeBin(bytes[seq_len(length)], path)
    expect_error(foundation_weights_load(path), class = "edaphosbridge_weights_error")
  }
})

test_that("a download that fails is a download error, and the cache is as it was", {
  skip_if_no_python()
  cache <- withr::local_tempfile()
  # no network is touched: the address is a port of this machine where nothing listens
  local_registry(NULL)
  downloads <- reticulate::import("edaphos_bridge.weights.download")
  before <- downloads$PAUSES
  withr::defer(downloads$PAUSES <- before)
  downloads$PAUSES <- reticulate::tuple()
  condition <- expect_error(
    foundation_weights_download("here", cache_dir = cache),
    class = "edaphosbridge_download_error"
  )
  expect_match(conditionMessage(condition), "offline", fixed = TRUE)
  expect_identical(list.files(cache, all.files = TRUE, no.. = TRUE), character())
})

test_that("a link stays one, a mode is kept, and a read-only file is refused", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  file <- file.path(folder, "file")
  link <- file.path(folder, "link")
  file.symlink(file, link)
  foundation_weights_save(soil_encoder(), link)
  expect_identical(Sys.readlink(link), file)
  Sys.chmod(file, "0600")
  foundation_weights_save(soil_encoder(), link)
  expect_identical(format(file.mode(file)), "600")
  expect_identical(foundation_weights_load(link), soil_encoder())
  Sys.chmod(file, "0400")
  expect_refused(
    foundation_weights_save(soil_encoder(), link), "path", "read-only",
    of = "foundation_weights_save"
  )
})
