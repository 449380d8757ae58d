# Rows of a fit by groups, blocks, folds or explicit rows; tests/data/test_splits.py has the rules.

fields <- rep(c("north", "south", "east", "west"), 12)
places <- withr::with_seed(4, cbind(x = stats::runif(48, 0, 100), y = stats::runif(48, 0, 100)))
numbers <- rep(c(2, 1, 3), each = 16)
held_out <- list(17:32, 1:16, 33:48) # folds 1 to 3 as a vector has them: 2 comes first there

# Fits that say in different words how rows are parted.
expect_same_fit <- function(one, other) {
  expect_identical(one$head, other$head)
  expect_identical(one$loss_history, other$loss_history)
  expect_identical(one$val_accuracy_history, other$val_accuracy_history)
  counts <- c("n_train", "n_validation", "n_left_out")
  expect_identical(one$config$split[counts], other$config$split[counts])
}

test_that("rows and a logical vector say which rows validate, counted from 1", {
  skip_if_no_python()
  fit <- quick_fit(validation = 17:32)
  expect_identical(fit$config$split, list(by = "validation", n_train = 32L, n_validation = 16L, n_left_out = 0L))
  expect_identical(quick_fit(validation = seq_len(48) %in% 17:32), fit)
  expect_identical(quick_fit(validation = as.numeric(32:17)), fit)
  at_the_end <- quick_fit(validation = 48)
  expect_identical(at_the_end$config$split$n_validation, 1L)
})

test_that("folds come as numbers, as of caret and as of blockCV, and are named in R's way", {
  skip_if_no_python()
  expected <- quick_fit(validation = 17:32)
  given <- list(
    list(numbers, NULL), # the lowest number is the first
    list(as.integer(numbers), 1L),
    list(held_out, NULL),
    list(stats::setNames(held_out[c(2, 1, 3)], paste0("Fold", 1:3)), 2),
    list(lapply(held_out, function(rows) list(setdiff(1:48, rows), rows)), 1),
    list(list(folds_list = lapply(held_out, function(rows) list(setdiff(1:48, rows), rows))), 1)
  )
  for (folds in given) {
    fit <- quick_fit(folds = folds[[1]], fold = folds[[2]])
    expect_same_fit(fit, expected)
    expect_identical(fit$config$split$n_folds, 3L)
  }
  expect_same_fit(quick_fit(folds = numbers, fold = 2), quick_fit(validation = 1:16))
})

test_that("pairs may leave rows out", {
  skip_if_no_python()
  fit <- quick_fit(folds = list(list(21:48, 1:16)))
  expect_identical(fit$config$split$n_left_out, 4L)
})

test_that("folds of rsample are those that it made", {
  skip_if_no_python()
  skip_if_lacking("rsample")
  table <- data.frame(field = fields, soil = soil_y)
  rset <- withr::with_seed(1, rsample::vfold_cv(table, v = 3))
  first <- rset$splits[[2]]
  rows <- setdiff(1:48, first$in_id)
  expect_same_fit(quick_fit(folds = rset, fold = 2), quick_fit(validation = rows))
  by_field <- withr::with_seed(1, rsample::group_vfold_cv(table, group = "field"))
  fit <- quick_fit(folds = by_field)
  expect_identical(fit$config$split$n_folds, 4L)
  expect_same_fit(fit, quick_fit(validation = setdiff(1:48, by_field$splits[[1]]$in_id)))
  single <- withr::with_seed(1, rsample::initial_split(table))
  expect_same_fit(quick_fit(folds = single), quick_fit(validation = setdiff(1:48, single$in_id)))
})

