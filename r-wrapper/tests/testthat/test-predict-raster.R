stack <- function() soil_stack()
at_centres <- function(fit, x = soil_stack(), ...) {
  suppressMessages(predict(fit, x, coords = centres_of(soil_stack()), ...))
}

# --- what a map is -------------------------------------------------------------------------

test_that("a map of classes is the prediction at the centre of each cell, with levels and colours", {
  skip_if_no_python()
  fit <- map_fit()
  map <- predict(fit, stack())
  expect_s4_class(map, "SpatRaster")
  expect_true(terra::compareGeom(map, stack(), stopOnError = FALSE))
  expect_identical(terra::crs(map), terra::crs(stack()))
  expect_identical(names(map), "class")
  expect_identical(terra::levels(map)[[1]], data.frame(ID = 1:3, class = fit$classes))
  expected <- at_centres(fit)
  expect_identical(as.vector(cells_of(map)), as.numeric(expected))
  expect_identical(sum(is.na(expected)), 8L)
  expect_identical(
    as.matrix(terra::coltab(map)[[1]])[, 2:4],
    cbind(red = c(230L, 86L, 0L), green = c(159L, 180L, 158L), blue = c(0L, 233L, 115L))
  )
  expect_true(all(table(expected) > 0))
})

test_that("a map of a raster without a CRS has none, also where its numbers could be degrees", {
  skip_if_no_python()
  bare <- terra::crop(stack(), terra::ext(stack()))
  terra::crs(bare) <- ""
  terra::ext(bare) <- c(0, terra::ncol(bare), 0, terra::nrow(bare))
  map <- suppressWarnings(predict(map_fit(), bare))
  expect_identical(terra::crs(map), "")
  expect_true(terra::compareGeom(map, bare, stopOnError = FALSE))
})

test_that("a map of probabilities has a layer a class, of its name", {
  skip_if_no_python()
  fit <- map_fit()
  map <- predict(fit, stack(), type = "prob")
  expect_identical(names(map), fit$classes)
  expect_close(cells_of(map), at_centres(fit, type = "prob"), 1e-6)
})

test_that("several kinds of doubt go into one map", {
  skip_if_no_python()
  prob <- at_centres(map_fit(), type = "prob")
  map <- predict(map_fit(), stack(), type = c("entropy", "marg", "least_confidence"))
  highest <- t(apply(prob, 1, function(p) sort(p, decreasing = TRUE, na.last = TRUE)[1:2]))
  expected <- cbind(
    entropy = -rowSums(prob * log(prob)) / log(3), margin = 1 - (highest[, 1] - highest[, 2]),
    least_confidence = 1 - highest[, 1]
  )
  expect_close(cells_of(map), expected, 1e-6)
})

test_that("with a stride a cell has the value of the cell in its middle", {
  skip_if_no_python()
  for (stride in c(2, 4, 7)) {
    map <- predict(map_fit(), stack(), type = "prob", stride = stride)
    expect_identical(terra::res(map), c(10, 10) * stride)
    expect_identical(c(terra::xmin(map), terra::ymax(map)), c(500, 900))
    expect_identical(dim(map)[1:2], ceiling(c(30, 40) / stride))
    rows <- pmin(seq(0, by = stride, length.out = nrow(map)) + stride %/% 2 + 1, 30)
    cols <- pmin(seq(0, by = stride, length.out = ncol(map)) + stride %/% 2 + 1, 40)
    cells <- as.vector(t(outer((rows - 1) * 40, cols, "+")))
    expect_close(cells_of(map), at_centres(map_fit(), type = "prob")[cells, ], 1e-6)
  }
})

test_that("blocks change nothing", {
  skip_if_no_python()
  whole <- predict(map_fit(), stack(), type = "prob", block_size = 64)
  blocks <- predict(map_fit(), stack(), type = "prob", block_size = 16)
  expect_close(cells_of(blocks), cells_of(whole), 1e-6)
})

# --- of which fits -------------------------------------------------------------------------

