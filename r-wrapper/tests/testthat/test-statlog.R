landsat <- function() {
  if (is.null(made$landsat)) {
    made$landsat <- statlog_landsat()
  }
  made$landsat
}

test_that("statlog_landsat() gives an integer array, a factor and a logical vector", {
  skip_if_no_python()
  data <- landsat()
  expect_named(data, c("x", "y", "train"))
  expect_type(data$x, "integer")
  expect_identical(dim(data$x), c(6435L, 4L, 3L, 3L))
  expect_false(anyNA(data$x))
  expect_s3_class(data$y, "factor")
  expect_length(data$y, 6435)
  expect_false(anyNA(data$y))
  expect_true(is.logical(data$train) && is.null(dim(data$train)))
})

test_that("the official split has 4435 training and 2000 test patches, class by class", {
  skip_if_no_python()
  data <- landsat()
  expect_identical(which(data$train), 1:4435)
  expect_identical(sum(!data$train), 2000L)
  expect_identical(
    levels(data$y),
    c(
      "red soil", "cotton crop", "grey soil", "damp grey soil", "vegetation stubble",
      "very damp grey soil"
    )
  )
  expect_identical(as.vector(table(data$y[data$train])), c(1072L, 479L, 961L, 415L, 470L, 1038L))
  expect_identical(as.vector(table(data$y[!data$train])), c(461L, 224L, 397L, 211L, 237L, 470L))
})

test_that("the first patch is the first line of the published file", {
  skip_if_no_python()
  # sat.trn, line 1: nine pixels in reading order, four bands each; class 3
  line <- c(
    92, 115, 120, 94, 84, 102, 106, 79, 84, 102, 102, 83, 101, 126, 133, 103, 92, 112, 118, 85,
    84, 103, 104, 81, 102, 126, 134, 104, 88, 121, 128, 100, 84, 107, 113, 87
  )
  published <- aperm(array(as.integer(line), c(4, 3, 3)), c(1, 3, 2))
  expect_identical(landsat()$x[1, , , ], published)
  expect_identical(as.character(landsat()$y[1]), "grey soil")
})

test_that("statlog_scene() marks what is unknown with NA", {
  skip_if_no_python()
  scene <- statlog_scene()
  expect_named(scene, c("image", "labels", "row", "classes"))
  expect_type(scene$image, "integer")
  expect_identical(dim(scene$image), c(4L, 82L, 100L))
  expect_identical(dim(scene$labels), c(82L, 100L))
  expect_identical(dim(scene$row), c(82L, 100L))
  expect_type(scene$labels, "integer")
  expect_type(scene$row, "integer")
  expect_identical(scene$classes, levels(landsat()$y))
  expect_true(anyNA(scene$image) && anyNA(scene$labels) && anyNA(scene$row))
  expect_true(all(scene$image >= 0, na.rm = TRUE))
  expect_setequal(scene$labels[!is.na(scene$labels)], 1:6)
})

test_that("a labelled pixel of the scene is the centre of its row's patch, with its label", {
  skip_if_no_python()
  data <- landsat()
  scene <- statlog_scene()
  placed <- which(!is.na(scene$row), arr.ind = TRUE)
  rows <- scene$row[placed]
  expect_identical(length(rows), 6434L)
  expect_identical(anyDuplicated(rows), 0L)
  expect_true(all(rows >= 1 & rows <= 6435))
  expect_identical(scene$labels[placed], as.integer(data$y)[rows])
  for (down in -1:1) {
    for (right in -1:1) {
      for (band in 1:4) {
        pixels <- cbind(band, placed[, "row"] + down, placed[, "col"] + right)
        expect_identical(scene$image[pixels], data$x[cbind(rows, band, down + 2L, right + 2L)])
      }
    }
  }
})

test_that("the patches go straight into a fit", {
  skip_if_no_python()
  data <- landsat()
  some <- seq(1, 4435, by = 40)
  fit <- foundation_fit_classifier(
    soil_encoder(), data$x[some, , , ], data$y[some],
    epochs = 2, seed = 1
  )
  expect_identical(fit$classes, levels(data$y))
})
