points <- data.frame(x = c(505, 705), y = c(895, 755))
plain_encoder <- function() foundation_encoder("moco", in_channels = 3, seed = 1)

# `code` is an assignment that is refused.
expect_no_assignment <- function(code, argument, says) {
  condition <- expect_error(code, class = "edaphosbridge_input_error")
  expect_identical(condition$argument, argument)
  expect_match(conditionMessage(condition), says, fixed = TRUE)
}

test_that("a normalisation that is assigned to an encoder is in its state", {
  skip_if_no_python()
  dataset <- soil_tiles()
  expected <- foundation_embed_at_coords(plain_encoder(), points, soil_stack(), dataset)
  by_dataset <- by_list <- by_name <- by_part <- plain_encoder()
  by_dataset$normalisation <- dataset
  by_list$normalisation <- tile_fit()$normalisation
  by_name[["normalisation"]] <- dataset
  expect_identical(by_dataset$normalisation, tile_fit()$normalisation)
  expect_identical(by_list, by_dataset)
  expect_identical(by_name, by_dataset)
  by_part["normalisation"] <- list(dataset)
  expect_identical(by_part, by_dataset)
  expect_identical(foundation_embed_at_coords(by_dataset, points, soil_stack()), expected)
  path <- withr::local_tempfile()
  foundation_weights_save(by_dataset, path)
  expect_identical(foundation_weights_load(path)$normalisation, by_dataset$normalisation)
  by_dataset$normalisation <- NULL
  expect_identical(by_dataset, plain_encoder())
})

test_that("one field of it may be changed", {
  skip_if_no_python()
  encoder <- plain_encoder()
  encoder$normalisation <- soil_tiles()
  encoder$normalisation$patch_size <- 7
  x <- foundation_patches_at_coords(encoder, points, soil_stack())
  expect_identical(dim(x), c(2L, 3L, 7L, 7L))
})

test_that("an orientation that is assigned is in the state", {
  skip_if_no_python()
  encoder <- plain_encoder()
  encoder$patch_orientation <- "transposed"
  path <- withr::local_tempfile()
  foundation_weights_save(encoder, path)
  expect_identical(foundation_weights_load(path), encoder)
  expect_output(print(encoder), "of transposed patches")
  encoder$patch_orientation <- "rows_first"
  expect_identical(encoder, plain_encoder())
})

test_that("what cannot be assigned to an encoder is refused", {
  skip_if_no_python()
  encoder <- plain_encoder()
  known <- tile_fit()$normalisation
  not <- expect_no_assignment
  not(encoder$normalisation <- 3, "normalisation", "found numeric")
  not(encoder$normalisation <- known[1:3], "normalisation", "must have bands, means, sds")
  not(encoder$normalisation <- replace(known, "patch_size", 5.5), "normalisation", "must have")
  not(encoder$normalisation <- replace(known, "sds", list(c(1, NA, 1))), "normalisation", "must have")
  not(encoder$normalisation <- soil_tiles(soil_stack()[[1:2]]), "normalisation", "of 3 bands")
  not(encoder$patch_orientation <- "sideways", "patch_orientation", "'transposed'; found 'sideways'")
  not(encoder$patch_orientation <- NA, "patch_orientation", "found NA")
  not(encoder$patch_orientation <- globalenv(), "patch_orientation", "found '<environment>'")
  not(encoder$in_channels <- 4L, "in_channels", "foundation_encoder() makes another")
  expect_identical(encoder, plain_encoder())
  encoder$note <- "of my own"
  expect_identical(encoder$note, "of my own")
  expect_s3_class(encoder, "edaphosbridge_encoder")
})

test_that("fits and datasets refuse what their state would not follow", {
  skip_if_no_python()
  fit <- soil_fit()
  pretrained <- tile_fit()
  dataset <- soil_tiles()
  not <- expect_no_assignment
  not(fit$normalisation <- NULL, "normalisation", "predict() takes a `dataset`")
  not(fit$encoder$normalisation <- NULL, "encoder", "predict() takes a `dataset`")
  not(fit[["encoder"]] <- plain_encoder(), "encoder", "part of `state`")
  not(fit["normalisation"] <- list(NULL), "normalisation", "part of `state`")
  not(fit$patch_orientation <- "transposed", "patch_orientation", "part of `state`")
  not(pretrained$patch_orientation <- "transposed", "patch_orientation", "encoder <- fit$encoder")
  not(pretrained$normalisation <- NULL, "normalisation", "encoder <- fit$encoder")
  not(dataset$means <- 0, "means", "foundation_tile_dataset()")
  not(dataset[["seed"]] <- 1, "seed", "foundation_tile_dataset()")
  fit$comment <- "of my own"
  expect_identical(fit$comment, "of my own")
  expect_identical(predict(fit, soil_x), predict(soil_fit(), soil_x))
})

test_that("fits of every task refuse what they have learnt, and an ensemble its members", {
  skip_if_no_python()
  x <- soil_x
  clay <- x[, 1, 3, 3]
  how <- list(soil_encoder(), x, epochs = 1, seed = 1)
  regressor <- do.call(foundation_fit_regressor, c(how, list(y = clay)))
  labels <- do.call(foundation_fit_multilabel, c(how, list(y = cbind(wet = clay > 0))))
  ensemble <- foundation_finetune_ensemble(soil_encoder(), x, clay, "regression", K_ens = 2, epochs = 1)
  not <- expect_no_assignment
  not(regressor$y_sd <- 1, "y_sd", "foundation_fit_regressor() makes another fit")
  not(regressor$encoder <- NULL, "encoder", "predict() takes a `dataset`")
  not(labels$threshold <- 0.9, "threshold", "predict() takes another `threshold`")
  not(labels[["labels"]] <- "dry", "labels", "foundation_fit_multilabel()")
  not(ensemble$members[[1]] <- regressor, "members", "foundation_finetune_ensemble()")
  not(ensemble["encoder"] <- list(NULL), "encoder", "foundation_finetune_ensemble()")
  not(ensemble[["task"]] <- "multilabel", "task", "foundation_finetune_ensemble()")
  ensemble$note <- regressor$note <- "of my own"
  expect_identical(ensemble$note, "of my own")
  expect_identical(regressor$note, "of my own")
})