test_that("a regressor maps its targets", {
  skip_if_no_python()
  map <- predict(map_fit("regressor"), stack())
  expect_identical(names(map), "response")
  expected <- at_centres(map_fit("regressor"))
  expect_close(as.vector(cells_of(map)), expected, 1e-6, size_of(expected))
  map <- predict(map_fit("regressor_of_two"), stack(), type = "response")
  expected <- at_centres(map_fit("regressor_of_two"))
  expect_identical(names(map), c("clay", "sand"))
  expect_close(cells_of(map), expected, 1e-6, size_of(expected))
})

test_that("a multi-label fit maps its labels, or their probabilities", {
  skip_if_no_python()
  fit <- map_fit("multilabel")
  map <- predict(fit, stack())
  expect_identical(names(map), c("crop", "water"))
  expect_identical(cells_of(map) == 1, at_centres(fit))
  expect_close(cells_of(predict(fit, stack(), type = "prob")), at_centres(fit, type = "prob"), 1e-6)
})

test_that("an ensemble maps mean and standard deviation, and what follows from mean probabilities", {
  skip_if_no_python()
  fit <- map_fit("ensemble")
  mean <- at_centres(fit, type = "mean")
  sd <- at_centres(fit, type = "sd")
  map <- predict(fit, stack())
  expect_identical(names(map), c(paste0(colnames(mean), "_mean"), paste0(colnames(mean), "_sd")))
  expect_close(unname(cells_of(map)), unname(cbind(mean, sd)), 1e-6)
  expect_close(unname(cells_of(predict(fit, stack(), "sd"))), unname(sd), 1e-6)
  classes <- predict(fit, stack(), type = "class")
  expect_identical(terra::levels(classes)[[1]]$class, colnames(mean))
  known <- !is.na(mean[, 1])
  expect_identical(cells_of(classes)[known], as.numeric(max.col(mean[known, ], "first")))
  expect_close(unname(cells_of(predict(fit, stack(), "prob"))), unname(mean), 1e-6)
  regressors <- predict(map_fit("ensemble_of_regressors"), stack(), stride = 4)
  expect_identical(names(regressors), c("clay_mean", "sand_mean", "clay_sd", "sand_sd"))
})

test_that("dropout maps mean and standard deviation of its draws, which come from the seed", {
  skip_if_no_python()
  draw <- function(...) {
    cells_of(foundation_mcdropout_predict(map_fit("dropping"), stack(), n_draws = 30, stride = 4, ...))
  }
  map <- draw(seed = 1)
  classes <- c("Oxisol", "Ultisol", "Gleisol")
  expect_identical(colnames(map), c(paste0(classes, "_mean"), paste0(classes, "_sd")))
  expect_close(unname(rowSums(map[, 1:3])), ifelse(is.na(map[, 1]), NA, 1), 1e-6)
  expect_true(all(map[, 4:6] > 0, na.rm = TRUE))
  expect_identical(draw(seed = 1), map)
  expect_false(identical(draw(seed = 2), map))
  drawn <- withr::with_seed(3, draw())
  expect_identical(withr::with_seed(3, draw()), drawn)
  expect_false(identical(withr::with_seed(4, draw()), drawn))
  expect_identical(colnames(draw(seed = 1, type = "entropy")), "entropy")
})

test_that("an encoder without normalisation takes that of a dataset, and is refused without one", {
  skip_if_no_python()
  x <- foundation_patches_at_coords(soil_tiles(), centres_of(stack())[c(90, 500, 900), ], stack())
  encoder <- foundation_encoder("moco", in_channels = 3, seed = 1)
  fit <- foundation_fit_classifier(encoder, x, c("a", "b", "a"), val_split = 0, epochs = 1, seed = 1)
  map <- predict(fit, stack(), type = "prob", dataset = soil_tiles(), stride = 5)
  expect_identical(names(map), c("a", "b"))
  expect_refused(predict(fit, stack()), "x", "Give a `dataset`", of = "predict")
})

# --- of which rasters ----------------------------------------------------------------------

