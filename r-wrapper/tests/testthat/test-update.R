test_that("update() with nothing changed repeats a fit with a frozen encoder", {
  skip_if_no_python()
  expect_identical(update(soil_fit(), soil_x, soil_y), soil_fit())
  mlp <- quick_fit(head = "mlp", hidden = 8, dropout = 0.2, val_split = 0, batch_size = 8)
  expect_identical(update(mlp, soil_x, soil_y), mlp)
})

test_that("update() changes the settings that are given, and only those", {
  skip_if_no_python()
  longer <- update(quick_fit(), soil_x, soil_y, epochs = 5, lr = 0.01)
  expect_identical(longer, quick_fit(epochs = 5, lr = 0.01))
  tuned <- update(quick_fit(), soil_x, soil_y, freeze_backbone = FALSE)
  expect_identical(tuned, quick_fit(freeze_backbone = FALSE))
})

test_that("update() takes other data", {
  skip_if_no_python()
  rows <- 1:30
  expect_identical(
    update(quick_fit(), patches(rows), soil_y[rows]),
    quick_fit(x = patches(rows), y = soil_y[rows])
  )
})

test_that("after full fine-tuning, update() goes on from the tuned encoder or starts from another", {
  skip_if_no_python()
  tuned <- quick_fit(freeze_backbone = FALSE)
  expect_identical(update(tuned, soil_x, soil_y), quick_fit(tuned, freeze_backbone = FALSE))
  expect_identical(update(tuned, soil_x, soil_y, encoder = soil_encoder()), tuned)
})

test_that("with seed = NULL update() draws a seed", {
  skip_if_no_python()
  withr::local_seed(1)
  drawn <- update(quick_fit(), soil_x, soil_y, seed = NULL)
  set.seed(1)
  expect_identical(drawn, quick_fit(seed = NULL))
})

test_that("update() of a pretraining fit trains again from the start", {
  skip_if_no_python()
  settings <- list(feature_dim = 6, proj_dim = 4, batch_size = 8, epochs = 3, seed = 1)
  for (pretrain in c(foundation_moco_pretrain, foundation_simclr_pretrain)) {
    fit <- do.call(pretrain, c(list(soil_x), settings))
    expect_identical(update(fit, soil_x), fit)
    longer <- do.call(pretrain, c(list(soil_x), replace(settings, "epochs", 5)))
    expect_identical(update(fit, soil_x, epochs = 5), longer)
  }
  scheduled <- do.call(
    foundation_moco_pretrain, c(list(soil_x), settings, momentum_schedule = "cosine")
  )
  expect_identical(update(scheduled, soil_x), scheduled)
})

test_that("update() of a pretraining fit on tiles takes a dataset", {
  skip_if_no_python()
  expect_identical(update(tile_fit(), dataset = soil_tiles()), tile_fit())
})

test_that("update() with a dataset leaves a SimCLR fit a SimCLR fit", {
  skip_if_no_python()
  fit <- foundation_simclr_pretrain(soil_tiles(), batch_size = 4, epochs = 2, seed = 1)
  expect_identical(update(fit, dataset = soil_tiles()), fit)
})

test_that("update() works on a fit from a file, in a fresh R", {
  skip_if_no_python()
  again <- in_fresh_r(
    function(fit, x, y) {
      library(edaphosbridge)
      update(fit, x, y, lr = 0.01)
    },
    list(quick_fit(), soil_x, soil_y)
  )
  expect_identical(again, quick_fit(lr = 0.01))
})

test_that("errors of update() are those of the function, and show no data", {
  skip_if_no_python()
  fit <- soil_fit()
  condition <- expect_refused(update(fit, soil_x, soil_y, epochs = 0), "epochs", "found 0")
  expect_lt(sum(nchar(deparse(conditionCall(condition)))), 500)
  expect_refused(update(fit, soil_x), "y", "is missing")
  expect_refused(update(fit, y = soil_y), "x", "is missing")
  expect_refused(
    update(tile_fit()), "patches", "is missing", of = "foundation_moco_pretrain"
  )
})
