# --- the call ------------------------------------------------------------------------------

test_that("the arguments and their defaults are those of the specification; others follow", {
  expect_identical(
    as.pairlist(formals(foundation_fit_classifier)[1:16]),
    formals(function(encoder, x, y, freeze_backbone = TRUE, head = c("linear", "mlp"),
                     hidden = c(64L, 32L), dropout = 0, epochs = 30L, batch_size = 32L,
                     lr = 1e-3, weight_decay = 0, backbone_lr_mult = 0.1, val_split = 0.2,
                     device = c("cpu", "mps", "cuda"), seed = NULL, verbose = FALSE) NULL)
  )
  # more: `coords` and `dataset` for a raster, `encoder` and `head` for modules of the user's own,
  # `newdata`, and what maps have, three kinds of doubt among it
  expect_identical(
    as.pairlist(formals(predict.edaphosbridge_classifier)[1:10]),
    formals(function(object, x, type = c("class", "prob", "entropy", "margin", "least_confidence"),
                     device = NULL, ..., coords = NULL, encoder = NULL, newdata, dataset = NULL,
                     head = NULL) NULL)
  )
  expect_identical(
    as.pairlist(formals(predict.edaphosbridge_classifier)[11:20]),
    formals(function(filename = "", overwrite = FALSE, wopt = list(), stride = 1L,
                     block_size = NULL, method = c("exact", "dense"), colours = NULL, client = NULL,
                     resume = TRUE, verbose = FALSE) NULL)
  )
})

# --- the result ----------------------------------------------------------------------------

test_that("a fit has both classes and the elements of the original", {
  skip_if_no_python()
  fit <- soil_fit()
  expect_identical(
    class(fit), c("edaphosbridge_classifier", "edaphosbridge_fit", "edaphos_foundation_classifier")
  )
  expect_type(fit, "list")
  original <- c(
    "encoder", "head", "classes", "ordered", "loss_history", "val_accuracy_history", "config",
    "feature_dim", "head_type", "freeze_backbone", "device"
  )
  expect_named(fit, c(
    original, "in_channels", "patch_size", "class_counts", "overlapping", "normalisation", "state"
  ))
  expect_s3_class(fit$encoder, "edaphosbridge_encoder")
  expect_identical(fit$classes, soil_classes)
  expect_identical(fit$feature_dim, 32L)
  expect_identical(fit$head_type, "linear")
  expect_identical(fit$freeze_backbone, TRUE)
  expect_identical(fit$device, "cpu")
  expect_identical(fit$in_channels, 4L)
  expect_identical(fit$patch_size, c(5L, 5L))
  expect_identical(fit$class_counts, c(Oxisol = 16L, Ultisol = 16L, Inceptisol = 16L))
})

test_that("the histories are numeric, one value an epoch", {
  skip_if_no_python()
  fit <- soil_fit()
  for (history in fit[c("loss_history", "val_accuracy_history")]) {
    expect_type(history, "double")
    expect_length(history, 20)
    expect_null(attributes(history))
    expect_false(anyNA(history))
  }
  expect_true(all(fit$loss_history > 0))
  expect_lt(fit$loss_history[20], fit$loss_history[1])
  expect_true(all(fit$val_accuracy_history >= 0 & fit$val_accuracy_history <= 1))
})

test_that("with val_split = 0 the accuracies are NA, not NaN", {
  skip_if_no_python()
  history <- quick_fit(val_split = 0)$val_accuracy_history
  expect_identical(history, rep(NA_real_, 3))
  expect_false(any(is.nan(history)))
})

test_that("config is a plain list of the ten settings of the original", {
  skip_if_no_python()
  fit <- quick_fit(
    head = "mlp", hidden = c(8, 4), dropout = 0.25, epochs = 2, batch_size = 8, lr = 0.01,
    weight_decay = 1e-4, backbone_lr_mult = 0.5, val_split = 0.25, seed = 3
  )
  expect_identical(
    fit$config,
    list(
      head = "mlp", hidden = c(8L, 4L), dropout = 0.25, epochs = 2L, batch_size = 8L, lr = 0.01,
      weight_decay = 1e-4, backbone_lr_mult = 0.5, val_split = 0.25, seed = 3L
    )
  )
})

