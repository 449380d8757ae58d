# Numbers are held against naive references in Python, and here against Python's functions of arrays.

prob_map <- function() {
  if (is.null(made$prob_map)) {
    made$prob_map <- tempfile("prob-", fileext = ".tif")
    predict(map_fit(), soil_stack(), type = "prob", filename = made$prob_map)
  }
  terra::rast(made$prob_map)
}
soil_names <- c("Oxisol", "Ultisol", "Gleisol")

# What Python's foundation_smooth() makes of the cells of a map, a row a cell.
smoothed_in_python <- function(map, ...) {
  python <- reticulate::import("edaphos_bridge", convert = FALSE)
  cells <- aperm(terra::as.array(map), c(3, 1, 2))
  found <- reticulate::py_to_r(python$foundation_smooth(reticulate::np_array(cells), ...))
  if (length(dim(found)) == 2L) as.vector(t(found)) else matrix(aperm(found, c(3, 2, 1)), ncol = dim(found)[[1]])
}

test_that("probabilities are smoothed as Python smooths the array", {
  skip_if_no_python()
  map <- foundation_smooth(prob_map())
  expect_s4_class(map, "SpatRaster")
  expect_true(terra::compareGeom(map, soil_stack(), stopOnError = FALSE))
  expect_identical(terra::crs(map), terra::crs(soil_stack()))
  expect_identical(names(map), soil_names)
  expected <- smoothed_in_python(prob_map())
  expect_identical(sum(is.nan(expected[, 1])), 8L)
  expected[is.nan(expected)] <- NA
  expect_close(unname(cells_of(map)), expected, 1e-6)
  expect_false(isTRUE(all.equal(cells_of(map), cells_of(prob_map()))))
  how <- list(window = 5L, neigh_fraction = 0.4, smoothness = c(10, 20, 40))
  expected <- do.call(smoothed_in_python, c(list(prob_map()), how))
  expected[is.nan(expected)] <- NA
  for (block_size in c(16, 64)) {
    map <- do.call(foundation_smooth, c(list(prob_map(), "bay", block_size = block_size), how))
    expect_close(unname(cells_of(map)), expected, 1e-6)
  }
})

test_that("smoothness with names is that of the layers of these names", {
  skip_if_no_python()
  in_order <- foundation_smooth(prob_map(), smoothness = c(1, 20, 400))
  by_name <- foundation_smooth(prob_map(), smoothness = c(Gleisol = 400, Oxisol = 1, Ultisol = 20))
  expect_identical(cells_of(by_name), cells_of(in_order))
  expect_false(identical(cells_of(foundation_smooth(prob_map())), cells_of(in_order)))
})

test_that("the majority is a map of classes, with levels and colours", {
  skip_if_no_python()
  colours <- c(Gleisol = "blue", Oxisol = "red", Ultisol = "#00FF00")
  map <- foundation_smooth(prob_map(), method = "majority", window = 5, colours = colours)
  expect_identical(names(map), "class")
  expect_identical(terra::levels(map)[[1]], data.frame(ID = 1:3, class = soil_names))
  expect_identical(
    as.matrix(terra::coltab(map)[[1]])[, 2:4],
    cbind(red = c(255L, 0L, 0L), green = c(0L, 255L, 0L), blue = c(0L, 0L, 255L))
  )
  expected <- smoothed_in_python(prob_map(), "majority", window = 5L)
  expect_identical(as.vector(cells_of(map)), ifelse(expected == 0, NA, as.numeric(expected)))
  expect_false(identical(cells_of(map), cells_of(predict(map_fit(), soil_stack()))))
  expect_match(terra::describe(terra::sources(map)), "Type=Byte", all = FALSE)
  plain <- terra::coltab(foundation_smooth(prob_map(), "majority"))[[1]]
  expect_identical(plain$red, c(230L, 86L, 0L))
})

