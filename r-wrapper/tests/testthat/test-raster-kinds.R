# Rasters of many kinds give the values that terra gives, as path and as SpatRaster.
north_up <- c(30, 0, 500000, 0, -30, 5399490)
degrees <- c(0.25, 0, 178, 0, -0.25, 10)
numbers <- function(bands = 2, rows = 8, columns = 10) {
  array(seq_len(bands * rows * columns), c(bands, rows, columns))
}

kinds <- list(
  "one row" = function() write_tif(numbers(rows = 2)[, 1, , drop = FALSE], north_up),
  "one column" = function() write_tif(numbers()[, , 1, drop = FALSE], north_up),
  "one band" = function() write_tif(numbers(1), north_up),
  "int16 with nodata" = function() write_tif(numbers() - 40, north_up, dtype = "int16", nodata = -20),
  "integers of 64 bits" = function() write_tif(numbers(), north_up, dtype = "int64", nodata = 4),
  "a huge nodata value" = function() {
    cells <- numbers()
    cells[, 3, 4] <- -3.4028234663852886e+38
    write_tif(cells, north_up, dtype = "float32", nodata = -3.4028234663852886e+38)
  },
  "NaN as nodata" = function() {
    cells <- numbers()
    cells[, 3, 4] <- NaN
    write_tif(cells, north_up, nodata = NaN)
  },
  "degrees across 180" = function() write_tif(numbers(), degrees, crs = "EPSG:4326"),
  "a custom CRS" = function() {
    write_tif(numbers(), north_up, crs = "+proj=laea +lat_0=-15 +lon_0=-50 +datum=WGS84 +units=m")
  },
  "overviews, tiled and compressed" = function() {
    write_tif(
      numbers(2, 70, 90), north_up,
      tiled = TRUE, blockxsize = 32L, blockysize = 32L,
      compress = "deflate", overviews = list(2, 4)
    )
  },
  "a cloud-optimised GeoTIFF" = function() {
    path <- tempfile(fileext = ".tif")
    source <- terra::rast(write_tif(numbers(2, 70, 90), north_up))
    terra::writeRaster(source, path, filetype = "COG", datatype = "FLT8S")
    path
  },
  "scale and offset" = function() {
    write_tif(
      numbers(), north_up,
      dtype = "int16", nodata = 7, scales = c(0.1, 2), offsets = c(-3, 1)
    )
  },
  "a palette" = function() {
    write_tif(numbers(1), north_up, dtype = "uint8", photometric = "palette", colours = 1:80)
  },
  "an alpha band" = function() {
    write_tif(numbers(4) %% 250, north_up, dtype = "uint8", photometric = "rgb", alpha = "yes")
  },
  "categories" = function() {
    path <- tempfile(fileext = ".tif")
    stack <- terra::rast(write_tif((numbers(1) %% 3) + 1, north_up))
    levels(stack) <- data.frame(value = 1:3, soil = c("Oxisol", "Ultisol", "Gleisol"))
    terra::writeRaster(stack, path, datatype = "INT1U")
    path
  },
  "a mosaic in a VRT" = function() {
    parts <- c(
      write_tif(numbers(), north_up), write_tif(numbers() + 500, north_up + c(0, 0, 300, 0, 0, 0))
    )
    path <- tempfile(fileext = ".vrt")
    terra::vrt(parts, path)
    path
  }
)

# Values of terra at points; codes of categories.
of_terra <- function(stack, points) {
  for (layer in seq_len(terra::nlyr(stack))) levels(stack[[layer]]) <- NULL
  values <- terra::values(stack)[terra::cellFromXY(stack, points), , drop = FALSE]
  values[is.nan(values)] <- NA
  unname(values)
}

# A cell that one band lacks is that band's mean; one that all lack is missing.
filled <- function(values, means) {
  some <- rowSums(!is.na(values)) > 0
  for (band in seq_along(means)) {
    values[some & is.na(values[, band]), band] <- means[[band]]
  }
  values
}

for (kind in names(kinds)) {
  local({
    kind <- kind
    test_that(paste("every cell has terra's value:", kind), {
      skip_if_no_python()
      path <- kinds[[kind]]()
      stack <- terra::rast(path)
      points <- terra::xyFromCell(stack, seq_len(terra::ncell(stack)))
      bands <- terra::nlyr(stack)
      dataset <- soil_tiles(write_tif(numbers(bands), north_up), normalise = FALSE, patch_size = 2)
      expected <- filled(of_terra(stack, points), dataset$means)
      expect_false(all(is.na(expected)))
      for (given in list(path, stack, stack * 1)) {
        found <- cells_under(points, given, dataset)
        expect_close(found, expected, 1e-6)
      }
    })
  })
}