test_that("the head holds the weights as arrays of numbers", {
  skip_if_no_python()
  expect_identical(lapply(soil_fit()$head, dim), list(weight = c(3L, 32L), bias = NULL))
  expect_length(soil_fit()$head$bias, 3)
  mlp <- quick_fit(head = "mlp", hidden = 8)$head
  expect_identical(unname(lapply(mlp[grepl("weight", names(mlp))], dim)), list(c(8L, 32L), c(3L, 8L)))
  expect_true(all(vapply(mlp, is.double, logical(1))))
})

test_that("class predictions are a factor with levels = classes", {
  skip_if_no_python()
  predicted <- predict(soil_fit(), soil_x)
  expect_identical(class(predicted), "factor")
  expect_identical(levels(predicted), soil_fit()$classes)
  expect_length(predicted, 48)
  expect_false(anyNA(predicted))
  expect_gt(mean(predicted == soil_y), 0.6)
  expect_identical(predict(soil_fit(), soil_x, type = "class"), predicted)
})

test_that("probabilities are a numeric matrix with colnames = classes, whose rows sum to 1", {
  skip_if_no_python()
  probabilities <- prob(soil_fit())
  expect_identical(class(probabilities), c("matrix", "array"))
  expect_type(probabilities, "double")
  expect_identical(dim(probabilities), c(48L, 3L))
  expect_identical(dimnames(probabilities), list(NULL, soil_fit()$classes))
  expect_close(rowSums(probabilities), rep(1, 48), 1e-14)
  expect_true(all(probabilities >= 0 & probabilities <= 1))
})

test_that("the predicted class is the column of the largest probability", {
  skip_if_no_python()
  largest <- max.col(prob(soil_fit()), ties.method = "first")
  expect_identical(predict(soil_fit(), soil_x), factor(soil_classes[largest], soil_classes))
})

test_that("newdata is another name of x, and both are refused", {
  skip_if_no_python()
  fit <- soil_fit()
  expect_identical(predict(fit, newdata = soil_x), predict(fit, soil_x))
  expect_identical(predict(fit, newdata = soil_x, type = "prob"), prob(fit))
  expect_refused(
    predict(fit, soil_x, newdata = soil_x), "newdata", "give one of the two",
    of = "predict"
  )
  expect_refused(predict(fit), "x", "is missing", of = "predict")
  expect_refused(predict(fit, newdata = "a"), "x", "names no file: a", of = "predict")
})

test_that("one patch and zero patches are predicted", {
  skip_if_no_python()
  fit <- soil_fit()
  expect_close(prob(fit, patches(7)), prob(fit)[7, , drop = FALSE], 1e-6)
  expect_identical(predict(fit, patches(7)), predict(fit, soil_x)[7])
  expect_identical(predict(fit, patches(0)), factor(character(), levels = soil_classes))
  expect_identical(prob(fit, patches(0)), matrix(0, 0, 3, dimnames = list(NULL, soil_classes)))
})

test_that("more patches than one batch are predicted in their order", {
  skip_if_no_python()
  rows <- rep(1:48, length.out = 600)
  expect_close(prob(soil_fit(), patches(rows)), prob(soil_fit())[rows, ], 1e-6)
})

test_that("patches of another height and width are predicted", {
  skip_if_no_python()
  expect_identical(dim(prob(soil_fit(), soil_x[1:5, , 1:3, 1:4])), c(5L, 3L))
})

# --- what a fit does -----------------------------------------------------------------------

test_that("a frozen fit keeps the encoder, full fine-tuning returns another", {
  skip_if_no_python()
  expect_identical(soil_fit()$encoder, soil_encoder())
  tuned <- quick_fit(freeze_backbone = FALSE)
  expect_identical(tuned$freeze_backbone, FALSE)
  expect_false(identical(tuned$encoder$state, soil_encoder()$state))
})