test_that("a path, paths, a raster in memory, a lazy one and `newdata` give the map of the file", {
  skip_if_no_python()
  fit <- map_fit()
  expected <- cells_of(predict(fit, stack(), type = "prob"))
  path <- terra::sources(stack())
  in_memory <- stack() * 1
  names(in_memory) <- names(stack())
  parts <- vapply(1:3, function(band) {
    path <- withr::local_tempfile(fileext = ".tif", .local_envir = testthat::teardown_env())
    terra::writeRaster(stack()[[band]], path, datatype = "FLT8S")
    path
  }, "")
  before <- list.files(tempdir(), "^edaphosbridge-")
  for (x in list(path, parts, in_memory, stack()[[c(3, 1, 2)]])) {
    expect_identical(cells_of(predict(fit, x, type = "prob")), expected)
  }
  expect_identical(cells_of(predict(fit, newdata = path, type = "prob")), expected)
  expect_identical(list.files(tempdir(), "^edaphosbridge-"), before)
})

test_that("a file whose rows run from south to north gives a map with north up", {
  skip_if_no_python()
  values <- terra::as.array(stack())[30:1, , ]
  path <- write_tif(aperm(values, c(3, 1, 2)), c(10, 0, 500, 0, 10, 600))
  expect_warning(map <- predict(map_fit(), path, type = "prob"), "other names|named")
  expect_identical(cells_of(map), cells_of(predict(map_fit(), stack(), type = "prob")))
  expect_identical(as.vector(terra::ext(map)), as.vector(terra::ext(stack())))
})

test_that("a raster that is turned against its coordinates is refused", {
  skip_if_no_python()
  path <- write_tif(aperm(terra::as.array(stack()), c(3, 1, 2)), c(7, 7, 500, 7, -7, 900))
  expect_refused(predict(map_fit(), path), "x", "turned", of = "predict")
})

test_that("a stars object gives a stars object, a proxy a proxy", {
  skip_if_no_python()
  skip_if_lacking("stars")
  fit <- map_fit()
  expected <- at_centres(fit)
  of_file <- stars::read_stars(terra::sources(stack()), proxy = FALSE)
  map <- predict(fit, of_file)
  expect_s3_class(map, "stars")
  places <- function(map) lapply(stars::st_dimensions(map)[c("x", "y")], identity)
  expect_identical(places(map), places(of_file))
  expect_identical(names(map), "class")
  expect_identical(factor(as.vector(map[[1]]), fit$classes), expected)
  expect_identical(levels(map[[1]]), fit$classes)
  expect_identical(attr(map[[1]], "colors"), c("#e69f00", "#56b4e9", "#009e73"))
  prob <- predict(fit, of_file, type = "prob")
  expect_identical(names(prob), "prob")
  expect_identical(stars::st_get_dimension_values(prob, 3), fit$classes)
  expect_close(
    matrix(as.vector(prob[[1]]), ncol = 3, dimnames = list(NULL, fit$classes)),
    at_centres(fit, type = "prob"), 1e-6
  )
  attributes_of <- split(of_file, "band")
  expect_identical(predict(fit, attributes_of)[[1]], map[[1]])
  proxy <- predict(fit, stars::read_stars(terra::sources(stack()), proxy = TRUE))
  expect_s3_class(proxy, "stars_proxy")
  expect_identical(as.vector(stars::st_as_stars(proxy)[[1]]), as.vector(map[[1]]))
  times <- merge(c(of_file, of_file), name = "time")
  expect_refused(predict(fit, times), "x", "x, y, band, time", of = "predict")
  no_place <- stars::st_as_stars(array(1, c(2, 3, 4)))
  expect_refused(predict(fit, no_place), "x", "", of = "predict")
})

test_that("patches stay patches: arrays, files of them and tile datasets", {
  skip_if_no_python()
  fit <- map_fit()
  x <- foundation_patches_at_coords(soil_tiles(), centres_of(stack())[c(90, 500, 900), ], stack())
  expect_s3_class(predict(fit, x), "factor")
  expect_length(predict(fit, soil_tiles()), 40)
  path <- withr::local_tempfile(fileext = ".npy")
  numpy <- reticulate::import("numpy", convert = FALSE)
  numpy$save(path, reticulate::np_array(x))
  expect_identical(predict(fit, path), predict(fit, x))
  expect_refused(predict(fit, "no/such.zarr/x"), "x", "names no file", of = "predict")
})

