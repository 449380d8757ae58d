# Two bands of 7 rows and 9 columns of 30 m on the same ground; rows and columns of the file run in
# the directions of its transform.
rows <- 7
columns <- 9
north_up <- c(30, 0, 500000, 0, -30, 5399490)
orientations <- list(
  "north up" = north_up,
  "rows flipped" = c(30, 0, 500000, 0, 30, 5399490 - 30 * rows),
  "columns flipped" = c(-30, 0, 500000 + 30 * columns, 0, -30, 5399490),
  "both flipped" = c(-30, 0, 500000 + 30 * columns, 0, 30, 5399490 - 30 * rows)
)
turned <- c(20, 10, 500000, 10, -20, 5399490)

cells <- array(seq_len(2 * rows * columns), c(2, rows, columns))
centres <- as.matrix(expand.grid(row = seq_len(rows), column = seq_len(columns))) - 0.5
expected <- t(vapply(seq_len(nrow(centres)), function(i) {
  cells[, centres[i, 1] + 0.5, centres[i, 2] + 0.5]
}, numeric(2)))

# Coordinates of the cells of a file by affine arithmetic.
places <- function(transform) {
  cbind(
    transform[[1]] * centres[, 2] + transform[[2]] * centres[, 1] + transform[[3]],
    transform[[4]] * centres[, 2] + transform[[5]] * centres[, 1] + transform[[6]]
  )
}

# A virtual raster of the two bands of a file, with a transform of its own; GDAL's order.
vrt_of <- function(path, transform) {
  c(
    sprintf("<VRTDataset rasterXSize=\"%d\" rasterYSize=\"%d\">", columns, rows),
    "<SRS>EPSG:32723</SRS>",
    sprintf(
      "<GeoTransform>%s</GeoTransform>",
      paste(format(transform[c(3, 1, 2, 6, 4, 5)], digits = 15, trim = TRUE), collapse = ", ")
    ),
    sprintf(
      paste0(
        "<VRTRasterBand dataType=\"Float64\" band=\"%d\"><SimpleSource><SourceFilename>%s",
        "</SourceFilename><SourceBand>%d</SourceBand></SimpleSource></VRTRasterBand>"
      ),
      1:2, path, 1:2
    ),
    "</VRTDataset>"
  )
}

of_terra <- function(stack, points) unname(as.matrix(terra::extract(stack, points)))

# terra 1.8 shows the rows of a file that runs from south to north mirrored, and so is what it computes
# from one; 1.7 does not.
mirrored <- expected[matrix(seq_len(rows * columns), rows)[rows:1, ], ]
terra_mirrors <- function() {
  stack <- terra::rast(write_tif(cells, orientations[["rows flipped"]]))
  !isTRUE(all.equal(of_terra(stack, places(orientations[["rows flipped"]])), expected))
}

test_that("every point has the value that its file has there, whatever way the file runs", {
  skip_if_no_python()
  for (name in names(orientations)) {
    path <- write_tif(cells, orientations[[name]])
    points <- places(orientations[[name]])
    expect_equal(cells_under(points, path), expected, label = paste(name, "as path"))
    stack <- terra::rast(path)
    expect_equal(cells_under(points, stack), expected, label = paste(name, "as SpatRaster"))
    layer <- cells_under(points, stack[[2]])
    expect_equal(layer, expected[, 2, drop = FALSE], label = paste(name, "as one layer"))
    computed <- if (orientations[[name]][[5]] > 0 && terra_mirrors()) mirrored else expected
    expect_equal(cells_under(points, stack * 1), computed, label = paste(name, "in memory"))
  }
})

test_that("a raster with flipped rows is right, also cropped and as VRT; so is a window", {
  skip_if_no_python()
  path <- write_tif(cells, orientations[["rows flipped"]])
  stack <- terra::rast(path)
  points <- places(orientations[["rows flipped"]])
  expect_equal(cells_under(points, stack), expected)

  part <- terra::ext(500030, 500180, 5399340, 5399460)
  inside <- points[, 1] > 500030 & points[, 1] < 500180 & points[, 2] > 5399340 & points[, 2] < 5399460
  cropped <- terra::crop(stack, part)
  computed <- if (terra_mirrors()) mirrored else expected
  expect_equal(cells_under(points[inside, ], cropped), computed[inside, ])
  north <- terra::rast(write_tif(cells[, rows:1, ], north_up))
  terra::window(north) <- part
  expect_equal(cells_under(points[inside, ], north), expected[inside, ])

  vrt <- withr::local_tempfile(fileext = ".vrt")
  writeLines(vrt_of(path, orientations[["rows flipped"]]), vrt)
  expect_equal(cells_under(points, vrt), expected)
  expect_equal(cells_under(points, terra::rast(vrt)), expected)
})

