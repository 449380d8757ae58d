measures <- c("entropy", "margin", "least_confidence")
doubt_of <- function(prob) {
  highest <- t(apply(prob, 1, function(p) sort(p, decreasing = TRUE, na.last = TRUE)[1:2]))
  cbind(
    entropy = -rowSums(ifelse(prob == 0, 0, prob * log(prob))) / log(ncol(prob)),
    margin = 1 - (highest[, 1] - highest[, 2]), least_confidence = 1 - highest[, 1]
  )
}
soil_prob <- function() suppressMessages(
  predict(map_fit(), soil_stack(), coords = centres_of(soil_stack()), type = "prob")
)

test_that("the doubt of rows is that of its definition, of a matrix and of a data frame", {
  skip_if_no_python()
  prob <- soil_prob()
  expected <- doubt_of(prob)
  for (measure in measures) {
    found <- foundation_uncertainty(prob, measure)
    expect_type(found, "double")
    expect_null(attributes(found))
    expect_close(found, expected[, measure], 1e-12)
    expect_identical(which(is.na(found)), which(is.na(prob[, 1])))
    expect_false(any(is.nan(found)))
    expect_identical(foundation_uncertainty(as.data.frame(prob), measure), found)
  }
  expect_identical(foundation_uncertainty(prob), foundation_uncertainty(prob, "entropy"))
  certain <- rbind(c(1, 0, 0), c(0.5, 0.5, 0), c(NA, 0.5, 0.5))
  expect_identical(foundation_uncertainty(certain, "marg"), c(0, 1, NA))
  expect_identical(foundation_uncertainty(certain[1, , drop = FALSE]), 0)
  expect_identical(foundation_uncertainty(matrix(0, 0, 3)), numeric())
})

test_that("the doubt of a map is that of its cells", {
  skip_if_no_python()
  prob <- predict(map_fit(), soil_stack(), type = "prob")
  for (measure in measures) {
    map <- foundation_uncertainty(prob, measure, block_size = 16)
    expect_identical(names(map), measure)
    expect_true(terra::compareGeom(map, soil_stack(), stopOnError = FALSE))
    expect_close(as.vector(cells_of(map)), foundation_uncertainty(cells_of(prob), measure), 1e-6)
    at_once <- predict(map_fit(), soil_stack(), type = measure)
    expect_close(cells_of(map), cells_of(at_once), 1e-6)
  }
  path <- withr::local_tempfile(fileext = ".tif")
  map <- foundation_uncertainty(terra::sources(prob), "margin", filename = path)
  expect_identical(terra::sources(map), path)
  expect_identical(cells_of(map), cells_of(foundation_uncertainty(prob, "margin")))
  skip_if_lacking("stars")
  for (proxy in c(FALSE, TRUE)) {
    x <- stars::read_stars(terra::sources(prob), proxy = proxy)
    of_stars <- foundation_uncertainty(x, "margin")
    expect_s3_class(of_stars, if (proxy) "stars_proxy" else "stars", exact = FALSE)
    expect_identical(names(of_stars), "margin")
    cells <- as.vector(stars::st_as_stars(of_stars)[[1]])
    expect_identical(replace(cells, is.nan(cells), NA), as.vector(cells_of(map)))
  }
})

test_that("bad input is refused by its name", {
  skip_if_no_python()
  refused <- function(code, argument, says) {
    expect_refused(code, argument, says, of = "foundation_uncertainty")
  }
  halves <- matrix(0.5, 4, 2)
  refused(foundation_uncertainty(), "x", "is missing")
  refused(foundation_uncertainty(NULL), "x", "found NULL")
  refused(foundation_uncertainty(factor("a")), "x", "a column for each class; found factor")
  refused(foundation_uncertainty(data.frame(a = "x", b = 1)), "x", "found character, numeric")
  refused(foundation_uncertainty(c(0.5, 0.5)), "x", "found c(2)")
  refused(foundation_uncertainty(array(0.5, c(2, 3, 3))), "x", "found c(2, 3, 3)")
  refused(foundation_uncertainty(halves[, 1, drop = FALSE]), "x", "two classes or more")
  refused(foundation_uncertainty(2 * halves), "x", "4 of 4 rows")
  refused(foundation_uncertainty(halves, "doubt"), "measure", "'margin'")
  refused(foundation_uncertainty(halves, filename = "a.tif"), "filename", "path of a raster.")
  refused(foundation_uncertainty(halves, verbose = TRUE), "verbose", "is for the map of a raster")
  refused(foundation_uncertainty(soil_stack()), "x", "from 0 to 1, with a sum of 1")
  refused(foundation_uncertainty(soil_stack()[[1]]), "x", "a layer of probabilities for each")
  refused(foundation_uncertainty("none.tif"), "x", "names no file")
  refused(foundation_uncertainty("none.npy"), "x", "found character")
})
