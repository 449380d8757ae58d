# --- x -------------------------------------------------------------------------------------

test_that("double and integer arrays with the same values give the same fit", {
  skip_if_no_python()
  whole <- array(as.integer(soil_x), dim(soil_x))
  fit <- quick_fit(x = whole)
  expect_identical(fit, quick_fit())
  expect_identical(prob(fit, whole), prob(fit))
})

test_that("a logical array counts as zeros and ones", {
  skip_if_no_python()
  logical <- soil_x > 8
  numbers <- logical + 0
  expect_identical(quick_fit(x = logical), quick_fit(x = numbers))
  expect_identical(prob(soil_fit(), logical), prob(soil_fit(), numbers))
})

test_that("dimnames, attributes and classes of x change nothing", {
  skip_if_no_python()
  named <- soil_x
  dimnames(named) <- list(paste0("p", 1:48), c("red", "green", "nir", "swir"), NULL, letters[1:5])
  attr(named, "crs") <- "EPSG:4326"
  expect_identical(quick_fit(x = named), quick_fit())
  expect_identical(prob(soil_fit(), named), prob(soil_fit()))
  classed <- structure(soil_x, class = "my_array")
  expect_identical(prob(soil_fit(), classed), prob(soil_fit()))
})

test_that("a permuted array is read in R's order", {
  skip_if_no_python()
  turned <- aperm(soil_x, c(4, 3, 2, 1))
  expect_identical(prob(soil_fit(), aperm(turned, c(4, 3, 2, 1))), prob(soil_fit()))
})