test_that("folds with a buffer, as spatialsample makes them, leave rows out", {
  skip_if_no_python()
  split <- function(train, test) {
    structure(list(data = data.frame(row = 1:48), in_id = train, out_id = test), class = "rsplit")
  }
  rset <- structure(
    data.frame(id = c("Fold1", "Fold2")),
    class = c("spatial_block_cv", "spatial_rset", "rset", "tbl_df", "tbl", "data.frame")
  )
  rset$splits <- list(split(21:48, 1:16), split(1:28, 33:48))
  expect_identical(quick_fit(folds = rset)$config$split$n_left_out, 4L)
  fit <- quick_fit(folds = rset, fold = 2)
  expect_same_fit(fit, quick_fit(folds = list(list(1:28, 33:48))))
})

test_that("no group is on both sides, whatever type has its names", {
  skip_if_no_python()
  fit <- quick_fit(groups = fields)
  expect_identical(
    fit$config$split,
    list(by = "groups", n_groups = 4L, n_train = 36L, n_validation = 12L, n_left_out = 0L)
  )
  expect_identical(quick_fit(groups = factor(fields)), fit)
  expect_identical(quick_fit(groups = match(fields, unique(fields)) + 0.5), fit)
  validates <- vapply(unique(fields), function(field) {
    identical(quick_fit(validation = fields == field)$config$split$n_validation, 12L)
  }, NA)
  expect_true(all(validates))
})

test_that("blocks come as a matrix, a table, or points of sf and terra", {
  skip_if_no_python()
  skip_if_lacking("sf")
  blocks <- function(points) quick_fit(blocks = points, block_size = 40, buffer = 5)
  fit <- blocks(places)
  split <- fit$config$split
  expect_identical(split$by, "blocks")
  expect_identical(split[c("block_size", "buffer")], list(block_size = 40, buffer = 5))
  expect_identical(split$n_blocks, nrow(unique(floor(places / 40))))
  expect_identical(split$n_train + split$n_validation + split$n_left_out, 48L)
  expect_identical(blocks(as.data.frame(places)), fit)
  expect_identical(blocks(unname(places)), fit)
  points <- sf::st_as_sf(as.data.frame(places), coords = c("x", "y"), crs = 32723)
  expect_identical(blocks(points), fit)
  expect_identical(blocks(terra::vect(places, crs = "EPSG:32723")), fit)
})

test_that("the same groups part the same rows from Python", {
  skip_if_no_python()
  python_module()
  bridge <- reticulate::import("edaphos_bridge", convert = FALSE)
  held <- reticulate::import("edaphos_bridge.interop.calls.held", convert = FALSE)
  fit <- bridge$foundation_fit_classifier(
    held$encoder_behind(soil_encoder()$state), soil_x, as.list(as.character(soil_y)),
    epochs = 3L, seed = 5L, groups = as.list(fields)
  )
  ours <- quick_fit(y = as.character(soil_y), groups = fields)
  expect_identical(reticulate::py_to_r(fit$loss_history), ours$loss_history)
  expect_identical(reticulate::py_to_r(fit$config$get("split")), ours$config$split)
})

test_that("update() takes groups, blocks, folds and validation rows again", {
  skip_if_no_python()
  fit <- quick_fit(blocks = places, block_size = 40, buffer = 5)
  expect_identical(update(fit, soil_x, soil_y, blocks = places), fit)
  wider <- quick_fit(blocks = places, block_size = 40, buffer = 8)
  expect_identical(update(fit, soil_x, soil_y, blocks = places, buffer = 8), wider)
  expect_identical(update(fit, soil_x, soil_y, blocks = NULL), quick_fit())
  expect_identical(update(fit, soil_x, soil_y, groups = fields), quick_fit(groups = fields))
  of_fold <- quick_fit(folds = numbers, fold = 3)
  expect_identical(update(of_fold, soil_x, soil_y, folds = numbers), of_fold)
  expect_refused(update(fit, soil_x, soil_y), "blocks", "given again", of = "update.edaphosbridge_classifier")
})