# --- where a map goes ----------------------------------------------------------------------

test_that("without a filename a map is one of terra's temporary files", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  before <- terra::terraOptions(print = FALSE)$tempdir
  withr::defer(terra::terraOptions(tempdir = before))
  terra::terraOptions(tempdir = folder)
  map <- predict(map_fit(), stack(), stride = 4)
  path <- terra::sources(map)
  expect_identical(normalizePath(dirname(path)), normalizePath(folder))
  expect_true(basename(path) %in% basename(terra::tmpFiles()))
})

test_that("a filename is written, and replaced only if that is said", {
  skip_if_no_python()
  path <- withr::local_tempfile(fileext = ".tif")
  map <- predict(map_fit(), stack(), filename = path, stride = 4)
  expect_identical(terra::sources(map), path)
  written <- terra::rast(path)
  expect_identical(terra::levels(written)[[1]][[2]], map_fit()$classes)
  expect_refused(
    predict(map_fit(), stack(), filename = path), "filename", "overwrite = TRUE", of = "predict"
  )
  predict(map_fit(), stack(), filename = path, overwrite = TRUE, stride = 5)
  expect_identical(terra::res(terra::rast(path)), c(50, 50))
  expect_identical(list.files(dirname(path), paste0(basename(path), ".parts")), character())
})

test_that("wopt has options of GDAL, and what maps do not follow is refused", {
  skip_if_no_python()
  path <- withr::local_tempfile(fileext = ".tif")
  wopt <- list(gdal = "COMPRESS=LZW", filetype = "GTiff", datatype = "INT1U")
  predict(map_fit(), stack(), filename = path, wopt = wopt, stride = 4)
  expect_match(terra::describe(path), "COMPRESSION=LZW", all = FALSE)
  refused <- function(wopt, says) {
    expect_refused(predict(map_fit(), stack(), wopt = wopt), "wopt", says, of = "predict")
  }
  refused("COMPRESS=LZW", "found character")
  refused(list("COMPRESS=LZW"), "without names")
  refused(list(NAflag = 0), "`NAflag`")
  refused(list(names = "soil"), "names(map) <- ...")
  refused(list(filetype = "netCDF"), "netCDF")
  refused(list(datatype = "FLT8S"), "\"INT1U\"")
  refused(list(gdal = "LZW"), "COMPRESS=ZSTD")
  refused(list(gdal = "COMPRESS=NONESUCH"), "NONESUCH")
  refused(list(gdal = "TILED=YES"), "TILED")
})

test_that("colours are R's, by name or in the order of the classes", {
  skip_if_no_python()
  colours_of <- function(...) {
    table <- terra::coltab(predict(map_fit(), stack(), stride = 8, ...))[[1]]
    grDevices::rgb(table$red, table$green, table$blue, maxColorValue = 255)
  }
  in_order <- c("red", "#00FF00", "#0000ff80")
  expect_identical(colours_of(colours = in_order), c("#FF0000", "#00FF00", "#0000FF"))
  by_name <- c(Gleisol = "blue", Oxisol = "red", Ultisol = "green")
  expect_identical(colours_of(colours = by_name), c("#FF0000", "#00FF00", "#0000FF"))
  refused <- function(colours, says) {
    expect_refused(predict(map_fit(), stack(), colours = colours), "colours", says, of = "predict")
  }
  refused(c("red", "green"), "3 classes")
  refused(c(Oxisol = "red"), "Ultisol")
  refused(c("red", "green", "no such"), "no such")
  refused(1:3, "found 1, 2, 3")
})

# --- progress and Ctrl-C -------------------------------------------------------------------

map_lines <- function(code) {
  lines <- character()
  withCallingHandlers(code, message = function(condition) {
    lines <<- c(lines, conditionMessage(condition))
    invokeRestart("muffleMessage")
  })
  lines
}

