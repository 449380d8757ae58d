with_values <- function(x, at, values) {
  x[at] <- values
  x
}

# --- what bad input gets: x ----------------------------------------------------------------

test_that("NA, NaN and infinity in x: how many patches, and which first, counted from 1", {
  skip_if_no_python()
  encoder <- soil_encoder()
  # patch 3 twice, patch 48 once: cells of the column-major array
  twice <- with_values(soil_x, cbind(c(3, 3, 48), c(1, 4, 2), 1, c(5, 1, 5)), c(NA, NaN, -Inf))
  expect_refused(
    foundation_fit_classifier(encoder, twice, soil_y),
    "x", c("NA, NaN or infinite", "2 of 48 patches", "first: 3, 48; counted from 1")
  )
  for (value in c(NA, NaN, Inf, -Inf, 1e300)) { # 1e300 is infinite in float32
    expect_refused(
      foundation_fit_classifier(encoder, with_values(soil_x, 1, value), soil_y),
      "x", c("1 of 48 patches", "first: 1;")
    )
  }
  expect_refused(
    foundation_fit_classifier(encoder, with_values(soil_x, 11:17, NA), soil_y),
    "x", c("7 of 48 patches", "first: 11, 12, 13, 14, 15, ...; counted from 1")
  )
})

test_that("NA_integer_ and logical NA in x are missing, not numbers", {
  skip_if_no_python()
  encoder <- soil_encoder()
  whole <- array(as.integer(soil_x), dim(soil_x))
  expect_refused(
    foundation_fit_classifier(encoder, with_values(whole, c(2, 50), NA_integer_), soil_y),
    "x", c("1 of 48 patches", "first: 2;")
  )
  expect_refused(
    foundation_fit_classifier(encoder, with_values(soil_x > 8, 48, NA), soil_y),
    "x", c("1 of 48 patches", "first: 48;")
  )
})

test_that("x that is no 4-D array of numbers", {
  skip_if_no_python()
  encoder <- soil_encoder()
  expect_refused(
    foundation_fit_classifier(encoder, soil_x[1, , , ], soil_y),
    "x", c("four dimensions", "found c(4, 5, 5)", "(1, C, H, W)")
  )
  expect_refused(foundation_fit_classifier(encoder, 1:48, soil_y), "x", "found c(48)")
  expect_refused(foundation_fit_classifier(encoder, 5, soil_y), "x", "found c(1)")
  expect_refused(
    foundation_fit_classifier(encoder, array(soil_x, c(48, 4, 5, 5, 1)), soil_y),
    "x", "found c(48, 4, 5, 5, 1)"
  )
  expect_refused(
    foundation_fit_classifier(encoder, soil_x[, 0, , ], soil_y), "x", c("zero", "c(48, 0, 5, 5)")
  )
  expect_refused(
    foundation_fit_classifier(encoder, patches(0), soil_y[0]), "x", c("zero", "c(0, 4, 5, 5)")
  )
  expect_refused(
    foundation_fit_classifier(encoder, array("a", dim(soil_x)), soil_y), "x", "found"
  )
  expect_refused(foundation_fit_classifier(encoder, NULL, soil_y), "x", "found NULL")
  expect_refused(foundation_fit_classifier(encoder, list(1), soil_y), "x", "found list")
  expect_refused(
    foundation_fit_classifier(encoder, data.frame(a = 1:48), soil_y), "x", "found data.frame"
  )
  expect_refused(
    foundation_fit_classifier(encoder, array(1i, dim(soil_x)), soil_y), "x", "found"
  )
  expect_refused(foundation_fit_classifier(encoder, soil_y, soil_y), "x", "found factor")
  expect_refused(foundation_fit_classifier(encoder, y = soil_y), "x", "is missing")
})

test_that("the wrong number of channels: both numbers", {
  skip_if_no_python()
  wrong <- soil_x[, 1:3, , ]
  says <- c("4 channels", "found 3")
  expect_refused(foundation_fit_classifier(soil_encoder(), wrong, soil_y), "x", says)
  module <- own_module()
  expect_refused(foundation_fit_classifier(module, wrong, soil_y), "x", says)
})

# --- what bad input gets: y ----------------------------------------------------------------

test_that("NA in y: how many labels, and which first, counted from 1", {
  skip_if_no_python()
  encoder <- soil_encoder()
  says <- c("NA in 2 of 48 labels", "first: 4, 9; counted from 1")
  for (y in list(soil_y, as.character(soil_y), as.integer(soil_y), soil_y == "Oxisol")) {
    y <- with_values(y, c(4, 9), NA)
    expect_refused(foundation_fit_classifier(encoder, soil_x, y), "y", says)
  }
  with_level <- addNA(with_values(soil_y, c(4, 9), NA))
  expect_refused(foundation_fit_classifier(encoder, soil_x, with_level), "y", says)
  expect_refused(
    foundation_fit_classifier(encoder, soil_x, rep(NA, 48)), "y", "NA in 48 of 48 labels"
  )
})