test_that("bad rows are named with their argument, counted from 1", {
  skip_if_no_python()
  encoder <- soil_encoder()
  refused <- function(argument, says, ...) {
    expect_refused(foundation_fit_classifier(encoder, soil_x, soil_y, ...), argument, says)
  }
  refused("validation", "together with `groups`", groups = fields, validation = 1)
  refused("groups", c("48 patches", "found 47"), groups = fields[-1])
  refused("groups", c("NA in 2 of 48 groups", "first: 1, 3;"), groups = replace(fields, c(1, 3), NA))
  refused("groups", "found matrix", groups = matrix(fields))
  refused("groups", "found list", groups = as.list(fields))
  refused("groups", "one group only", groups = rep("a", 48))
  refused("blocks", "found character", blocks = "a", block_size = 10)
  refused("blocks", c("1 of 48 points", "first: 2;"), blocks = replace(places, 2, NA), block_size = 10)
  refused("blocks", "one point for each of the 48 patches", blocks = places[-1, ], block_size = 10)
  refused("blocks", "columns x and y", blocks = data.frame(a = 1, b = 2), block_size = 10)
  refused("block_size", "is needed with `blocks`", blocks = places)
  refused("block_size", "greater than 0", blocks = places, block_size = NA)
  refused("block_size", "needs `blocks`", block_size = 10)
  refused("buffer", "leaves no training row", blocks = places, block_size = 10, buffer = 500, seed = 1)
  refused("buffer", "needs `blocks`", buffer = 10)
  refused("folds", "found data.frame", folds = data.frame(a = 1:48))
  refused("folds", "found character", folds = letters)
  refused("folds", "found factor", folds = list(factor(1:3)))
  refused("folds", "found NA", folds = replace(numbers, 3, NA))
  refused("folds", "found 1.5", folds = numbers / 2 + 0.5)
  refused("folds", c("3 of 4 are none", "first: 0, 49, -2;"), folds = list(c(1, 0, 49, -2)))
  refused("folds", c("each row once", "first: 7;"), folds = list(c(7, 7)))
  refused("folds", c("in fold 2", "first: 5;"), folds = list(list(1:3, 4:5), list(1:5, 5:6)))
  refused("folds", "are those the rows that train?", folds = lapply(held_out, function(r) setdiff(1:48, r)))
  rset <- list(splits = list(list(data = data.frame(a = 1:5), in_id = 1:3, out_id = NA)))
  refused("folds", c("of the 48 patches", "found 5 rows"), folds = rset)
  refused("fold", c("one of the folds 1, 2, 3", "found 4"), folds = held_out, fold = 4)
  refused("fold", "needs `folds`", fold = 1)
  refused("validation", c("1 of 2 are none", "first: 49;"), validation = c(1, 49))
  refused("validation", "found NA", validation = c(1, NA))
  refused("validation", "NA in 1 of 48 rows", validation = replace(fields == "east", 2, NA))
  refused("validation", "each of the 48 patches", validation = rep(TRUE, 47))
  refused("validation", "found character", validation = "a")
})

test_that("an rset is of the patches, whatever holds them", {
  split <- list(data = data.frame(row = 1:40), in_id = 1:30, out_id = NA)
  rows_of <- function(...) to_folds(list(splits = list(split)), rows_of_fit(list(...)), quote(call()))
  tiles <- structure(list(n_patches = 40L), class = "edaphosbridge_tiles")
  expected <- list(train = list(as.array(0:29)), test = list(as.array(30:39)))
  expect_identical(rows_of(x = tiles, y = quote(expr = )), expected) # tiles bring their masks
  expect_identical(rows_of(x = array(0, c(40, 1, 1, 1)), y = 1:40), expected)
  expect_identical(rows_of(x = "patches.npy", y = 1:40), expected)
  expect_error(rows_of(x = "patches.npy", y = 1:39), "of the 39 patches; found 40 rows", fixed = TRUE)
  # no path says how many patches it has: Python sees it
  expect_identical(to_folds(list(splits = list(split)), rows_of_patches("patches.npy"), NULL), expected)
  expect_identical(rows_of_patches(matrix(0, 40, 2)), 40L)
  expect_identical(rows_of_patches(tiles), 40L)
})
