test_that("a raster on disk crosses as its files, bands, names and extent", {
  stack <- soil_stack()[[c(3, 1)]]
  crossed <- to_raster(stack, quote(f()))
  expect_identical(crossed, list(
    files = list(list(path = terra::sources(soil_stack()), bands = list(3, 1))),
    names = list("slope", "clay"),
    transform = list(10, 0, 500, 0, -10, 900)
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

test_that("the temporary file of a dataset stays", {
  crossed <- to_raster(soil_stack() * 2, quote(f()), keep = TRUE)
  expect_true(file.exists(crossed$files[[1]]$path))
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