test_that("the data and the encoder are left as they were, shared memory included", {
  skip_if_no_python()
  encoder <- foundation_encoder("moco", 4, seed = 2)
  given <- list(encoder = encoder, x = soil_x + 0, y = soil_y)
  shared <- given$x # another variable with the same memory
  before <- deep_copy(given)
  for (freeze in c(TRUE, FALSE)) {
    fit <- quick_fit(given$encoder, given$x, given$y, freeze_backbone = freeze)
    predict(fit, given$x)
  }
  expect_identical(given, before)
  expect_identical(shared, before$x)
  whole <- array(as.integer(soil_x), dim(soil_x))
  whole_before <- deep_copy(whole)
  predict(quick_fit(x = whole, freeze_backbone = FALSE), whole)
  expect_identical(whole, whole_before)
})

test_that("two fits from one encoder are independent", {
  skip_if_no_python()
  first <- quick_fit(freeze_backbone = FALSE)
  before <- prob(first)
  quick_fit(freeze_backbone = FALSE, seed = 6, lr = 0.1)
  expect_identical(prob(first), before)
})

test_that("a fit and its encoder serve as the encoder of a new fit", {
  skip_if_no_python()
  tuned <- quick_fit(freeze_backbone = FALSE, lr = 0.05)
  from_encoder <- quick_fit(tuned$encoder)
  expect_identical(from_encoder$encoder, tuned$encoder)
  expect_identical(quick_fit(tuned), from_encoder)
})

test_that("all training rows count: N = 41 leaves a last batch of one patch", {
  skip_if_no_python()
  encoder <- foundation_encoder("moco", 4, seed = 2)
  fit <- quick_fit(
    encoder, patches(1:41), soil_y[1:41],
    freeze_backbone = FALSE, val_split = 0, epochs = 1
  )
  expect_true(is.finite(fit$loss_history))
})

test_that("each setting has its effect", {
  skip_if_no_python()
  plain <- quick_fit()
  loss <- function(...) quick_fit(...)$loss_history
  expect_false(identical(loss(batch_size = 8), plain$loss_history))
  expect_false(identical(loss(lr = 0.01), plain$loss_history))
  expect_false(identical(loss(weight_decay = 0.5), plain$loss_history))
  expect_false(identical(loss(val_split = 0.5), plain$loss_history))
  expect_false(identical(loss(head = "mlp"), plain$loss_history))
  expect_false(identical(loss(head = "mlp", dropout = 0.5), loss(head = "mlp")))
  expect_false(identical(
    loss(freeze_backbone = FALSE, backbone_lr_mult = 1),
    loss(freeze_backbone = FALSE)
  ))
  # the linear head has no hidden layer and no dropout
  expect_identical(loss(hidden = 3, dropout = 0.5), plain$loss_history)
  # a backbone at rate 0 does not move
  expect_identical(quick_fit(freeze_backbone = FALSE, backbone_lr_mult = 0)$encoder, soil_encoder())
})

test_that("whole doubles are whole numbers", {
  skip_if_no_python()
  doubles <- quick_fit(head = "mlp", hidden = c(8, 4), epochs = 40, batch_size = 8, seed = 3)
  integers <- quick_fit(head = "mlp", hidden = c(8L, 4L), epochs = 40L, batch_size = 8L, seed = 3L)
  expect_identical(doubles, integers)
  expect_length(doubles$loss_history, 40)
})

test_that("choices are taken by abbreviation, as match.arg() does, and default to the first", {
  skip_if_no_python()
  expect_identical(quick_fit(head = "lin")$head_type, "linear")
  expect_identical(quick_fit(head = "m", hidden = 4)$head_type, "mlp")
  expect_identical(quick_fit(device = "cp"), quick_fit())
  expect_identical(quick_fit(head = c("linear", "mlp")), quick_fit())
  expect_identical(predict(soil_fit(), soil_x, "p"), prob(soil_fit()))
  expect_identical(predict(soil_fit(), soil_x, c("class", "prob")), predict(soil_fit(), soil_x))
})

# --- seeds ---------------------------------------------------------------------------------

