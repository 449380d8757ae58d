# Of soil_stack() (10 m, EPSG:32723) and others of the same place.
other_grid <- function(crs = "EPSG:32723", size = 30, value = NULL) {
  grid <- terra::rast(
    xmin = 470, xmax = 950, ymin = 570, ymax = 960, resolution = size, crs = "EPSG:32723"
  )
  values <- if (is.null(value)) sin(terra::xFromCell(grid, seq_len(terra::ncell(grid))) / 60) else value
  terra::values(grid) <- values
  names(grid) <- "rain"
  if (crs != "EPSG:32723") grid <- terra::project(grid, crs)
  grid
}

test_that("rasters of different grids become one stack, the first's cells as they are", {
  skip_if_no_python()
  stack <- foundation_tile_align(list(soil_stack(), other_grid()))
  expect_s4_class(stack, "SpatRaster")
  expect_identical(names(stack), c("clay", "ndvi", "slope", "rain"))
  expect_identical(as.vector(terra::ext(stack)), as.vector(terra::ext(soil_stack())))
  expect_identical(terra::res(stack), c(10, 10))
  expect_identical(terra::values(stack[[1:3]]), terra::values(soil_stack()))
  expected <- terra::project(other_grid(), soil_stack(), method = "bilinear")
  expect_close(terra::values(stack[[4]]), terra::values(expected), 1e-6)
  tiles <- foundation_tile_dataset(stack, patch_size = 5, n_patches = 10, seed = 1)
  expect_identical(tiles$bands, names(stack))
})

test_that("another CRS is warped as terra does it, but for a small part of a cell", {
  skip_if_no_python()
  lonlat <- other_grid("EPSG:4326")
  stack <- foundation_tile_align(list(soil_stack(), lonlat), aoi = terra::ext(600, 800, 700, 800))
  expect_identical(dim(stack), c(10, 20, 4))
  expected <- terra::project(lonlat, stack[[1]], method = "bilinear")
  expect_lt(max(abs(terra::values(stack[[4]]) - terra::values(expected))), 0.25 * 30 / 60)
})

test_that("grid, area and method are as they are asked for", {
  skip_if_no_python()
  skip_if_lacking("sf")
  sources <- list(soil_stack()[[2]], other_grid())
  at <- function(...) foundation_tile_align(sources, ...)
  coarse <- at(target_res = 20, method = c("average", "near"))
  expect_identical(terra::res(coarse), c(20, 20))
  means <- terra::aggregate(sources[[1]], 2, "mean", na.rm = TRUE)
  expect_close(terra::values(coarse[[1]]), terra::values(means), 1e-9)
  expect_close(
    terra::values(coarse[[2]]),
    terra::values(terra::project(other_grid(), coarse[[1]], method = "near")), 1e-6
  )
  expect_identical(terra::res(at(target_res = c(20, 50))), c(20, 50))
  wanted <- c(xmin = 600, ymin = 700, xmax = 800, ymax = 800)
  box <- sf::st_bbox(wanted, crs = 32723)
  for (aoi in list(
    unname(wanted), wanted[c(1, 3, 2, 4)], terra::ext(600, 800, 700, 800), box, sf::st_as_sfc(box),
    terra::vect(sf::st_as_sf(sf::st_as_sfc(box)))
  )) {
    expect_identical(unname(as.vector(terra::ext(at(aoi = aoi)))), c(600, 800, 700, 800))
  }
  moved <- terra::ext(at(aoi = sf::st_transform(sf::st_as_sfc(box), 4326)))
  expect_lt(max(abs(as.vector(moved) - c(600, 800, 700, 800))), 30)
  for (crs in list("EPSG:32722", 32722, sf::st_crs(32722), terra::project(sources[[2]], "EPSG:32722"))) {
    found <- at(target_crs = crs, target_res = 10)
    expect_identical(terra::crs(found, describe = TRUE)$code, "32722")
  }
})

