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