test_that("the same seed gives identical fits and probabilities, another seed others", {
  skip_if_no_python()
  for (freeze in c(TRUE, FALSE)) {
    one <- quick_fit(freeze_backbone = freeze, head = "mlp", dropout = 0.3, seed = 21)
    again <- quick_fit(freeze_backbone = freeze, head = "mlp", dropout = 0.3, seed = 21)
    expect_identical(again, one)
    expect_identical(prob(again), prob(one))
    other <- quick_fit(freeze_backbone = freeze, head = "mlp", dropout = 0.3, seed = 22)
    expect_false(identical(other$loss_history, one$loss_history))
  }
})

test_that("with seed = NULL set.seed() reproduces, and config keeps the seed that was drawn", {
  skip_if_no_python()
  withr::local_seed(1)
  one <- quick_fit(seed = NULL)
  next_one <- quick_fit(seed = NULL)
  set.seed(1)
  expect_identical(quick_fit(seed = NULL), one)
  expect_false(identical(next_one$config$seed, one$config$seed))
  expect_identical(quick_fit(seed = one$config$seed), one)
})

test_that("an explicit seed leaves R's generator alone", {
  skip_if_no_python()
  withr::local_seed(1)
  before <- random_state()
  predict(quick_fit(seed = 8), soil_x)
  expect_identical(random_state(), before)
})

test_that("a refused call with seed = NULL draws nothing from R's generator", {
  skip_if_no_python()
  withr::local_seed(1)
  before <- random_state()
  broken <- soil_x
  broken[5] <- NA
  expect_error(quick_fit(x = broken, seed = NULL), class = "edaphosbridge_input_error")
  expect_error(quick_fit(x = soil_x[, 1:3, , ], seed = NULL), class = "edaphosbridge_input_error")
  expect_error(quick_fit(y = soil_y[-1], seed = NULL), class = "edaphosbridge_input_error")
  expect_error(quick_fit(epochs = 0, seed = NULL), class = "edaphosbridge_input_error")
  expect_error(
    quick_fit(x = patches(1), y = soil_y[1], seed = NULL),
    class = "edaphosbridge_input_error"
  )
  expect_identical(random_state(), before)
})

test_that("config keeps a seed beyond R's integers, and a negative one", {
  skip_if_no_python()
  large <- quick_fit(seed = 2^40)
  expect_identical(large$config$seed, 2^40)
  expect_identical(quick_fit(seed = large$config$seed), large)
  expect_identical(quick_fit(seed = -3)$config$seed, -3L)
})

# --- saving --------------------------------------------------------------------------------

test_that("a fit holds no pointer and no environment", {
  skip_if_no_python()
  types <- function(object) {
    parts <- if (is.list(object)) unlist(lapply(object, types))
    c(typeof(object), parts, unlist(lapply(attributes(object), types)))
  }
  for (freeze in c(TRUE, FALSE)) {
    fit <- quick_fit(freeze_backbone = freeze)
    predict(fit, soil_x)
    kinds <- unique(unname(types(fit)))
    plain <- c("list", "character", "integer", "double", "logical", "raw", "NULL")
    expect_identical(setdiff(kinds, plain), character())
  }
})

