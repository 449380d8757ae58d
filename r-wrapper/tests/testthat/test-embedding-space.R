test_that("foundation_embed() takes any encoder and any fit", {
  skip_if_no_python()
  expected <- foundation_simclr_embed(soil_encoder(), soil_x)
  expect_close(foundation_embed(soil_encoder(), soil_x), expected, 1e-6)
  expect_close(foundation_embed(soil_fit(), soil_x), expected, 1e-6)
  expect_identical(dim(foundation_embed(own_module(), soil_x)), c(48L, 6L))
  expect_identical(dim(foundation_embed(soil_encoder(), patches(0))), c(0L, 32L))
  refused <- function(code, argument, says) {
    expect_refused(code, argument, says, of = "foundation_embed")
  }
  refused(foundation_embed("moco", soil_x), "object", "found character")
  refused(foundation_embed(soil_encoder(), soil_x[, 1:3, , ]), "x", "4 channels")
})

test_that("neighbours vote with exp(cosine / temperature)", {
  skip_if_no_python()
  found <- foundation_knn(
    soil_encoder(), patches(1:40), soil_y[1:40], patches(41:48), soil_y[41:48],
    k = 5, temperature = 0.2, n_boot = 10, seed = 1
  )
  unit <- foundation_embed(soil_encoder(), soil_x)
  unit <- unit / sqrt(rowSums(unit^2))
  expected <- t(apply(unit[41:48, ] %*% t(unit[1:40, ]), 1, function(similarity) {
    near <- order(-similarity)[1:5]
    tapply(exp(similarity[near] / 0.2), factor(soil_y[near], soil_classes), sum, default = 0)
  }))
  expect_close(found$probabilities, structure(
    expected / rowSums(expected),
    dimnames = list(NULL, soil_classes)
  ), 1e-4)
  expect_identical(found$classes, soil_classes)
  expect_s3_class(found, "edaphosbridge_interpretation")
})

test_that("without other patches each is asked of the rest, but of none of its group", {
  skip_if_no_python()
  twice <- soil_x[rep(1:24, each = 2), , , ]
  labels <- rep(withr::with_seed(1, sample(soil_y[1:24])), each = 2)
  accuracy <- function(...) {
    found <- foundation_knn(soil_encoder(), twice, labels, k = 1, ..., n_boot = 0)
    found$scores$estimate[[1]]
  }
  expect_identical(accuracy(), 1) # by its copy
  expect_lt(accuracy(groups = rep(1:24, each = 2)), 0.7)
})

test_that("the map has the two first principal components", {
  skip_if_no_python()
  found <- foundation_embedding_map(soil_encoder(), soil_x, soil_y)
  expected <- stats::prcomp(foundation_embed(soil_encoder(), soil_x))
  expect_close(abs(found$points$PC1), abs(unname(expected$x[, 1])), 1e-5)
  expect_close(abs(found$points$PC2), abs(unname(expected$x[, 2])), 1e-5)
  expect_close(found$explained, (expected$sdev^2 / sum(expected$sdev^2))[1:2], 1e-5)
  expect_identical(found$points$class, soil_y)
  expect_identical(as.data.frame(found), found$points)
  expect_match(capture.output(print(found))[[3]], "Oxisol, Ultisol, Inceptisol")
  plain <- foundation_embedding_map(soil_encoder(), soil_x)
  expect_identical(names(plain$points), c("PC1", "PC2"))
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  before <- graphics::par("mai")
  for (result in list(found, plain)) {
    expect_identical(withVisible(plot(result)), list(value = result, visible = FALSE))
    expect_identical(graphics::par("mai"), before)
  }
  skip_if_lacking("ggplot2")
  points <- ggplot2::layer_data(ggplot2::autoplot(found))
  expect_identical(points$x, found$points$PC1)
  expect_identical(length(unique(points$colour)), 3L)
})

test_that("bad input is refused by its name", {
  skip_if_no_python()
  refused <- function(code, argument, says, of = "foundation_knn") {
    expect_refused(code, argument, says, of = of)
  }
  encoder <- soil_encoder()
  refused(foundation_knn(encoder, soil_x, soil_y, k = 48), "k", "at most 47")
  refused(foundation_knn(encoder, soil_x, soil_y, temperature = 0), "temperature", "greater than 0")
  refused(foundation_knn(encoder, soil_x, soil_y, patches(1)), "newy", "together")
  refused(foundation_knn(encoder, soil_x, soil_y, patches(1), "Gelisol"), "newy", "first: 1")
  refused(foundation_knn(encoder, soil_x, soil_y, patches(1), NA), "newy", "NA")
  refused(foundation_knn(encoder, soil_x, soil_y, groups = 1:2), "groups", "found 2")
  refused(foundation_knn(encoder, soil_x), "y", "is missing")
  of_map <- function(code, argument, says) refused(code, argument, says, "foundation_embedding_map")
  of_map(foundation_embedding_map(encoder, patches(1)), "x", "two patches")
  of_map(foundation_embedding_map(encoder, soil_x, soil_y[1:5]), "y", "found 5")
})