test_that("a path, paths, a raster in memory and stars give the map of the file", {
  skip_if_no_python()
  expected <- cells_of(foundation_smooth(prob_map(), window = 3))
  path <- terra::sources(prob_map())
  in_memory <- prob_map() * 1
  names(in_memory) <- soil_names
  for (x in list(path, in_memory)) {
    expect_identical(cells_of(foundation_smooth(x, window = 3)), expected)
  }
  skip_if_lacking("stars")
  of_stars <- stars::read_stars(path, proxy = FALSE)
  smoothed <- foundation_smooth(of_stars, window = 3)
  expect_s3_class(smoothed, "stars")
  expect_identical(names(smoothed), "prob")
  expect_identical(stars::st_get_dimension_values(smoothed, 3), soil_names)
  expect_close(matrix(as.vector(smoothed[[1]]), ncol = 3), unname(expected), 1e-6)
  classes <- foundation_smooth(of_stars, "majority")
  expect_identical(levels(classes[[1]]), soil_names)
  expect_identical(
    as.integer(classes[[1]]),
    as.integer(cells_of(foundation_smooth(prob_map(), "majority")))
  )
  proxy <- foundation_smooth(stars::read_stars(path, proxy = TRUE), "majority")
  expect_s3_class(proxy, "stars_proxy")
  expect_identical(as.vector(stars::st_as_stars(proxy)[[1]]), as.vector(classes[[1]]))
})

test_that("a map is written as predict() writes one: file, options, progress, Ctrl-C, resume", {
  skip_if_no_python()
  path <- withr::local_tempfile(fileext = ".tif")
  make <- function(...) {
    foundation_smooth(prob_map(), filename = path, block_size = 16, verbose = TRUE, ...)
  }
  left <- tryCatch(make(), message = function(condition) conditionMessage(condition))
  expect_match(left, "block 1/6")
  kept <- length(list.files(paste0(path, ".parts"), "npy$"))
  expect_gt(kept, 0)
  expect_false(file.exists(path))
  lines <- testthat::capture_messages(map <- make(wopt = list(gdal = "COMPRESS=LZW")))
  expect_match(lines[[1]], sprintf("block %d/6", kept + 1))
  expect_match(terra::describe(path), "COMPRESSION=LZW", all = FALSE)
  expect_identical(terra::sources(map), path)
  expect_identical(cells_of(map), cells_of(foundation_smooth(prob_map())))
  expect_refused(make(), "filename", "overwrite = TRUE", of = "foundation_smooth")
  expect_refused(
    foundation_smooth(path, filename = path, overwrite = TRUE), "filename", "of the raster itself",
    of = "foundation_smooth"
  )
})

test_that("what cannot be smoothed is refused by its name", {
  skip_if_no_python()
  refused <- function(code, argument, says) {
    expect_refused(code, argument, says, of = "foundation_smooth")
  }
  prob <- prob_map()
  refused(foundation_smooth(), "x", "is missing")
  refused(foundation_smooth(array(0.5, c(4, 4, 2))), "x", "terra::rast() makes a raster")
  refused(foundation_smooth(matrix(0.5, 4, 2)), "x", "found an array")
  refused(foundation_smooth(NULL), "x", "found NULL")
  refused(foundation_smooth("none.tif"), "x", "names no file")
  refused(foundation_smooth(prob[[1]]), "x", "a layer of probabilities for each of two classes")
  refused(foundation_smooth(soil_stack()), "x", "from 0 to 1, with a sum of 1")
  refused(foundation_smooth(prob, "median"), "method", "'majority'")
  refused(foundation_smooth(prob, window = 4), "window", "must be odd")
  refused(foundation_smooth(prob, window = NA), "window", "found NA")
  refused(foundation_smooth(prob, neigh_fraction = 0), "neigh_fraction", "found 0")
  refused(foundation_smooth(prob, neigh_fraction = 2), "neigh_fraction", "found 2")
  refused(foundation_smooth(prob, smoothness = 0), "smoothness", "found 0")
  refused(foundation_smooth(prob, smoothness = NULL), "smoothness", "found NULL")
  refused(foundation_smooth(prob, smoothness = 1:2), "smoothness", "3 classes")
  refused(foundation_smooth(prob, smoothness = c(1, NA, 2)), "smoothness", "finite")
  refused(foundation_smooth(prob, smoothness = c(Oxisol = 1)), "smoothness", "Gleisol; found Oxisol")
  refused(foundation_smooth(prob, smoothness = "much"), "smoothness", "much")
  refused(foundation_smooth(prob, "majority", colours = "red"), "colours", "3 classes")
  refused(foundation_smooth(prob, colours = c("red", "blue", "tan")), "colours", "'majority'")
  refused(foundation_smooth(prob, "majority", colours = c(a = "red")), "colours", "a")
  refused(foundation_smooth(prob, colours = 1:3), "colours", "found 1, 2, 3")
  refused(foundation_smooth(prob, wopt = list(datatype = "INT1U")), "wopt", "\"FLT4S\"")
  refused(foundation_smooth(prob, block_size = 8), "block_size", "found 8")
  refused(foundation_smooth(prob, client = 1), "client", "scheduler")
})
