# Numbers are held against naive references in Python, and here against CAST's definitions in R.

table_of <- function(n, seed, columns = c("clay", "ndvi", "slope")) {
  values <- withr::with_seed(seed, matrix(stats::rnorm(n * length(columns)), n))
  structure(values, dimnames = list(NULL, columns))
}

test_that("the index, the threshold and the density are those of CAST", {
  skip_if_no_python()
  train <- table_of(40, 1)
  new <- 2 * table_of(60, 2)
  weights <- c(1, 0.5, 2)
  folds <- rep(1:4, 10)
  known <- foundation_applicability(train, folds = folds, weights = weights)

  scaled <- scale(train)
  weighted <- sweep(scaled, 2, weights, "*")
  between <- as.matrix(stats::dist(weighted))
  unit <- mean(between[upper.tri(between)])
  di <- vapply(1:40, function(i) min(between[i, folds != folds[i]]) / unit, 0)
  threshold <- min(stats::quantile(di, 0.75) + 1.5 * stats::IQR(di), max(di))
  expect_close(known$mean_distance, unit, 1e-10)
  expect_close(known$train_di, di, 1e-10)
  expect_close(known$threshold, unname(threshold), 1e-10)

  ours <- sweep(
    scale(new, attr(scaled, "scaled:center"), attr(scaled, "scaled:scale")), 2, weights, "*"
  )
  to_train <- t(apply(ours, 1, function(case) sqrt(colSums((t(weighted) - case)^2)))) / unit
  found <- predict(known, new)
  expect_close(found$di, apply(to_train, 1, min), 1e-10)
  expect_identical(found$inside, apply(to_train, 1, min) <= threshold)
  expect_identical(found$lpd, as.integer(rowSums(to_train <= threshold)))
  expect_true(any(found$inside) && !all(found$inside))
})

test_that("a training row is at no distance, and missing values are NA", {
  skip_if_no_python()
  train <- table_of(20, 1)
  known <- foundation_applicability(train)
  expect_identical(predict(known, train)$di, numeric(20))
  train[3, 2] <- NA
  found <- predict(known, train)
  expect_identical(which(is.na(found$di)), 3L)
  expect_identical(which(is.na(found$inside)), 3L)
  expect_identical(which(is.na(found$lpd)), 3L)
})

test_that("columns and weights with names are found by them", {
  skip_if_no_python()
  train <- table_of(20, 1)
  weights <- c(slope = 3, clay = 1, ndvi = 0)
  known <- foundation_applicability(as.data.frame(train), weights = weights)
  plain <- foundation_applicability(unname(train), weights = c(1, 0, 3))
  expect_identical(known$threshold, plain$threshold)
  expect_identical(known$names, colnames(train))
  expect_null(plain$names)
  new <- table_of(5, 2)
  turned <- data.frame(other = 1, new[, 3:1])
  expect_identical(predict(known, turned), predict(plain, new))
})

test_that("of patches the predictors are the features of an encoder or a fit", {
  skip_if_no_python()
  folds <- rep(1:4, 12)
  features <- foundation_embed(soil_encoder(), soil_x)
  of_features <- suppressMessages(foundation_applicability(features, folds = folds))
  for (object in list(soil_encoder(), soil_fit())) {
    found <- suppressMessages(foundation_applicability(soil_x, object, folds = folds))
    expect_identical(found$threshold, of_features$threshold)
    expect_identical(predict(found, features)$di, numeric(48))
  }
})

test_that("folds are as in a cross-validation", {
  skip_if_no_python()
  train <- table_of(20, 1)
  known <- foundation_applicability(train, folds = rep(1:2, each = 10))
  of_rows <- foundation_applicability(train, folds = list(1:10, 11:20))
  expect_identical(of_rows$train_di, known$train_di)
  some <- foundation_applicability(train, folds = list(list(11:20, 1:4)))
  expect_identical(which(!is.na(some$train_di)), 1:4)
  expect_identical(which(!is.na(as.data.frame(some)$lpd)), 1:4)
})