test_that("verbose = TRUE reports blocks, rate and time left as messages", {
  skip_if_no_python()
  lines <- map_lines(predict(map_fit(), stack(), block_size = 16, verbose = TRUE))
  form <- "^\\[map\\] block [ 0-9]/6  [0-9.]+ blocks/s  [0-9]+:[0-9]{2}:[0-9]{2} left\n$"
  expect_match(lines, form)
  expect_match(lines[[1]], "block 1/6")
  expect_match(lines[[length(lines)]], "block 6/6")
  expect_silent(predict(map_fit(), stack(), stride = 4))
})

test_that("a handler may leave a map: finished blocks stay, and the same call goes on from them", {
  skip_if_no_python()
  path <- withr::local_tempfile(fileext = ".tif")
  make <- function(...) {
    predict(map_fit(), stack(), type = "prob", filename = path, block_size = 16, verbose = TRUE, ...)
  }
  left <- tryCatch(make(), message = function(condition) conditionMessage(condition))
  expect_match(left, "block 1/6")
  parts <- paste0(path, ".parts")
  kept <- length(list.files(parts, "npy$"))
  expect_gt(kept, 0)
  expect_false(file.exists(path))
  expect_refused(
    predict(map_fit(), stack(), filename = path, block_size = 16), "filename", "resume = FALSE",
    of = "predict"
  )
  lines <- map_lines(map <- make())
  expect_match(lines[[1]], sprintf("block %d/6", kept + 1))
  expect_identical(cells_of(map), cells_of(predict(map_fit(), stack(), type = "prob", block_size = 16)))
  expect_false(dir.exists(parts))
  tryCatch(make(overwrite = TRUE), message = identity)
  expect_match(map_lines(make(overwrite = TRUE, resume = FALSE))[[1]], "block 1/6")
})

test_that("a temporary map that is left leaves nothing", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  before <- terra::terraOptions(print = FALSE)$tempdir
  withr::defer(terra::terraOptions(tempdir = before))
  terra::terraOptions(tempdir = folder)
  tryCatch(predict(map_fit(), stack(), block_size = 16, verbose = TRUE), message = identity)
  expect_identical(list.files(folder), character())
})

test_that("Ctrl-C stops a map as an interrupt, and the session and the map go on", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  large <- file.path(folder, "large.tif")
  terra::writeRaster(terra::disagg(stack(), 40), large)
  process <- callr::r_bg(
    function(folder, large, fit, stack) {
      library(edaphosbridge)
      started <- function(condition) {
        file.create(file.path(folder, "started"))
        invokeRestart("muffleMessage")
      }
      map <- file.path(folder, "map.tif")
      outcome <- tryCatch(
        withCallingHandlers(
          {
            suppressWarnings(predict(fit, large, filename = map, block_size = 16, verbose = TRUE))
            "finished"
          },
          message = started
        ),
        interrupt = function(condition) "interrupt", error = conditionMessage
      )
      after <- predict(fit, stack, stride = 4)
      list(
        outcome = outcome, kept = length(list.files(paste0(map, ".parts"), "npy$")),
        is_there = file.exists(map), after = as.vector(terra::values(after))
      )
    },
    list(folder, large, map_fit(), terra::sources(stack())),
    env = fresh_environment(OMP_NUM_THREADS = "1"),
    supervise = TRUE
  )
  withr::defer(process$kill())
  until <- Sys.time() + 120
  while (!file.exists(file.path(folder, "started")) && process$is_alive() && Sys.time() < until) {
    Sys.sleep(0.05)
  }
  process$interrupt()
  process$wait(120000)
  found <- process$get_result()
  expect_identical(found$outcome, "interrupt")
  expect_gt(found$kept, 0)
  expect_lt(found$kept, 7500)
  expect_false(found$is_there)
  expect_identical(found$after, as.vector(terra::values(predict(map_fit(), stack(), stride = 4))))
})

# --- what is refused -----------------------------------------------------------------------