test_that("saved fits predict the same probabilities in a fresh R", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  fits <- list(
    linear = soil_fit(),
    mlp = quick_fit(head = "mlp", dropout = 0.2),
    full = quick_fit(foundation_encoder("moco", 4, seed = 2), freeze_backbone = FALSE)
  )
  own <- quick_fit(own_module("dict"), freeze_backbone = FALSE)
  workspace <- new.env()
  workspace$linear <- fits$linear
  saveRDS(fits, file.path(folder, "fits.rds"))
  saveRDS(own, file.path(folder, "own.rds"))
  save(list = "linear", envir = workspace, file = file.path(folder, "workspace.RData"))
  saveRDS(list(encoder = soil_encoder(), x = soil_x, y = soil_y), file.path(folder, "data.rds"))

  fresh <- in_fresh_r(
    function(folder, own_module_code) {
      read <- function(name) readRDS(file.path(folder, name))
      library(edaphosbridge)
      data <- read("data.rds")
      fits <- read("fits.rds")
      started <- reticulate::py_available()
      load(file.path(folder, "workspace.RData"))
      own <- read("own.rds")
      refused <- tryCatch(predict(own, data$x), error = function(condition) condition)
      as_encoder <- tryCatch(
        foundation_fit_classifier(own, data$x, data$y),
        error = function(condition) condition
      )
      reticulate::py_run_string(own_module_code)
      module <- reticulate::py$make_module("dict")
      wrong <- tryCatch(
        predict(own, data$x, encoder = data$encoder),
        error = function(condition) condition
      )
      list(
        started = started,
        class = lapply(fits, predict, data$x),
        prob = lapply(fits, predict, data$x, type = "prob"),
        loaded = predict(linear, data$x, type = "prob"),
        shown = utils::capture.output(print(own)),
        again = foundation_fit_classifier(
          fits$full, data$x, data$y,
          epochs = 3, seed = 5
        )$loss_history,
        refused = refused,
        as_encoder = as_encoder,
        wrong = wrong,
        own = predict(own, data$x, type = "prob", encoder = module)
      )
    },
    list(folder, own_module_code)
  )

  expect_false(fresh$started)
  expect_identical(fresh$class, lapply(fits, predict, soil_x))
  expect_identical(fresh$prob, lapply(fits, prob))
  expect_identical(fresh$loaded, prob(soil_fit()))
  expect_identical(fresh$again, quick_fit(fits$full)$loss_history)
  # a fit around a module of the user's own asks for the module
  expect_identical(
    class(fresh$refused),
    c("edaphosbridge_weights_error", "edaphosbridge_error", "error", "condition")
  )
  expect_match(conditionMessage(fresh$refused), "module of your own")
  expect_match(conditionMessage(fresh$refused), "encoder=", fixed = TRUE)
  expect_identical(fresh$as_encoder$argument, "encoder")
  expect_match(conditionMessage(fresh$as_encoder), "another R session")
  expect_s3_class(fresh$wrong, "edaphosbridge_weights_error")
  expect_match(conditionMessage(fresh$wrong), "do not fit")
  expect_identical(fresh$shown, format(own))
  expect_identical(fresh$own, prob(own))
})

test_that("a damaged state is a weights error in the user's own call", {
  skip_if_no_python()
  broken <- soil_fit()
  broken$state <- broken$state[1:100]
  condition <- expect_error(predict(broken, soil_x), class = "edaphosbridge_weights_error")
  expect_identical(conditionCall(condition), quote(predict(broken, soil_x)))
})

# --- S3 ------------------------------------------------------------------------------------

test_that("a method for the original's class, registered or global, does not win", {
  skip_if_no_python()
  own_method <- list(
    predict = function(object, ...) "the original's",
    print = function(x, ...) cat("the original's\n")
  )
  spaces <- list(predict = asNamespace("stats"), print = baseenv())
  for (generic in names(own_method)) {
    method <- paste0(generic, ".edaphos_foundation_classifier")
    registerS3method(
      generic, "edaphos_foundation_classifier", own_method[[generic]],
      envir = spaces[[generic]]
    )
    assign(method, own_method[[generic]], envir = globalenv())
  }
  withr::defer(for (generic in names(own_method)) {
    method <- paste0(generic, ".edaphos_foundation_classifier")
    rm(list = method, envir = globalenv())
    rm(list = method, envir = spaces[[generic]][[".__S3MethodsTable__."]])
  })
  expect_true(inherits(soil_fit(), "edaphos_foundation_classifier"))
  called <- function(call) eval(call, list(fit = soil_fit(), x = soil_x), globalenv())
  expect_identical(called(quote(predict(fit, x))), predict(soil_fit(), soil_x))
  expect_identical(utils::capture.output(called(quote(print(fit)))), format(soil_fit()))
  # an object of the original alone still reaches the original's method
  original <- structure(list(), class = "edaphos_foundation_classifier")
  expect_identical(eval(quote(predict(it)), list(it = original), globalenv()), "the original's")
})