test_that("a file with flipped rows that terra would have to read is refused, with what turns it", {
  skip_if_no_python()
  skip_if_lacking("sf")
  path <- write_tif(cells, orientations[["rows flipped"]])
  part <- terra::ext(500030, 500180, 5399340, 5399460)
  flagged <- terra::rast(path)
  window <- terra::rast(path)
  terra::window(window) <- part
  terra::NAflag(flagged) <- 7
  for (stack in list(window, flagged, c(terra::rast(path), terra::rast(path) * 1))) {
    expect_refused(
      foundation_tile_dataset(stack, 2, 1), "stack", c("from south to north", path, "gdal_utils"),
      "foundation_tile_dataset"
    )
  }
  turned <- withr::local_tempfile(fileext = ".tif")
  sf::gdal_utils("warp", path, turned, quiet = TRUE)
  points <- places(orientations[["rows flipped"]])
  inside <- points[, 1] > 500030 & points[, 1] < 500180 & points[, 2] > 5399340 & points[, 2] < 5399460
  for (stack in list(terra::rast(turned) * 1, terra::crop(terra::rast(turned), part))) {
    expect_equal(cells_under(points[inside, ], stack), expected[inside, ])
  }
})

test_that("files that run in different ways make one stack", {
  skip_if_no_python()
  flip <- function(transform) {
    down <- if (transform[[5]] > 0) rev(seq_len(rows)) else seq_len(rows)
    right <- if (transform[[1]] < 0) rev(seq_len(columns)) else seq_len(columns)
    cells[, down, right, drop = FALSE]
  }
  paths <- vapply(orientations, function(t) write_tif(flip(t), t), "")
  points <- places(north_up)
  for (one in 1:4) {
    for (other in setdiff(1:4, one)) {
      both <- unname(paths[c(one, other)])
      if ((one > 2) == (other > 2)) {
        expect_equal(cells_under(points, both), cbind(expected, expected))
      } else { # to terra columns from east to west are another extent
        expect_refused(
          foundation_tile_dataset(both), "stack", "extents do not match", "foundation_tile_dataset"
        )
      }
    }
  }
  for (order in list(1:2, 2:1)) {
    both <- paths[order]
    expect_equal(cells_under(points, both), cbind(expected, expected))
    stack <- c(terra::rast(both[[1]])[[2]], terra::rast(both[[2]]))
    expect_equal(cells_under(points, stack), cbind(expected[, 2], expected))
  }
})

test_that("datasets of the same ground are equal whatever way their file runs", {
  skip_if_no_python()
  one <- soil_tiles(write_tif(cells, north_up), patch_size = 3)
  flipped <- write_tif(cells[, rows:1, ], orientations[["rows flipped"]])
  other <- soil_tiles(flipped, patch_size = 3)
  expect_identical(other$cells, one$cells)
  expect_identical(other$sample(9, seed = 1), one$sample(9, seed = 1))
})

test_that("without georeference coordinates are terra's", {
  skip_if_no_python()
  path <- write_tif(cells, NULL, crs = NULL)
  points <- places(c(1, 0, 0, 0, -1, rows))
  vrt <- withr::local_tempfile(fileext = ".vrt")
  writeLines(vrt_of(path, c(1, 0, 0, 0, 1, 0)), vrt) # which terra turns round
  for (file in c(path, vrt)) {
    stack <- suppressWarnings(terra::rast(file))
    of_terra <- unname(as.matrix(terra::extract(stack, points)))
    expect_false(anyNA(of_terra))
    expect_equal(cells_under(points, file), of_terra)
    expect_equal(cells_under(points, stack), of_terra)
  }
})

test_that("a turned file is refused with what turns it", {
  skip_if_no_python()
  path <- write_tif(cells, turned)
  stack <- suppressWarnings(terra::rast(path))
  dataset <- soil_tiles(write_tif(cells, north_up), patch_size = 3)
  for (given in list(path, stack, stack[[1]])) {
    expect_refused(foundation_tile_dataset(given, 3, 5), "stack", "rectify", "foundation_tile_dataset")
  }
  for (given in list(path, stack)) {
    expect_refused(
      foundation_patches_at_coords(dataset, cbind(500000, 5399490), given),
      "stack", "rectify", "foundation_patches_at_coords"
    )
  }
  right <- terra::rectify(stack, method = "near")
  points <- places(turned)[17:20, ]
  of_terra <- unname(as.matrix(terra::extract(right, points)))
  expect_equal(cells_under(points, right), of_terra)
})

test_that("a stars object is the raster that it was read from", {
  skip_if_no_python()
  skip_if_lacking("stars")
  for (name in c("north up", "rows flipped")) {
    path <- write_tif(cells, orientations[[name]])
    points <- places(orientations[[name]])
    for (proxy in c(FALSE, TRUE)) {
      stack <- stars::read_stars(path, proxy = proxy)
      expect_equal(cells_under(points, stack), expected, label = paste(name, proxy))
    }
  }
  irregular <- stars::read_stars(write_tif(cells, turned))
  expect_refused(
    foundation_tile_dataset(irregular), "stack", "cannot be opened", "foundation_tile_dataset"
  )
})