# GDAL before 3.7, and terra with it, has no such numbers and shows -33 as 223.
test_that("int8 with a negative nodata value is read by Python as it is", {
  skip_if_no_python()
  path <- write_tif(numbers(1) - 40, north_up, dtype = "int8", nodata = -20)
  points <- terra::xyFromCell(terra::rast(path), 1:80)
  expected <- as.vector(t(numbers(1)[1, , ] - 40))
  expected[expected == -20] <- NA
  for (given in list(path, terra::rast(path))) {
    expect_equal(cells_under(points, given)[, 1], expected)
  }
})

# terra from 1.8 on makes R's integers of them, which have 32 bits.
test_that("large integers of 64 bits are read by Python as they are", {
  skip_if_no_python()
  path <- write_tif(numbers() * 2^34, north_up, dtype = "int64", nodata = 2^36)
  points <- terra::xyFromCell(terra::rast(path), 1:80)
  dataset <- soil_tiles(write_tif(numbers(), north_up), normalise = FALSE, patch_size = 2)
  expected <- sapply(1:2, function(band) as.vector(t(numbers()[band, , ])) * 2^34)
  expected <- filled(replace(expected, expected == 2^36, NA), dataset$means)
  for (given in list(path, terra::rast(path))) {
    expect_identical(cells_under(points, given, dataset), expected)
  }
})

test_that("the mask of a file is respected, which terra does not show", {
  skip_if_no_python()
  hidden <- numbers(1)[1, , ] %% 7 == 0
  path <- write_tif(numbers(1), north_up, dtype = "uint8", mask = !hidden)
  points <- terra::xyFromCell(terra::rast(path), 1:80)
  expected <- as.vector(t(replace(numbers(1)[1, , ], hidden, NA)))
  for (given in list(path, terra::rast(path))) {
    expect_equal(cells_under(points, given)[, 1], expected)
  }
})

test_that("points on the last edges belong to the last cells, as in terra", {
  skip_if_no_python()
  path <- write_tif(numbers(1), north_up)
  edges <- cbind(
    c(500300, 500300, 500000, 500015, 500300, 500300.1),
    c(5399490, 5399250, 5399250, 5399250, 5399265, 5399300)
  )
  expected <- unname(as.matrix(terra::extract(terra::rast(path), edges)))
  expect_equal(cells_under(edges, path), expected)
  expect_identical(is.na(expected[, 1]), c(rep(FALSE, 5), TRUE))
})

test_that("a raster behind an address is read over the network", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  path <- write_tif(numbers(), north_up, path = file.path(folder, "one.tif"))
  server <- callr::process$new(
    reticulate::py_exe(),
    c("-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", folder),
    stdout = "|"
  )
  withr::defer(server$kill())
  server$poll_io(20000)
  url <- regmatches(said <- server$read_output(), regexpr("http://[0-9.:]+", said))
  points <- terra::xyFromCell(terra::rast(path), 1:80)
  expected <- of_terra(terra::rast(path), points)
  for (name in paste0(c("/vsicurl/", ""), url, "/one.tif")) {
    expect_equal(cells_under(points, name), expected)
  }
  gone <- paste0("/vsicurl/", url, "/two.tif")
  expect_refused(foundation_tile_dataset(gone), "stack", "two.tif", "foundation_tile_dataset")
})

test_that("names of GDAL are taken as from Python", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  path <- write_tif(numbers(), north_up, path = file.path(folder, "one.tif"))
  zip <- file.path(folder, "one.zip")
  withr::with_dir(folder, utils::zip(zip, "one.tif", flags = "-q"))
  netcdf <- file.path(folder, "one.nc")
  suppressWarnings(terra::writeRaster(terra::rast(path), netcdf, filetype = "netCDF"))
  points <- terra::xyFromCell(terra::rast(path), 1:80)
  expected <- of_terra(terra::rast(path), points)
  expect_equal(cells_under(points, paste0("/vsizip/", zip, "/one.tif")), expected)
  expect_equal(cells_under(points, paste0("vrt://", path, "?bands=2")), expected[, 2, drop = FALSE])
  expect_equal(
    cells_under(points, sprintf("NETCDF:\"%s\":Band1", netcdf)), expected[, 1, drop = FALSE]
  )
  crossed <- to_raster(paste0("/vsizip/", zip, "/one.tif"), quote(f()))
  expect_identical(crossed$files[[1]]$path, paste0("/vsizip/", zip, "/one.tif"))
  expect_refused(
    foundation_tile_dataset(paste0("/vsizip/", zip, "/two.tif")), "stack", "two.tif",
    "foundation_tile_dataset"
  )
})
