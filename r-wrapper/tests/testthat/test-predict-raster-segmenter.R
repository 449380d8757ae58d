# Maps of segmenters: what Python makes of the same file, as terra and stars have it.

stack <- function() soil_stack()
soils <- c("Oxisol", "Ultisol", "Gleisol")

# The map that Python makes, a matrix (cells, layers), row by row; NA without data.
map_of_python <- function(fit, type) {
  python <- reticulate::import("edaphos_bridge", convert = FALSE)
  bytes <- reticulate::import_builtins()$bytes
  theirs <- if (inherits(fit, "edaphosbridge_ensemble")) {
    python$FoundationEnsemble(lapply(fit$members, function(member) {
      python$FoundationFit$from_bytes(bytes(member$state))
    }))
  } else {
    python$FoundationFit$from_bytes(bytes(fit$state))
  }
  map <- python$foundation_predict_raster(theirs, terra::sources(stack()), type = as.list(type))
  values <- reticulate::py_to_r(map$values)
  found <- matrix(aperm(values, c(3, 2, 1)), ncol = dim(values)[[1]])
  if (identical(type, "class")) found[found == 0] <- NA
  found[is.nan(found)] <- NA
  storage.mode(found) <- "double"
  found
}

test_that("a map of classes has levels and colours, and is Python's", {
  skip_if_no_python()
  map <- predict(map_fit("segmenter"), stack())
  expect_s4_class(map, "SpatRaster")
  expect_true(terra::compareGeom(map, stack(), stopOnError = FALSE))
  expect_identical(names(map), "class")
  expect_identical(terra::levels(map)[[1]], data.frame(ID = 1:3, class = soils))
  expect_identical(nrow(terra::coltab(map)[[1]]), 3L)
  expected <- map_of_python(map_fit("segmenter"), "class")
  expect_identical(unname(cells_of(map)), expected)
  expect_identical(sum(is.na(expected)), 8L)
  expect_identical(sort(unique(as.vector(expected))), c(1, 2, 3))
  painted <- predict(map_fit("segmenter"), stack(), colours = c("red", "green", "blue"))
  expect_identical(terra::coltab(painted)[[1]]$red, c(255L, 0L, 0L))
})

test_that("maps of probabilities and doubt are Python's, whatever the blocks", {
  skip_if_no_python()
  types <- c("prob", "entropy", "margin", "least_confidence")
  map <- predict(map_fit("segmenter"), stack(), type = types)
  expect_identical(names(map), c(soils, types[-1]))
  expect_close(unname(cells_of(map)), map_of_python(map_fit("segmenter"), types), 1e-6)
  blocks <- predict(map_fit("segmenter"), stack(), type = types, block_size = 16)
  expect_close(cells_of(blocks), cells_of(map), 1e-6)
  prob <- cells_of(map)[, 1:3]
  classes <- cells_of(predict(map_fit("segmenter"), stack()))
  known <- !is.na(prob[, 1])
  expect_identical(as.vector(classes)[known], as.numeric(max.col(prob[known, ], "first")))
})

test_that("an ensemble maps mean and standard deviation of its members", {
  skip_if_no_python()
  ensemble <- map_fit("ensemble_of_segmenters")
  map <- predict(ensemble, stack())
  expect_identical(names(map), c(paste0(soils, "_mean"), paste0(soils, "_sd")))
  expect_close(unname(cells_of(map)), map_of_python(ensemble, c("mean", "sd")), 1e-6)
  classes <- predict(ensemble, stack(), type = "class")
  expect_identical(terra::levels(classes)[[1]]$class, soils)
})

test_that("a path and stars give what they give of other fits", {
  skip_if_no_python()
  skip_if_lacking("stars")
  fit <- map_fit("segmenter")
  expected <- cells_of(predict(fit, stack()))
  expect_identical(cells_of(predict(fit, terra::sources(stack()))), expected)
  map <- predict(fit, stars::read_stars(terra::sources(stack()), proxy = FALSE))
  expect_s3_class(map, "stars")
  expect_identical(levels(map[[1]]), soils)
  expect_identical(as.vector(as.integer(map[[1]])), as.integer(expected))
})

test_that("at points a patch around each gets its mask", {
  skip_if_no_python()
  fit <- map_fit("segmenter")
  points <- rbind(c(605, 705), c(745, 795), c(0, 0))
  masks <- suppressMessages(predict(fit, stack(), coords = points))
  expect_identical(dim(masks), c(3L, 5L, 5L))
  expect_identical(attr(masks, "levels"), soils)
  expect_true(all(is.na(masks[3, , ])) && !anyNA(masks[1:2, , ]))
  x <- foundation_patches_at_coords(soil_tiles(), points[1:2, ], stack())
  expect_identical(masks[1:2, , ], predict(fit, x)[1:2, , ])
})

test_that("what maps of segmenters have not is refused", {
  skip_if_no_python()
  fit <- map_fit("segmenter")
  refused <- function(code, argument, says) expect_refused(code, argument, says, of = "predict")
  refused(predict(fit, stack(), stride = 2), "stride", "is no argument")
  refused(predict(fit, stack(), method = "dense"), "method", "is no argument")
  refused(predict(fit, stack(), type = "response"), "type", "'least_confidence'")
  refused(predict(fit, stack(), type = c("class", "prob")), "type", "'class' alone")
  refused(predict(fit, stack(), colours = "red"), "colours", "3 classes")
  refused(predict(map_fit("ensemble_of_segmenters"), stack(), stride = 2), "stride", "not for segmenters")
  expect_refused(
    foundation_mcdropout_predict(fit, stack(), n_draws = 3), "n_draws", "not for segmenters",
    of = "foundation_mcdropout_predict"
  )
})
