test_that("a raster on disk crosses as its files, bands, names and extent", {
  stack <- soil_stack()[[c(3, 1)]]
  crossed <- to_raster(stack, quote(f()))
  expect_identical(crossed, list(
    files = list(list(path = terra::sources(soil_stack()), bands = list(3, 1))),
    names = list("slope", "clay"),
    transform = list(10, 0, 500, 0, -10, 900),
    crs = terra::crs(stack)
  ), ignore_attr = TRUE)
})

test_that("bands of several files keep their order", {
  other <- withr::local_tempfile(fileext = ".tif")
  terra::writeRaster(soil_stack()[[2]], other, datatype = "FLT8S")
  stack <- c(soil_stack()[[3]], terra::rast(other), soil_stack()[[1]])
  crossed <- to_raster(stack, quote(f()))
  first <- terra::sources(soil_stack())
  expect_identical(lapply(crossed$files, `[[`, "path"), list(first, other, first))
  expect_equal(lapply(crossed$files, `[[`, "bands"), list(list(3), list(1), list(1)))
})

test_that("whatever the file does not show as it is goes through a temporary file", {
  changed <- list(
    computed = soil_stack() * 2,
    flag = local({
      stack <- soil_stack()
      terra::NAflag(stack) <- 0
      stack
    }),
    window = local({
      stack <- soil_stack()
      terra::window(stack) <- terra::ext(600, 700, 700, 800)
      stack
    }),
    cropped = terra::crop(soil_stack(), terra::ext(600, 700, 700, 800)),
    moved = local({
      stack <- soil_stack()
      terra::ext(stack) <- c(0, 400, 0, 300)
      stack
    })
  )
  for (name in names(changed)) {
    stack <- changed[[name]]
    expect_null(files_of(stack), label = name)
    used <- function() {
      crossed <- to_raster(stack, quote(f()))
      path <- crossed$files[[1]]$path
      expect_equal(terra::values(terra::rast(path)), terra::values(stack), label = name)
      expect_identical(unlist(crossed$names), names(stack))
      expect_identical(crossed$transform[[3]], terra::xmin(stack))
      path
    }
    expect_false(file.exists(used()), label = name)
  }
})

test_that("what no file holds is kept if it is small, and else a warning says how long it lives", {
  leftover <- function() list.files(tempdir(), "^edaphosbridge-.*tif", full.names = TRUE)
  before <- leftover()
  file <- to_raster(soil_stack() * 2, quote(f()), keep = TRUE)$files[[1]]
  expect_type(file$data, "raw")
  expect_identical(leftover(), before)
  written <- written
  environment(written) <- list2env(list(largest_kept = 1000), parent = environment(to_raster))
  expect_warning(
    large <- written(soil_stack() * 2, quote(f()), TRUE, "stack", environment()),
    class = "edaphosbridge_warning", regexp = "goes with this R session.*writeRaster"
  )
  expect_true(file.exists(large$path))
  unlink(large$path)
})

test_that("what terra keeps beside a temporary file, such as levels, goes with it", {
  stack <- soil_stack() * 2
  levels(stack[[1]]) <- data.frame(id = 0:2, soil = c("a", "b", "c"))
  leftover <- function() list.files(tempdir(), "^edaphosbridge-.*aux")
  before <- leftover()
  to_raster(stack, quote(f()), keep = TRUE)
  expect_identical(leftover(), before)
  crossed <- function() to_raster(stack, quote(f()))$files[[1]]$path
  expect_false(file.exists(crossed()))
  expect_identical(leftover(), before)
})

test_that("no warning speaks of the temporary file, and an error names the user's", {
  withr::local_options(warn = 2)
  stack <- terra::rast(soil_stack()[[1]] > 0)
  terra::values(stack) <- rep(1:3, 400)
  terra::coltab(stack) <- data.frame(value = 1:3, col = c("red", "green", "blue"))
  expect_type(to_raster(stack, quote(f()), keep = TRUE)$files[[1]]$data, "raw")
  path <- withr::local_tempfile(fileext = ".tif")
  file.copy(terra::sources(soil_stack()), path)
  gone <- terra::rast(path)
  terra::window(gone) <- terra::ext(600, 700, 700, 800)
  unlink(path)
  refused <- expect_error(to_raster(gone, quote(f())), class = "edaphosbridge_input_error")
  expect_match(conditionMessage(refused), basename(path), fixed = TRUE)
  expect_no_match(conditionMessage(refused), "edaphosbridge-", fixed = TRUE)
})

test_that("without terra a raster is refused with what to install", {
  without <- as_spat_raster
  environment(without) <- list2env(
    list(requireNamespace = function(...) FALSE), parent = environment(as_spat_raster)
  )
  expect_error(
    without(terra::sources(soil_stack()), "stack", quote(f())),
    class = "edaphosbridge_input_error", regexp = "needs the package terra"
  )
})
