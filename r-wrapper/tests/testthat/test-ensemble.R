# foundation_finetune_ensemble() and what R does with its results.

clay_of <- function(x) 30 + 2 * apply(x[, 1, , , drop = FALSE], 1, mean)

quick_ensemble <- function(y = soil_y, task = "classification", ..., K_ens = 3, base_seed = 7) {
  foundation_finetune_ensemble(
    soil_encoder(), soil_x, y, task,
    K_ens = K_ens, base_seed = base_seed, ..., epochs = 2
  )
}

soil_ensemble <- function() {
  if (is.null(made$ensemble)) made$ensemble <- quick_ensemble()
  made$ensemble
}

test_that("members are the fits of their seeds", {
  skip_if_no_python()
  ensemble <- soil_ensemble()
  expect_s3_class(ensemble, c("edaphosbridge_ensemble", "edaphos_foundation_ensemble"), exact = TRUE)
  for (k in 1:3) {
    expect_identical(ensemble$members[[k]], quick_fit(epochs = 2, seed = 6 + k))
  }
  expect_identical(ensemble[c("task", "K_ens")], list(task = "classification", K_ens = 3L))
  expect_identical(ensemble$config, list(base_seed = 7L, task = "classification"))
  losses <- lapply(ensemble$members, function(member) member$loss_history)
  expect_identical(ensemble$loss_histories, losses)
  expect_identical(ensemble$final_losses, vapply(losses, `[[`, 0, 2))
  expect_identical(ensemble$encoder, ensemble$members[[1]]$encoder)
  expect_null(quick_ensemble(freeze_backbone = FALSE, K_ens = 2)$encoder)
})

test_that("predict() gives (K, N, classes), and (K, N) of one target", {
  skip_if_no_python()
  found <- predict(soil_ensemble(), soil_x)
  expect_identical(dim(found), c(3L, 48L, 3L))
  expect_identical(dimnames(found), list(NULL, NULL, soil_classes))
  expect_close(found[2, , ], prob(soil_ensemble()$members[[2]]), 1e-12)
  clay <- clay_of(soil_x)
  one <- quick_ensemble(clay, "regression", head = "mlp", K_ens = 2)
  values <- predict(one, newdata = soil_x)
  expect_identical(dim(values), c(2L, 48L))
  expect_close(values[1, ], predict(one$members[[1]], soil_x), 1e-12)
  several <- quick_ensemble(cbind(clay = clay, sand = -clay), "regression", K_ens = 2)
  expect_identical(dimnames(predict(several, soil_x)), list(NULL, NULL, c("clay", "sand")))
  labels <- quick_ensemble(cbind(a = clay > 30, b = clay < 31), "multilabel", K_ens = 2)
  expect_identical(dimnames(predict(labels, patches(1:3)))[[3]], c("a", "b"))
})

test_that("mean and sd are those over members", {
  skip_if_no_python()
  found <- predict(soil_ensemble(), soil_x)
  expect_close(predict(soil_ensemble(), soil_x, type = "mean"), apply(found, 2:3, mean), 1e-12)
  expect_close(predict(soil_ensemble(), soil_x, type = "sd"), apply(found, 2:3, sd), 1e-12)
  one <- quick_ensemble(clay_of(soil_x), "regression", K_ens = 2)
  expect_close(predict(one, soil_x, type = "sd"), apply(predict(one, soil_x), 2, sd), 1e-12)
})

test_that("printing and tidiers show all members", {
  skip_if_no_python()
  lines <- format(soil_ensemble())
  expect_identical(lines[1:3], c(
    "<edaphos_foundation_ensemble>", "  task:          classification",
    "  K_ens:         3 (seeds 7 to 9)"
  ))
  expect_output(print(soil_ensemble()), "final losses:")
  tidied <- generics::tidy(soil_ensemble())
  expect_identical(tidied$member, rep(1:3, each = 2))
  expect_identical(tidied$loss, unlist(soil_ensemble()$loss_histories))
  glance <- generics::glance(soil_ensemble())
  expect_identical(glance$K_ens, 3L)
  expect_identical(glance$mean_final_loss, mean(soil_ensemble()$final_losses))
})

test_that("an ensemble survives saveRDS() into a fresh process", {
  skip_if_no_python()
  file <- withr::local_tempfile(fileext = ".rds")
  saveRDS(list(ensemble = soil_ensemble(), x = soil_x), file)
  found <- in_fresh_r(function(file) {
    library(edaphosbridge)
    saved <- readRDS(file)
    list(predicted = predict(saved$ensemble, saved$x), printed = format(saved$ensemble))
  }, list(file))
  expect_identical(found$predicted, predict(soil_ensemble(), soil_x))
  expect_identical(found$printed, format(soil_ensemble()))
})

test_that("a module of the user's own may be around, and is asked for after saveRDS()", {
  skip_if_no_python()
  ensemble <- foundation_finetune_ensemble(
    own_module(), soil_x, soil_y,
    K_ens = 2, epochs = 1
  )
  expected <- predict(ensemble, soil_x)
  saved <- deep_copy(ensemble)
  expect_error(predict(saved, soil_x), class = "edaphosbridge_error")
  expect_identical(predict(saved, soil_x, encoder = own_module()), expected)
})

test_that("each member has a folder of its own for its checkpoints", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  ensemble <- quick_ensemble(checkpoint_dir = folder)
  expect_setequal(list.files(folder), c("member-7", "member-8", "member-9"))
  expect_identical(ensemble, soil_ensemble())
})

test_that("bad input is refused with the call of the user", {
  skip_if_no_python()
  refused <- function(argument, says, ..., y = soil_y) {
    expect_refused(
      foundation_finetune_ensemble(soil_encoder(), soil_x, y, ...), argument, says,
      of = "foundation_finetune_ensemble"
    )
  }
  refused("task", "found 'detection'", task = "detection")
  refused("K_ens", "at least 2; found 1", K_ens = 1)
  refused("base_seed", "found 1.5", base_seed = 1.5)
  refused("epochs", "found 0", epochs = 0)
  refused("seed", "is no argument of foundation_finetune_ensemble()", seed = 1)
  refused("seed", "`base_seed`, `base_seed + 1` and so on", seed = 1)
  refused("y", "foundation_fit_regressor() learns the numbers", y = seq_len(48) / 7)
  refused("loss", "is no argument", loss = "mse")
  for (folder in list("", NA_character_, c("a", "b"))) {
    refused("checkpoint_dir", "must be the path of a folder", checkpoint_dir = folder, epochs = 1)
  }
  refused("y", "must be a numeric vector", task = "regression")
  expect_refused(
    foundation_finetune_ensemble(soil_encoder(), soil_x), "y", "is missing",
    of = "foundation_finetune_ensemble"
  )
  expect_refused(predict(soil_ensemble(), soil_x, type = "prob"), "type", "'members'", of = "predict")
})

test_that("plot() draws the loss of each member", {
  skip_if_no_python()
  ensemble <- quick_ensemble()
  withr::with_pdf(tempfile(), {
    expect_identical(plot(ensemble, col = 2, type = "l", main = "members"), ensemble)
    expect_refused(plot(ensemble, colour = 2), "colour", "is no argument of plot()", of = "plot")
  })
})