test_that("it survives saveRDS(), and prints without Python", {
  skip_if_no_python()
  train <- table_of(20, 1)
  known <- foundation_applicability(train)
  file <- withr::local_tempfile()
  saveRDS(known, file)
  again <- readRDS(file)
  expect_identical(again, known)
  expect_identical(predict(again, train), predict(known, train))
  lines <- capture.output(print(again))
  expect_identical(lines, format(known))
  expect_identical(lines[[1]], "<edaphos_foundation_applicability>")
  expect_match(lines[[2]], "20, each compared with all others")
  expect_identical(
    as.data.frame(known),
    data.frame(
      di = known$train_di, inside = known$train_di <= known$threshold, lpd = known$train_lpd
    )
  )
})

test_that("one column and one case keep their dimensions", {
  skip_if_no_python()
  known <- foundation_applicability(matrix(c(1, 2, 4, 8)))
  expect_identical(predict(known, matrix(4))$di, 0)
  expect_identical(dim(known$train), c(4L, 1L))
})

test_that("columns with one value are left out with a message", {
  skip_if_no_python()
  train <- cbind(table_of(20, 1), alike = 5)
  expect_message(known <- foundation_applicability(train), "1 of 4 columns have one value only")
  expect_identical(unname(known$scale[4]), 0)
})

test_that("bad input is refused by its name", {
  skip_if_no_python()
  train <- table_of(20, 1)
  refused <- function(code, argument, says, of = "foundation_applicability") {
    expect_refused(code, argument, says, of = of)
  }
  refused(foundation_applicability(), "x", "is missing")
  refused(foundation_applicability(letters), "x", "found character")
  refused(foundation_applicability(data.frame(a = 1:2, b = c("x", "y"))), "x", "integer, character")
  refused(foundation_applicability(1:4), "x", "found c(4)")
  refused(foundation_applicability(soil_x), "x", "foundation_embed()")
  refused(foundation_applicability(replace(train, 2, NA)), "x", "first: 2; counted from 1")
  refused(foundation_applicability(soil_x, "moco"), "object", "found character")
  refused(foundation_applicability(train, folds = 1:3), "folds", "3 numbers")
  refused(foundation_applicability(train, folds = list(1:5, 5:9)), "folds", "first: 5;")
  refused(foundation_applicability(train, weights = 1:2), "weights", "each of the 3 columns")
  refused(foundation_applicability(train, weights = "much"), "weights", "found character")
  others <- c(clay = 1, ph = 1, ndvi = 1)
  refused(foundation_applicability(train, weights = others), "weights", "by its name")
  refused(foundation_applicability(train, fold = 1), "fold", "Did you mean `folds`?")
  known <- foundation_applicability(train)
  of_predict <- function(code, argument, says) refused(code, argument, says, "predict")
  of_predict(predict(known), "newdata", "is missing")
  of_predict(predict(known, train[, 1:2]), "newdata", "column")
  of_predict(predict(known, unname(train[, 1:2])), "newdata", "must have 3 columns")
  of_predict(predict(known, train, type = "di"), "type", "is no argument")
})

# --- maps ----------------------------------------------------------------------------------

known_of_soil <- function(...) {
  cells <- stats::na.omit(terra::values(soil_stack()))
  foundation_applicability(cells[seq(1, nrow(cells), 40), ], folds = rep_len(1:3, 30), ...)
}

test_that("a map has the index, the area and the density of its cells, called as by CAST", {
  skip_if_no_python()
  known <- known_of_soil()
  cells <- terra::values(soil_stack())
  expected <- predict(known, cells)
  map <- predict(known, soil_stack(), block_size = 16)
  expect_s4_class(map, "SpatRaster")
  expect_true(terra::compareGeom(map, soil_stack(), stopOnError = FALSE))
  expect_identical(names(map), c("DI", "AOA", "LPD"))
  found <- cells_of(map)
  expect_close(found[, "DI"], expected$di, 1e-6)
  expect_identical(found[, "AOA"], as.numeric(expected$inside))
  expect_identical(found[, "LPD"], as.numeric(expected$lpd))
  expect_identical(which(is.na(found[, "DI"])), which(!stats::complete.cases(cells)))
  expect_setequal(found[, "AOA"], c(0, 1, NA))
})