test_that("what cannot be mapped is refused by its name, in R's words", {
  skip_if_no_python()
  refused <- function(code, argument, says) expect_refused(code, argument, says, of = "predict")
  fit <- map_fit()
  refused(predict(fit, stack()[[1:2]]), "x", "3 bands")
  refused(predict(fit, "none.tif"), "x", "names no file")
  text <- withr::local_tempfile(lines = "no raster", fileext = ".tif")
  refused(predict(fit, text), "x", "cannot be opened as a raster")
  refused(predict(fit, terra::rast(nrows = 3, ncols = 3)), "x", "without values")
  refused(predict(map_fit("plain"), stack()), "x", "normalisation")
  refused(predict(fit, stack(), "response"), "type", "'class'")
  refused(predict(fit, stack(), c("class", "entropy")), "type", "'class' alone")
  refused(predict(map_fit("ensemble"), stack(), "members"), "type", "'mean'")
  refused(predict(map_fit("multilabel"), stack(), "label"), "type", "'class'")
  refused(predict(map_fit("multilabel"), stack(), threshold = 0.3), "threshold", "type = \"prob\"")
  refused(predict(fit, stack(), stride = 0), "stride", "found 0")
  refused(predict(fit, stack(), stride = NA), "stride", "found NA")
  refused(predict(fit, stack(), block_size = 8), "block_size", "found 8")
  refused(predict(fit, stack(), method = "sparse"), "method", "sparse")
  refused(predict(fit, stack(), overwrite = NA), "overwrite", "found NA")
  refused(predict(fit, stack(), resume = "no"), "resume", "no")
  refused(predict(fit, stack(), client = 1), "client", "scheduler")
  refused(predict(fit, stack(), filename = NA), "filename", "found logical")
  refused(predict(fit, stack(), filename = NA_character_), "filename", "found NA")
  refused(predict(fit, stack(), filename = c("a.tif", "b.tif")), "filename", "2 paths")
  refused(predict(fit, stack(), filename = "no/such/folder/map.tif"), "filename", "folder")
  refused(predict(fit, stack(), filename = tempfile()), "filename", "must end in .tif")
  refused(
    predict(fit, stack(), filename = terra::sources(stack()), overwrite = TRUE), "filename",
    "of the raster itself"
  )
  refused(predict(fit, stack(), strid = 2), "strid", "`stride`")
  dropping <- map_fit("dropping")
  of_draws <- function(code, argument, says) {
    expect_refused(code, argument, says, of = "foundation_mcdropout_predict")
  }
  of_draws(foundation_mcdropout_predict(dropping, stack(), n_draws = 1), "n_draws", "found 1")
  of_draws(foundation_mcdropout_predict(dropping, stack(), n_draws = NULL), "n_draws", "found NULL")
  of_draws(foundation_mcdropout_predict(fit, stack()), "n_draws", "dropout")
})

test_that("arguments of maps are refused with patches and with points, and maps where rows are needed", {
  skip_if_no_python()
  x <- foundation_patches_at_coords(soil_tiles(), centres_of(stack())[c(90, 500), ], stack())
  refused <- function(code, argument, of = "predict") {
    expect_refused(code, argument, "is for the map of a raster", of = of)
  }
  refused(predict(map_fit(), x, stride = 4), "stride")
  refused(predict(map_fit(), x, filename = "map.tif"), "filename")
  refused(predict(map_fit("regressor"), x, colours = "red"), "colours")
  refused(predict(map_fit(), stack(), coords = cbind(705, 755), verbose = TRUE), "verbose")
  refused(
    foundation_mcdropout_predict(map_fit("dropping"), x, type = "mean"), "type",
    of = "foundation_mcdropout_predict"
  )
  expect_refused(predict(map_fit(), x, type = "entropy"), "type", "'class'", of = "predict")
  for (task in c("classifier", "regressor", "multilabel")) {
    expect_refused(generics::augment(map_fit(task), stack()), "newdata", "`coords`", of = "augment")
  }
})

test_that("cells in other units than the pretraining's are told with the raster's name", {
  skip_if_no_python()
  other <- stack() * 1000
  names(other) <- names(stack())
  told <- function(code, says) expect_warning(code, says, class = "edaphosbridge_warning")
  told(predict(map_fit(), other, stride = 8), "`x` does not look like")
  coarse <- terra::aggregate(stack(), 2, na.rm = TRUE)
  told(predict(map_fit(), coarse, stride = 4), "cells of 20 x 20")
})