test_that("y of the wrong length: both numbers", {
  skip_if_no_python()
  encoder <- soil_encoder()
  expect_refused(
    foundation_fit_classifier(encoder, soil_x, soil_y[-1]), "y", c("48 patches", "found 47")
  )
  expect_refused(
    foundation_fit_classifier(encoder, soil_x, rep(soil_y, 2)), "y", c("48 patches", "found 96")
  )
})

test_that("a single class", {
  skip_if_no_python()
  encoder <- soil_encoder()
  expect_refused(
    foundation_fit_classifier(encoder, soil_x, rep("Oxisol", 48)),
    "y", c("two classes", "found c('Oxisol')")
  )
  one_used <- factor(rep("b", 48), levels = c("a", "b", "c"))
  expect_refused(
    foundation_fit_classifier(encoder, soil_x, one_used), "y", c("two classes", "found c('b')")
  )
})

test_that("y that is no vector of labels", {
  skip_if_no_python()
  encoder <- soil_encoder()
  expect_refused(foundation_fit_classifier(encoder, soil_x, NULL), "y", "found NULL")
  expect_refused(foundation_fit_classifier(encoder, soil_x, as.list(soil_y)), "y", "found list")
  expect_refused(
    foundation_fit_classifier(encoder, soil_x, data.frame(soil_y)), "y", "found data.frame"
  )
  expect_refused(foundation_fit_classifier(encoder, soil_x, mean), "y", "found function")
  expect_refused(foundation_fit_classifier(encoder, soil_x), "y", "is missing")
})

# --- what bad input gets: encoder ----------------------------------------------------------

test_that("an encoder that is not one", {
  skip_if_no_python()
  model <- stats::lm(dist ~ speed, datasets::cars)
  not_encoders <- list("moco", list(1), NULL, mean, model, 5, as.raw(1:9))
  found <- c("character", "list", "NULL", "function", "lm", "numeric", "raw")
  for (i in seq_along(found)) {
    encoder <- not_encoders[[i]]
    expect_refused(
      foundation_fit_classifier(encoder, soil_x, soil_y), "encoder", paste("found", found[[i]])
    )
  }
  expect_refused(foundation_fit_classifier(x = soil_x, y = soil_y), "encoder", "is missing")
  expect_refused(
    predict(soil_fit(), soil_x, encoder = "moco"), "encoder", "found character",
    of = "predict"
  )
})

test_that("a Python object that is no module, and modules that give no features", {
  skip_if_no_python()
  dict <- reticulate::import_builtins(convert = FALSE)$dict(a = 1L)
  expect_refused(
    foundation_fit_classifier(dict, soil_x, soil_y), "encoder", c("torch.nn.Module", "dict")
  )
  lists <- own_module("list")
  expect_refused(
    foundation_fit_classifier(lists, soil_x, soil_y), "encoder", c("must return", "list")
  )
  failing <- own_module(fail_on = 1L)
  expect_refused(
    foundation_fit_classifier(failing, soil_x, soil_y),
    "encoder", c("[1, 4, 5, 5]", "RuntimeError: the encoder of the user fails")
  )
})

# --- what bad input gets: settings ---------------------------------------------------------

# Each value of `values` is refused as `argument`, with the text beside it in the message.
expect_settings_refused <- function(argument, values, found, ...) {
  for (i in seq_along(found)) {
    args <- list(quote(soil_encoder()), quote(soil_x), quote(soil_y), ...)
    args[argument] <- values[i] # keeps NULL
    call <- as.call(c(quote(foundation_fit_classifier), args))
    condition <- expect_refused(eval(call), argument, paste0("found ", found[[i]]))
    expect_identical(conditionCall(condition), call)
  }
}

test_that("unknown choices of head and device", {
  skip_if_no_python()
  values <- list("deep", "", NULL, NA, NA_character_, 1, c("mlp", "linear"), TRUE, mean)
  found <- c("'deep'", "''", "NULL", "NA", "NA", "1", "c('mlp', 'linear')", "TRUE", "'<function>'")
  expect_settings_refused("head", values, found)
  values[[7]] <- c("cpu", "cuda")
  found[[7]] <- "c('cpu', 'cuda')"
  expect_settings_refused("device", values, found)
})

test_that("epochs and batch_size that are no positive whole numbers", {
  skip_if_no_python()
  values <- list(
    0, -1L, 2.7, NA, NA_integer_, NaN, Inf, "30", TRUE, NULL, c(10, 20), integer(), list(5), mean,
    quote(quote(a + b)), globalenv() # the call is evaluated once more
  )
  found <- c(
    "0", "-1", "2.7", "NA", "NA", "NA", "Inf", "'30'", "TRUE", "NULL", "c(10, 20)", "c()", "c(5)",
    "'<function>'", "'<call>'", "'<environment>'"
  )
  for (argument in c("epochs", "batch_size")) {
    expect_settings_refused(argument, values, found)
  }
})

