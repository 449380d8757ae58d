# foundation_fit_multilabel() and what R does with its fits.

scenes <- cbind(
  crop = as.integer(soil_y) != 1, water = as.integer(soil_y) == 2, wood = rep(c(TRUE, FALSE), 24)
)
as_lists <- function(table) {
  lapply(seq_len(nrow(table)), function(row) colnames(table)[table[row, ]])
}

quick_multilabel <- function(y = scenes, ..., x = soil_x, epochs = 3, seed = 5) {
  foundation_fit_multilabel(soil_encoder(), x, y, ..., epochs = epochs, seed = seed)
}

scene_fit <- function() {
  if (is.null(made$scene_fit)) {
    made$scene_fit <- quick_multilabel(epochs = 20, lr = 0.05)
  }
  made$scene_fit
}

test_that("a fit is of its classes and has the labels, their thresholds and their counts", {
  skip_if_no_python()
  fit <- quick_multilabel(threshold = c(wood = 0.4, crop = 0.5, water = 0.6))
  expect_s3_class(
    fit, c("edaphosbridge_multilabel", "edaphosbridge_fit", "edaphos_foundation_multilabel"),
    exact = TRUE
  )
  expect_identical(fit$labels, colnames(scenes))
  expect_identical(fit$threshold, c(crop = 0.5, water = 0.6, wood = 0.4))
  expect_identical(fit$label_counts, c(crop = 32L, water = 16L, wood = 24L))
  expect_identical(fit$config$threshold, fit$threshold)
  expect_length(fit$val_f1_history, 3)
})

test_that("labels may be a matrix, a data frame or lists", {
  skip_if_no_python()
  expected <- quick_multilabel()$state
  expect_identical(quick_multilabel(as.data.frame(scenes))$state, expected)
  expect_identical(quick_multilabel(scenes + 0)$state, expected)
  expect_identical(quick_multilabel(as_lists(scenes))$state, expected)
  factors <- lapply(as_lists(scenes), factor)
  expect_identical(quick_multilabel(factors)$state, expected)
  expect_identical(quick_multilabel(unname(scenes))$labels, c("label1", "label2", "label3"))
})

test_that("classes are the probabilities at the thresholds", {
  skip_if_no_python()
  fit <- scene_fit()
  prob <- predict(fit, soil_x, type = "prob")
  expect_identical(dimnames(prob), list(NULL, colnames(scenes)))
  expect_true(all(prob > 0 & prob < 1))
  expect_identical(predict(fit, soil_x), prob >= 0.5)
  at <- c(water = 0.9, crop = 0.2, wood = 0.5)
  expected <- sweep(prob, 2, at[colnames(prob)], ">=")
  expect_identical(predict(fit, soil_x, threshold = at), expected)
  expect_identical(predict(fit, soil_x, type = "label", threshold = at), as_lists(expected))
  expect_identical(dim(predict(fit, patches(1))), c(1L, 3L))
  expect_identical(dim(predict(fit, patches(0))), c(0L, 3L))
  features <- foundation_simclr_embed(fit, soil_x)
  logits <- features %*% t(fit$head$weight) + rep(fit$head$bias, each = 48)
  expect_close(unname(prob), 1 / (1 + exp(-logits)), 1e-5)
})

test_that("labels that are not known of a point are NA", {
  held <- rbind(c(a = TRUE, b = FALSE), NA, TRUE)
  expect_identical(label_lists(held), list("a", NA_character_, c("a", "b")))
})

test_that("top losses are the wrong patches with the highest loss", {
  skip_if_no_python()
  fit <- scene_fit()
  prob <- predict(fit, soil_x, type = "prob")
  loss <- rowMeans(-log(ifelse(scenes, prob, 1 - prob)))
  wrong <- which(rowSums((prob >= 0.5) != scenes) > 0)
  rows <- wrong[order(-loss[wrong])][1:4]
  table <- foundation_multi_top_losses(fit, soil_x, scenes, k = 4)
  expect_identical(table$row, rows)
  expect_close(table$loss, loss[rows], 1e-12)
  expect_identical(unclass(table$actual), as_lists(scenes)[rows])
  expect_identical(unclass(table$predicted), predict(fit, soil_x, type = "label")[rows])
  expect_identical(as.matrix(table[5:7]), `colnames<-`(prob[rows, ], paste0(".pred_", fit$labels)))
  expect_identical(foundation_multi_top_losses(fit, soil_x, as_lists(scenes), k = 4), table)
  none <- predict(fit, soil_x)
  expect_identical(nrow(foundation_multi_top_losses(fit, soil_x, none)), 0L)
})

