local_device <- function(frame = parent.frame()) {
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off(), frame)
}

fake_interpretation <- function() {
  classes <- c("a", "b")
  actual <- factor(c("a", "a", "b", "b"), classes)
  probabilities <- matrix(c(0.9, 0.2, 0.4, 0.3, 0.1, 0.8, 0.6, 0.7), 4, dimnames = list(NULL, classes))
  of_actual <- c(0.9, 0.2, 0.6, 0.7)
  structure(list(
    kind = "classification", classes = classes, actual = actual,
    predicted = factor(c("a", "b", "b", "b"), classes), probabilities = probabilities,
    loss = -log(of_actual), picture_rows = c(2L, 3L, 4L, 1L),
    patches = array(seq_len(4 * 3 * 6) / 72, c(4, 3, 2, 3)),
    confusion = matrix(c(1L, 0L, 1L, 2L), 2, dimnames = list(actual = classes, predicted = classes)),
    reliability = data.frame(
      low = c(0, 0.5), high = c(0.5, 1), n = c(0L, 4L), confidence = c(NA, 0.75), accuracy = c(NA, 0.5)
    )
  ), class = c("edaphosbridge_interpretation", "edaphosbridge_result"))
}

fake_regression <- function() {
  structure(list(
    kind = "regression", targets = c("ph", "clay"), loss = c(0.5, 2, 0.1),
    actual = matrix(c(5, 6, 7, 10, 20, 30), 3), predicted = matrix(c(5.5, 8, 7.1, 11, 25, 30), 3),
    picture_rows = c(2L, 1L), patches = array(1:8, c(2, 1, 2, 2))
  ), class = c("edaphosbridge_interpretation", "edaphosbridge_result"))
}

test_that("plot() draws each kind, returns the result invisibly and leaves par()", {
  local_device()
  graphics::plot(1)
  before <- graphics::par(no.readonly = TRUE)
  kept <- setdiff(names(before), c("usr", "xaxp", "yaxp", "pin", "plt", "fig", "mfg"))
  found <- fake_interpretation()
  for (which in c("confusion", "reliability", "top_losses")) {
    result <- withVisible(plot(found, which, k = 3))
    expect_identical(result, list(value = found, visible = FALSE))
    expect_identical(graphics::par(no.readonly = TRUE)[kept], before[kept])
  }
  for (which in c("predictions", "top_losses")) {
    expect_identical(plot(fake_regression(), which, k = 2), fake_regression())
    expect_identical(graphics::par(no.readonly = TRUE)[kept], before[kept])
  }
  named <- fake_regression()$targets[[1]]
  expect_identical(plot(fake_regression(), target = named), fake_regression())
  expect_refused(
    plot(fake_regression(), target = "no"), "target", paste("must be one of", named),
    of = "plot.edaphosbridge_interpretation"
  )
})

test_that("long titles of pictures are broken, short ones are not", {
  expect_identical(broken("a / b\n0.1 / 0.9"), "a / b\n0.1 / 0.9")
  long <- "very damp grey soil / red soil\n0.1 / 0.9"
  expect_identical(broken(long), "very damp grey soil /\nred soil\n0.1 / 0.9")
})

test_that("autoplot() shows counts, bins and pictures", {
  skip_if_lacking("ggplot2")
  found <- fake_interpretation()
  counts <- ggplot2::layer_data(ggplot2::autoplot(found), 2)
  expect_identical(counts$label, c("1", "0", "1", "2"))
  # rows are actual, the first on top
  expect_equal(as.numeric(counts$x), c(1, 1, 2, 2))
  expect_equal(as.numeric(counts$y), c(2, 1, 2, 1))
  disc <- ggplot2::layer_data(ggplot2::autoplot(found, "reliability"), 2)
  expect_equal(c(disc$x, disc$y), c(0.75, 0.5))
  pictures <- ggplot2::autoplot(found, "top_losses", k = 2, bands = c(3, 2, 1), stretch = "none")
  cells <- pictures$data[pictures$data$picture == 1 & pictures$data$row == 2 & pictures$data$column == 3, ]
  expect_identical(cells$colour, grDevices::rgb(
    found$patches[1, 3, 2, 3], found$patches[1, 2, 2, 3], found$patches[1, 1, 2, 3]
  ))
  titles <- loss_titles(found, 2)
  expect_identical(titles, c("b / a\n1.61 / 0.20", "b / b\n0.51 / 0.60"))
  points <- ggplot2::layer_data(ggplot2::autoplot(fake_regression(), target = 2), 2)
  expect_equal(c(points$x, points$y), c(10, 20, 30, 11, 25, 30))
  expect_identical(loss_titles(fake_regression(), 1), "8, 25 / 6, 20\n2")
})

test_that("a band is stretched from its 2nd to its 98th percentile over all patches", {
  patches <- withr::with_seed(1, array(stats::rnorm(3 * 4 * 30), c(3, 4, 5, 6)))
  shown <- pictures_of(patches, c(4, 1, 2), "percent", NULL)
  expect_identical(dim(shown), c(3L, 5L, 6L, 3L))
  ends <- stats::quantile(patches[, 4, , ], c(0.02, 0.98), names = FALSE)
  expected <- pmin(pmax((patches[, 4, , ] - ends[[1]]) / diff(ends), 0), 1)
  expect_close(shown[, , , 1], expected, 1e-12)
  expect_identical(range(pictures_of(patches, NULL, "minmax", NULL)), c(0, 1))
  grey <- pictures_of(patches, 3, "none", NULL)
  expect_identical(grey[, , , 1], grey[, , , 3])
  expect_true(all(pictures_of(array(7, dim(patches)), 1, "percent", NULL) == 0))
})

test_that("pictures that are not there are refused", {
  local_device()
  refused <- function(code, argument, says, of = "plot.edaphosbridge_interpretation") {
    condition <- expect_error(code, says, class = "edaphosbridge_input_error", fixed = TRUE)
    expect_identical(condition$argument, argument)
  }
  found <- fake_interpretation()
  refused(plot(found, "roc"), "which", "\"confusion\" or \"reliability\" or \"top_losses\"")
  refused(plot(found, "top_losses", k = 5), "k", "at most 4")
  refused(plot(found, "top_losses", k = 0), "k", "positive whole number")
  refused(plot(found, "top_losses", k = 1, bands = 1:2), "bands", "one band or three")
  refused(plot(found, "top_losses", k = 1, bands = 4), "bands", "from 1 to 3")
  refused(plot(found, "top_losses", k = 1, stretch = "sd"), "stretch", "\"minmax\"")
  refused(plot(found, kind = 1), "kind", "plot()")
  refused(plot(fake_regression(), target = 3), "target", "at most 2")
  skip_if_lacking("ggplot2")
  refused(ggplot2::autoplot(found, "top_losses", k = 5), "k", "at most 4")
})