test_that("rates that are no numbers of their range", {
  skip_if_no_python()
  values <- list(0, -0.1, NA, NaN, Inf, "0.1", NULL, c(0.1, 0.2), TRUE)
  found <- c("0", "-0.1", "NA", "NA", "Inf", "'0.1'", "NULL", "c(0.1, 0.2)", "TRUE")
  expect_settings_refused("lr", values, found)
  for (argument in c("weight_decay", "backbone_lr_mult")) {
    expect_settings_refused(argument, values[-1], found[-1])
  }
})

test_that("dropout and val_split outside [0, 1)", {
  skip_if_no_python()
  values <- list(1, -0.1, 1.5, NA, NaN, "0.1", NULL, c(0.1, 0.2), FALSE)
  found <- c("1", "-0.1", "1.5", "NA", "NA", "'0.1'", "NULL", "c(0.1, 0.2)", "FALSE")
  for (argument in c("dropout", "val_split")) {
    expect_settings_refused(argument, values, found)
  }
})

test_that("val_split that leaves no training row", {
  skip_if_no_python()
  # only one row can lose its only training row, and one row cannot have two classes
  expect_refused(
    foundation_fit_classifier(soil_encoder(), patches(1), soil_y[1]), "y", "two classes"
  )
  fit <- suppressWarnings(quick_fit(x = patches(1:2), y = soil_y[1:2], val_split = 0.999))
  expect_length(fit$loss_history, 3)
})

test_that("flags that are neither TRUE nor FALSE", {
  skip_if_no_python()
  values <- list("yes", NA, 1, 0L, NULL, c(TRUE, FALSE), logical(), "TRUE")
  found <- c("'yes'", "NA", "1", "0", "NULL", "c(TRUE, FALSE)", "c()", "'TRUE'")
  for (argument in c("freeze_backbone", "verbose")) {
    expect_settings_refused(argument, values, found)
  }
})

test_that("hidden widths that are none, or empty with head = \"mlp\"", {
  skip_if_no_python()
  values <- list(integer(), NULL, 0, c(8, -1), c(8, NA), c(8, 2.5), "64", TRUE, mean)
  found <- c(
    "c()", "c()", "c(0)", "c(8, -1)", "c(8, NA)", "c(8, 2.5)", "c('64')", "c(TRUE)", "'<function>'"
  )
  expect_settings_refused("hidden", values, found, head = "mlp")
  expect_identical(quick_fit(hidden = NULL)$head_type, "linear")
})

test_that("seeds that are no whole numbers", {
  skip_if_no_python()
  values <- list(1.5, NA, NaN, Inf, "1", c(1, 2), TRUE, 2^60)
  found <- c("1.5", "NA", "NA", "Inf", "'1'", "c(1, 2)", "TRUE", "1.15292150460685e+18")
  expect_settings_refused("seed", values, found)
})

# --- what bad input gets: predict ----------------------------------------------------------

test_that("predict() refuses what the fit refuses, in its own name", {
  skip_if_no_python()
  fit <- soil_fit()
  refused <- function(code, argument, says) expect_refused(code, argument, says, of = "predict")
  refused(
    predict(fit, with_values(soil_x, c(5, 47), NA)),
    "x", c("2 of 48 patches", "first: 5, 47; counted from 1")
  )
  refused(
    predict(fit, patches(rep(1:48, 10)) + c(rep(0, 470), Inf, rep(0, 9))),
    "x", c("1 of 480 patches", "first: 471;")
  )
  whole <- array(as.integer(soil_x), dim(soil_x))
  refused(predict(fit, with_values(whole, 9, NA)), "x", c("1 of 48 patches", "first: 9;"))
  refused(predict(fit, with_values(soil_x > 8, 9, NA)), "x", c("1 of 48 patches", "first: 9;"))
  refused(predict(fit, soil_x[, 1:2, , ]), "x", c("4 channels", "found 2"))
  refused(predict(fit, soil_x[0, 1:2, , ]), "x", c("4 channels", "found 2"))
  refused(predict(fit, soil_x[1, , , ]), "x", "found c(4, 5, 5)")
  refused(predict(fit, soil_x[, , 0, ]), "x", "zero")
  refused(predict(fit, NULL), "x", "found NULL")
  refused(predict(fit), "x", "is missing")
  refused(predict(fit, soil_x, type = "link"), "type", c("'class', 'prob'", "found 'link'"))
  refused(predict(fit, soil_x, type = NULL), "type", "found NULL")
  refused(predict(fit, soil_x, type = c("prob", "class")), "type", "found c('prob', 'class')")
  refused(predict(fit, soil_x, device = "tpu"), "device", c("'cuda'", "found 'tpu'"))
  refused(predict(fit, soil_x, device = NA), "device", "found NA")
  refused(predict(fit, soil_x, device = c("cpu", "cuda")), "device", "found c('cpu', 'cuda')")
})

# --- when ----------------------------------------------------------------------------------

test_that("input is refused before any training", {
  skip_if_no_python()
  expect_no_message(
    expect_error(quick_fit(y = with_values(soil_y, 1, NA), verbose = TRUE, epochs = 1e6))
  )
})