test_that("printing, summary, tidiers and plots speak of labels and F1", {
  skip_if_no_python()
  fit <- scene_fit()
  expect_identical(format(fit)[1:2], c(
    "<edaphos_foundation_multilabel>", "  labels:        crop, water, wood"
  ))
  summary <- summary(fit)
  expect_identical(summary$label_counts, fit$label_counts)
  expect_identical(summary$best_val_f1, max(fit$val_f1_history))
  expect_identical(format(summary)[[1]], "Multi-label classifier of 3 labels: linear probing")
  expect_identical(format(summary)[[5]], "    crop   32")
  expect_named(generics::tidy(fit), c("epoch", "loss", "val_f1"))
  expect_identical(generics::glance(fit)$n_labels, 3L)
  expect_identical(
    course_labels(fit), c(loss = "binary cross-entropy", val_f1 = "validation F1")
  )
})

test_that("augment() adds the classes and probabilities of each label", {
  skip_if_no_python()
  fit <- quick_multilabel(threshold = c(0.3, 0.5, 0.7))
  found <- generics::augment(fit, patches(1:3), data = data.frame(id = 1:3))
  classes <- paste0(".pred_class_", fit$labels)
  expect_named(found, c("id", classes, paste0(".pred_", fit$labels)))
  expect_identical(unname(as.matrix(found[classes])), unname(predict(fit, patches(1:3))))
})

test_that("update() keeps the thresholds, and a fit survives saveRDS()", {
  skip_if_no_python()
  fit <- quick_multilabel(threshold = c(0.3, 0.5, 0.7))
  expect_identical(update(fit, soil_x, scenes)$state, fit$state)
  file <- withr::local_tempfile(fileext = ".rds")
  saveRDS(list(fit = fit, x = soil_x), file)
  found <- in_fresh_r(function(file) {
    library(edaphosbridge)
    saved <- readRDS(file)
    predict(saved$fit, saved$x)
  }, list(file))
  expect_identical(found, predict(fit, soil_x))
})

test_that("bad labels and thresholds are refused before any work", {
  skip_if_no_python()
  refused <- function(argument, says, ...) {
    expect_refused(quick_multilabel(...), argument, says, of = "foundation_fit_multilabel")
  }
  missing <- replace(scenes, c(3, 5), NA)
  refused("y", "holds missing values in 2 of 48 rows (first: 3, 5; counted from 1)", missing)
  refused("y", c("must hold 0 and 1 only", "found 2"), scenes + 1)
  refused("y", "one row for each of the 48 patches; found 47", scenes[-1, ])
  refused("y", c("must be a logical matrix", "found logical"), scenes[, 1])
  refused("y", "found factor", soil_y)
  refused("y", "found data.frame", data.frame(soil_y))
  refused("y", "a list with NA", replace(as_lists(scenes), 2, NA))
  refused("y", "a list with numeric", as.list(1:48 + 0.5))
  refused("y", "one name for each label", scenes[, c(1, 1)])
  refused("threshold", "less than 1; found 1", threshold = 1)
  refused("threshold", "one for each of the 3 labels", threshold = c(0.5, 0.5))
  refused("threshold", "must name each of the labels", threshold = c(crop = 0.5, ice = 0.5, wood = 1))
  expect_refused(
    predict(scene_fit(), soil_x, threshold = 7), "threshold", "found 7",
    of = "predict"
  )
})

test_that("top losses refuse what is no fit of theirs and labels that it does not know", {
  skip_if_no_python()
  refused <- function(code, argument, says) {
    expect_refused(code, argument, says, of = "foundation_multi_top_losses")
  }
  refused(foundation_multi_top_losses(soil_fit(), soil_x, scenes), "object", "multilabel")
  refused(foundation_multi_top_losses(scene_fit(), soil_x, scenes, k = 0), "k", "found 0")
  refused(
    foundation_multi_top_losses(scene_fit(), soil_x, rep(list("ice"), 48)), "y", "found c('ice')"
  )
})