test_that("layers are found by name, or in order where the names are others", {
  skip_if_no_python()
  known <- known_of_soil()
  expected <- cells_of(predict(known, soil_stack()))
  more <- c(soil_stack()[[3]], soil_stack()[[1]] * 0, soil_stack()[[1:2]])
  names(more) <- c("slope", "other", "clay", "ndvi")
  expect_identical(cells_of(predict(known, more)), expected)
  others <- soil_stack()
  names(others) <- c("a", "b", "c")
  expect_warning(in_order <- predict(known, others), "`newdata` (a, b, c) have other names", fixed = TRUE)
  expect_identical(cells_of(in_order), expected)
})

test_that("of embeddings the raster is that of foundation_embed_raster()", {
  skip_if_no_python()
  embedded <- foundation_embed_raster(tile_fit(), soil_stack(), stride = 2)
  features <- foundation_embed(tile_fit(), foundation_patches_at_coords(
    tile_fit(), centres_of(soil_stack())[c(1, 90, 333, 700, 900, 1100), ], soil_stack()
  ))
  known <- suppressMessages(foundation_applicability(features))
  found <- cells_of(predict(known, embedded))
  expected <- predict(known, terra::values(embedded))
  expect_close(found[, "DI"], expected$di, 1e-6, size_of(expected$di))
})

test_that("a path gives a SpatRaster, a stars object a stars object, a proxy a proxy", {
  skip_if_no_python()
  known <- known_of_soil()
  expected <- cells_of(predict(known, soil_stack()))
  path <- withr::local_tempfile(fileext = ".tif")
  map <- predict(known, terra::sources(soil_stack()), filename = path)
  expect_identical(terra::sources(map), path)
  expect_identical(cells_of(map), expected)
  skip_if_lacking("stars")
  for (proxy in c(FALSE, TRUE)) {
    map <- predict(known, stars::read_stars(terra::sources(soil_stack()), proxy = proxy))
    expect_s3_class(map, if (proxy) "stars_proxy" else "stars")
    expect_identical(names(map), "applicability")
    expect_identical(stars::st_get_dimension_values(map, 3), c("DI", "AOA", "LPD"))
    cells <- matrix(as.vector(stars::st_as_stars(map)[[1]]), ncol = 3)
    expect_identical(replace(cells, is.nan(cells), NA), unname(expected))
  }
})

test_that("another model does not go on from the blocks of a map that was left", {
  skip_if_no_python()
  path <- withr::local_tempfile(fileext = ".tif")
  make <- function(known) {
    predict(known, soil_stack(), filename = path, block_size = 16, verbose = TRUE)
  }
  left <- tryCatch(make(known_of_soil()), message = conditionMessage)
  expect_match(left, "block 1/6")
  other <- known_of_soil(weights = c(1, 1, 2))
  expect_refused(make(other), "filename", "resume = FALSE", of = "predict")
  lines <- testthat::capture_messages(make(known_of_soil()))
  expect_no_match(lines[[1]], "block 1/6")
})

test_that("what is not for a map, and what is not for rows, is refused", {
  skip_if_no_python()
  refused <- function(code, argument, says) expect_refused(code, argument, says, of = "predict")
  known <- known_of_soil()
  refused(predict(known, soil_stack()[[1:2]]), "newdata", "3 predictors")
  refused(predict(known, "none.tif"), "newdata", "names no file")
  refused(predict(known, terra::rast(nrows = 3, ncols = 3)), "newdata", "without values")
  refused(predict(known, soil_stack(), filename = NA), "filename", "found logical")
  refused(predict(known, soil_stack(), stride = 2), "stride", "is no argument")
  refused(predict(known, soil_stack(), wopt = list(datatype = "INT1U")), "wopt", "\"FLT4S\"")
  rows <- terra::values(soil_stack())
  refused(predict(known, rows, filename = "a.tif"), "filename", "is for the map of a raster")
  refused(predict(known, rows, block_size = 16), "block_size", "is for the map of a raster")
})

test_that("columns of other names are left out, whatever they hold", {
  skip_if_no_python()
  known <- foundation_applicability(table_of(20, 1))
  new <- table_of(5, 2)
  found <- predict(known, new)
  expect_identical(predict(known, data.frame(id = letters[1:5], new[, c(3, 1, 2)])), found)
  expect_identical(predict(known, cbind(id = 1:5, new)), found)
  lacking <- data.frame(id = letters[1:5], new[, 1:2])
  expect_error(predict(known, lacking), class = "edaphosbridge_input_error")
})