test_that("the values arrive where they belong: patch, channel, row, column", {
  skip_if_no_python()
  python_module()
  reticulate::py_run_string("
import torch

class Corner(torch.nn.Module):
    def forward(self, x):
        return x[:, 2, 3, 1:3]  # channel 3, row 4, columns 2 and 3 of R
")
  fit <- quick_fit(reticulate::py$Corner())
  logits <- soil_x[, 3, 4, 2:3] %*% t(fit$head$weight) + rep(fit$head$bias, each = 48)
  expected <- exp(logits) / rowSums(exp(logits))
  expect_close(unname(prob(fit)), expected, 1e-6)
})

# --- y -------------------------------------------------------------------------------------

test_that("classes follow the levels of a factor, whatever their order", {
  skip_if_no_python()
  turned <- factor(soil_y, levels = rev(soil_classes))
  expect_identical(quick_fit(y = soil_y)$classes, soil_classes)
  expect_identical(quick_fit(y = turned)$classes, rev(soil_classes))
  fit <- quick_fit(y = turned, epochs = 30, lr = 0.02)
  expect_identical(colnames(prob(fit)), rev(soil_classes))
  expect_gt(mean(predict(fit, soil_x) == turned), 0.6)
  expect_gt(mean(prob(fit)[cbind(1:48, as.integer(turned))]), 0.4)
})

test_that("unused levels are dropped, as factor(y) does", {
  skip_if_no_python()
  unused <- factor(soil_y, levels = c("Vertisol", "Ultisol", "Gleysol", "Oxisol", "Inceptisol"))
  fit <- quick_fit(y = unused)
  expect_identical(fit$classes, c("Ultisol", "Oxisol", "Inceptisol"))
  expect_identical(fit$classes, levels(factor(unused)))
  expect_identical(levels(predict(fit, soil_x)), fit$classes)
})

test_that("an ordered factor keeps its order", {
  skip_if_no_python()
  ordered <- factor(c("low", "high", "mid")[soil_y], levels = c("low", "mid", "high"), ordered = TRUE)
  fit <- quick_fit(y = ordered)
  expect_identical(fit$classes, c("low", "mid", "high"))
  predicted <- predict(fit, soil_x)
  expect_identical(class(predicted), c("ordered", "factor"))
  expect_true(all(predicted >= "low"))
  expect_identical(predict(unserialize(serialize(fit, NULL)), soil_x), predicted)
  expect_identical(augment.edaphosbridge_classifier(fit, soil_x)$.pred_class, predicted)
  expect_identical(predict(quick_fit(y = ordered, freeze_backbone = FALSE), soil_x) < "low", rep(FALSE, 48))
  sweep <- foundation_probe_sweep(soil_encoder(), soil_x, ordered, lr = 0.1, C = numeric(), epochs = 1)
  expect_identical(class(predict(sweep, soil_x)), c("ordered", "factor"))
  expect_false(quick_fit()$ordered)
  before <- quick_fit()
  before$ordered <- NULL # of an earlier version
  expect_identical(class(predict(before, soil_x)), "factor")
})

test_that("measured numbers are no classes", {
  skip_if_no_python()
  y <- c(1, 2, 3)[soil_y]
  y[c(7, 9)] <- c(0.25, -1.5)
  refused <- expect_error(quick_fit(y = y), class = "edaphosbridge_input_error")
  expect_identical(refused$argument, "y")
  expect_match(
    conditionMessage(refused),
    "`y` must hold classes; 2 of 48 numbers are not whole (first: 7, 9; counted from 1); found 0.25.",
    fixed = TRUE
  )
  expect_error(
    foundation_probe_sweep(soil_encoder(), soil_x, y),
    class = "edaphosbridge_input_error"
  )
  expect_identical(quick_fit(y = factor(round(y)))$classes, levels(factor(round(y))))
  expect_warning(
    expect_warning(quick_fit(y = 1:48), "`y` has 48 classes in 48 rows"),
    "no training row"
  )
})

test_that("text that is no UTF-8 is refused, and other text comes back byte by byte", {
  skip_if_no_python()
  bytes <- function(text) lapply(text, charToRaw)
  for (encoding in c("UTF-8", "bytes", "unknown")) {
    text <- "caf\xe9"
    Encoding(text) <- encoding
    for (y in list(c(text, "b", "c")[soil_y], factor(soil_y, labels = c("a", text, "c")))) {
      expect_error(
        quick_fit(y = y), "`y` must hold labels of valid text",
        class = "edaphosbridge_input_error"
      )
    }
  }
  latin <- "caf\xe9"
  Encoding(latin) <- "latin1"
  fit <- quick_fit(y = factor(soil_y, labels = c("a", latin, "c")))
  expect_identical(bytes(fit$classes), bytes(c("a", "caf\u00e9", "c")))
  expect_identical(bytes(levels(predict(fit, soil_x))), bytes(fit$classes))
})

test_that("character, integer, logical and numeric labels become what factor() makes of them", {
  skip_if_no_python()
  labels <- list(
    as.character(soil_y),
    c(10L, 9L, 2L)[soil_y],
    soil_y == "Oxisol",
    c(2, 10, -1)[soil_y]
  )
  for (y in labels) {
    fit <- quick_fit(y = y)
    expect_identical(fit$classes, levels(factor(y)))
    expect_identical(fit, quick_fit(y = factor(y)))
  }
  expect_identical(quick_fit(y = labels[[2]])$classes, c("2", "9", "10"))
})

test_that("a class called 'NA' is a class", {
  skip_if_no_python()
  y <- factor(c("NA", "b", "c")[soil_y])
  expect_identical(quick_fit(y = y)$classes, c("b", "c", "NA")[order(c("b", "c", "NA"))])
})

test_that("labels beyond ASCII come back as they were", {
  skip_if_no_python()
  y <- factor(c("Tschernosem", "Gley \u00fcber Ton", "\u9ed1\u571f")[soil_y])
  fit <- quick_fit(y = y)
  expect_identical(fit$classes, levels(y))
  expect_identical(levels(predict(fit, soil_x)), levels(y))
})

# --- encoders ------------------------------------------------------------------------------

test_that("a module of the user's own may return a tensor, a mapping or an object", {
  skip_if_no_python()
  tensor <- quick_fit(own_module("tensor"))
  expect_identical(tensor$feature_dim, 6L)
  for (kind in c("dict", "object")) {
    fit <- quick_fit(own_module(kind))
    expect_identical(fit$loss_history, tensor$loss_history)
    expect_identical(prob(fit), prob(tensor))
  }
})

test_that("a module of the user's own is not changed, frozen or fine-tuned", {
  skip_if_no_python()
  module <- own_module()
  before <- reticulate::py$state_of(module)
  for (freeze in c(TRUE, FALSE)) {
    fit <- quick_fit(module, freeze_backbone = freeze, lr = 0.05)
    expect_identical(dim(prob(fit)), c(48L, 3L))
    expect_identical(reticulate::py$state_of(module), before)
  }
  # the fine-tuned weights are those that predict
  tuned <- reticulate::py$state_of(fit$encoder)$state
  expect_false(identical(tuned$conv.weight, before$state$conv.weight))
})

test_that("a fit around a module of the user's own is an encoder, and so is its module", {
  skip_if_no_python()
  fit <- quick_fit(own_module(), freeze_backbone = FALSE, lr = 0.05)
  again <- quick_fit(fit, seed = 6)
  expect_identical(again$loss_history, quick_fit(fit$encoder, seed = 6)$loss_history)
  expect_false(identical(again$loss_history, quick_fit(own_module(), seed = 6)$loss_history))
})

test_that("predict(encoder = ) fills the given module with the saved weights", {
  skip_if_no_python()
  fit <- quick_fit(own_module(), freeze_backbone = FALSE, lr = 0.05)
  fresh <- own_module()
  before <- reticulate::py$state_of(fresh)
  expect_identical(prob(fit, encoder = fresh), prob(fit))
  expect_identical(reticulate::py$state_of(fresh), before)
})

# --- scalars -------------------------------------------------------------------------------

test_that("a scalar crosses without its names, a missing one as NaN", {
  expect_identical(to_scalar(c(epochs = 4)), 4)
  expect_identical(to_scalar(NA), NaN)
  expect_identical(to_scalar(NA_integer_), NaN)
  expect_identical(to_scalar(NA_character_), NaN)
  expect_null(to_scalar(NULL))
  expect_identical(to_scalar(1:2), list(1L, 2L))
  expect_identical(to_scalar(character()), list())
  expect_identical(to_scalar(mean), "<function>")
  expect_identical(to_scalar(quote(a)), "<name>")
})

test_that("what is no plain value crosses as the name of its class, also where it holds itself", {
  others <- list(
    as.POSIXlt(Sys.time()), packageVersion("base"), Sys.Date(), Sys.time(),
    as.difftime(1, units = "days"), data.frame(a = 1), globalenv(), ~a
  )
  for (value in others) {
    name <- sprintf("<%s>", class(value)[[1]])
    expect_identical(to_scalar(value), name)
    expect_identical(to_numbers(value), name)
    expect_identical(to_path(value), list(name))
  }
  expect_identical(to_path("a"), "a")
  expect_null(to_path(NULL))
})

test_that("bytes that are no text cross as R shows them, and text as it is", {
  latin1 <- "caf\xe9"
  Encoding(latin1) <- "latin1"
  bytes <- "caf\xe9"
  Encoding(bytes) <- "bytes"
  expect_identical(to_scalar("caf\xe9"), "caf<e9>")
  expect_identical(to_scalar(bytes), "caf<e9>")
  expect_identical(to_scalar(latin1), "caf\u00e9")
  expect_identical(to_scalar(c("a", NA, "b\xff")), list("a", NA_character_, "b<ff>"))
  expect_identical(to_choice("caf\xe9", c("linear", "mlp")), "caf<e9>")
})

test_that("a class is no name of a file", {
  skip_if_no_python()
  withr::local_dir(withr::local_tempdir())
  for (path in list(globalenv(), ~a, 1, TRUE, Sys.Date(), "caf\xe9")) {
    expect_error(
      foundation_weights_save(soil_encoder(), path), "`path` must be the path of a",
      class = "edaphosbridge_input_error"
    )
  }
  expect_error(foundation_weights_load(mean), class = "edaphosbridge_input_error")
  expect_length(list.files(), 0)
})

test_that("a choice is completed, and what is no choice goes on to be refused", {
  choices <- c("linear", "mlp")
  expect_identical(to_choice(choices, choices), "linear")
  expect_identical(to_choice("ml", choices), "mlp")
  expect_identical(to_choice("deep", choices), "deep")
  expect_identical(to_choice(rev(choices), choices), as.list(rev(choices)))
  expect_identical(to_choice(NA_character_, choices), NaN)
  expect_null(to_choice(NULL, choices))
})

# --- patches that are no array -------------------------------------------------------------

npy_file <- function(x) {
  python_module()
  path <- tempfile(fileext = ".npy")
  reticulate::import("numpy", convert = FALSE)$save(path, reticulate::r_to_py(unname(x)))
  path
}

test_that("the path of a file stands for its patches", {
  skip_if_no_python()
  path <- npy_file(soil_x)
  expect_identical(quick_fit(x = path), quick_fit())
  expect_identical(prob(soil_fit(), path), prob(soil_fit()))
  encoder <- soil_encoder()
  expect_identical(foundation_simclr_embed(encoder, path), foundation_simclr_embed(encoder, soil_x))
  settings <- list(batch_size = 8, epochs = 2, seed = 1)
  expect_identical(
    do.call(foundation_simclr_pretrain, c(list(path), settings)),
    do.call(foundation_simclr_pretrain, c(list(soil_x), settings))
  )
})

test_that("a path is expanded", {
  expect_identical(to_patches("~/x.npy", NULL), path.expand("~/x.npy"))
  expect_identical(to_patches("scene.zarr/patches", NULL), "scene.zarr/patches")
})

test_that("a tile dataset stands for its patches", {
  skip_if_no_python()
  skip_if_not_installed("terra")
  stack <- terra::rast(array(soil_x[1:4000], c(40, 25, 4)))
  tiles <- foundation_tile_dataset(stack, patch_size = 5, n_patches = 48, seed = 1)
  encoder <- soil_encoder()
  features <- foundation_simclr_embed(encoder, tiles)
  sampled <- foundation_simclr_embed(encoder, tiles$sample(48, seed = 1))
  sorted <- function(rows) unname(rows[order(rows[, 1]), ])
  expect_close(sorted(features), sorted(sampled), 1e-6, size_of(sampled))
  fit <- quick_fit(x = tiles)
  expect_identical(dim(prob(fit, tiles)), c(48L, 3L))
})

test_that("a path of nothing that holds patches is an error that names the argument", {
  skip_if_no_python()
  encoder <- soil_encoder()
  expect_refused(
    foundation_simclr_embed(encoder, "gone.npy"), "patches", "names no file",
    of = "foundation_simclr_embed"
  )
  expect_refused(foundation_fit_classifier(encoder, "gone.zarr", soil_y), "x", "names no file")
  expect_refused(
    foundation_fit_classifier(encoder, "x.tif", soil_y), "x", c("path of a .npy", "found 'x.tif'")
  )
  expect_refused(
    foundation_fit_classifier(encoder, c("a.npy", "b.npy"), soil_y), "x", "found character"
  )
  path <- tempfile(fileext = ".npy")
  writeLines("no array", path)
  expect_refused(predict(soil_fit(), path), "x", "cannot be opened", of = "predict")
})

test_that("a matrix in a data frame is a column for each of its own", {
  y <- data.frame(clay = c(1, 2), row.names = 1:2)
  y$sand <- cbind(fine = c(3, 4), coarse = c(5, 6))
  expected <- list(
    values = array(as.double(1:6), c(2L, 3L)), names = list("clay", "sand.fine", "sand.coarse")
  )
  expect_identical(to_targets(y, NULL), expected)
  expect_identical(to_predictors(y, NULL), expected)
  y$sand <- y$sand > 3
  expect_identical(to_label_sets(y, NULL)$names, expected$names)
  y$sand <- array(0, c(2L, 2L, 2L))
  expect_error(to_targets(y, NULL), "`y` must have numbers or a matrix in its column 'sand'.", fixed = TRUE)
  expect_error(to_predictors(y, NULL, "newdata"), "`newdata` must have numbers", fixed = TRUE)
  y$sand <- matrix(0, 2L, 0L)
  expect_error(to_targets(y, NULL), class = "edaphosbridge_input_error")
})
