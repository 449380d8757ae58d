test_that("what is missing in an array of numbers is NA", {
  expect_identical(from_array(matrix(c(1, NaN), 1)), matrix(c(1, NA), 1))
  expect_identical(from_array(array(1:4, c(1, 2, 2, 1))), array(c(1, 2, 3, 4), c(1, 2, 2, 1)))
})

test_that("columns become a data frame, with NA for what is not known", {
  expect_identical(
    from_table(list(name = list("a", ""), n = list(3, NaN))),
    data.frame(name = c("a", NA), n = c(3L, NA))
  )
  expect_identical(
    from_columns(list(solver = list("adam", "lbfgs"), lr = list(0.1, NaN))),
    data.frame(solver = c("adam", "lbfgs"), lr = c(0.1, NA))
  )
})

test_that("codes become a factor, code NA none of its classes", {
  expect_identical(from_factor(c(2L, NA), list("b", "a"), TRUE), factor(c("a", NA), c("b", "a"), ordered = TRUE))
})

test_that("a seed is an integer where R has such integers", {
  expect_identical(from_seed(7), 7L)
  expect_identical(from_seed(2^53), 2^53)
})

test_that("an object keeps the lines that Python prints of it", {
  object <- from_object(list(a = 1, printed = list("<it>", "  a: 1")), "edaphosbridge_tiles")
  expect_named(object, "a")
  expect_identical(format(object), c("<it>", "  a: 1"))
})