test_that("sources may be paths, a collection, stars and rasters that no file holds", {
  skip_if_no_python()
  skip_if_lacking("stars")
  expected <- terra::values(foundation_tile_align(list(soil_stack(), other_grid())))
  path <- withr::local_tempfile(fileext = ".tif")
  terra::writeRaster(other_grid(), path, datatype = "FLT8S")
  paths <- c(terra::sources(soil_stack()), path)
  expect_identical(terra::values(foundation_tile_align(paths)), expected)
  expect_identical(terra::values(foundation_tile_align(as.list(paths))), expected)
  expect_identical(
    terra::values(foundation_tile_align(terra::sprc(soil_stack(), other_grid()))), expected
  )
  stars <- stars::read_stars(path)
  expect_identical(
    unname(terra::values(foundation_tile_align(list(soil_stack(), stars)))), unname(expected)
  )
  alone <- foundation_tile_align(soil_stack())
  expect_identical(terra::values(alone), terra::values(soil_stack()))
  before <- list.files(tempdir(), "^edaphosbridge-")
  foundation_tile_align(list(soil_stack(), other_grid()))
  expect_identical(list.files(tempdir(), "^edaphosbridge-"), before)
})

test_that("the file is the one that was named", {
  skip_if_no_python()
  path <- withr::local_tempfile(fileext = ".tif")
  stack <- foundation_tile_align(list(soil_stack()), filename = path)
  expect_identical(normalizePath(terra::sources(stack)), normalizePath(path))
  expect_refused(
    foundation_tile_align(list(soil_stack()), filename = path), "filename", "`overwrite`",
    of = "foundation_tile_align"
  )
  again <- foundation_tile_align(list(soil_stack()[[1]]), filename = path, overwrite = TRUE)
  expect_identical(terra::nlyr(again), 1)
})

test_that("classes are not blended", {
  skip_if_no_python()
  classes <- other_grid(value = rep_len(1:3, 208))
  levels(classes) <- data.frame(value = 1:3, soil = c("a", "b", "c"))
  expect_refused(
    foundation_tile_align(list(soil_stack(), classes)), "method", c("source 2", "\"nearest\""),
    of = "foundation_tile_align"
  )
  stack <- foundation_tile_align(list(soil_stack(), classes), method = c("bilinear", "nearest"))
  expect_identical(sort(unique(terra::values(stack[[4]])[, 1])), c(1, 2, 3))
})

test_that("stacks of different grids are refused with this call", {
  skip_if_no_python()
  refused <- function(code, argument = "stack", of = "foundation_tile_dataset") {
    expect_refused(code, argument, "foundation_tile_align()", of = of)
  }
  path <- withr::local_tempfile(fileext = ".tif")
  terra::writeRaster(other_grid(), path)
  refused(foundation_tile_dataset(list(soil_stack(), other_grid())))
  refused(foundation_tile_dataset(terra::sprc(soil_stack(), other_grid())))
  refused(foundation_tile_dataset(c(terra::sources(soil_stack()), path)))
  refused(foundation_tile_dataset(soil_stack(), 5, 5, valid_mask = other_grid()), "valid_mask")
  refused(
    foundation_embed_at_coords(tile_fit(), cbind(505, 895), list(soil_stack(), other_grid())),
    of = "foundation_embed_at_coords"
  )
})

test_that("what cannot be used is refused by its name", {
  skip_if_no_python()
  refused <- function(argument, says, ...) {
    expect_refused(foundation_tile_align(...), argument, says, of = "foundation_tile_align")
  }
  one <- list(soil_stack())
  refused("sources", "is missing")
  refused("sources", "found numeric", 3)
  refused("sources", "found list", list())
  refused("sources", "found numeric", list(soil_stack(), 3))
  refused("sources", "names no file", "none.tif")
  refused("sources", "overlap", one, aoi = c(0, 0, 1, 1))
  refused("target_res", "greater than 0", one, target_res = -1)
  refused("target_crs", "EPSG", one, target_crs = NA)
  refused("target_crs", "found 'UTM'", one, target_crs = "UTM")
  refused("aoi", "length 3", one, aoi = 1:3)
  refused("aoi", "xmin < xmax", one, aoi = c(800, 700, 600, 800))
  refused("method", "'best'", one, method = "best")
  refused("method", "each of the 1", one, method = c("nearest", "mode"))
  refused("overwrite", "true/false", one, overwrite = "yes")
  refused("filename", ".tif", one, filename = tempfile())
})
