# Methods on few labels; tests/test_few_label_experiment.py has the rules.

half <- withr::with_seed(2, sample(rep(1:2, 24)))
small_simclr <- list(foundation_simclr_pretrain, feature_dim = 6, proj_dim = 4, epochs = 2)

few <- function(methods = list(SimCLR = small_simclr), ..., x = soil_x, y = soil_y, labels = 9,
                folds = half, repeats = 2, epochs = 1, batch_size = 4, seed = 3) {
  foundation_few_label_experiment(
    methods, x, y, labels,
    folds = folds, repeats = repeats, epochs = epochs, batch_size = batch_size, ..., seed = seed
  )
}

two_methods <- function() {
  if (is.null(made$few)) {
    made$few <- few(list(SimCLR = small_simclr, ours = soil_encoder()), labels = c(6, Inf), repeats = 4)
  }
  made$few
}

numbers_of <- function(found) {
  found$table$seconds <- found$pretraining$seconds <- NULL
  unclass(found)[c("table", "differences", "pretraining", "config")]
}

test_that("all methods stand in one table, with means and differences", {
  skip_if_no_python()
  found <- two_methods()
  expect_s3_class(found, c("edaphosbridge_few_label_experiment", "edaphosbridge_result"), exact = TRUE)
  expect_named(found$table, c(
    "method", "labels", "repeat", "fold", "n_train", "n_test", "accuracy", "balanced_accuracy",
    "log_loss", "seconds"
  ))
  methods <- c(
    "SimCLR", "SimCLR, probe", "ours", "ours, probe",
    "from scratch (SimCLR), 1 epoch", "from scratch (SimCLR), 2 epochs",
    "from scratch (ours), 1 epoch", "from scratch (ours), 2 epochs",
    "raw pixels", "random convolutions", "image statistics"
  )
  expect_identical(unique(found$table$method), methods)
  expect_identical(unique(found$table$labels), c(6, Inf))
  expect_identical(found$table[["repeat"]][found$table$method == "ours"], rep(1:4, 2))
  expect_identical(unique(found$table$fold), 1:2)
  pixels <- found$table[found$table$method == "raw pixels" & found$table$labels == 6, ]
  row <- found$summary[found$summary$method == "raw pixels" & found$summary$labels == 6, ]
  expect_close(row$log_loss, mean(pixels$log_loss), 1e-12)
  expect_close(row$log_loss_sd, stats::sd(pixels$log_loss), 1e-12)
  expect_named(found$differences, c(
    "method", "minus", "labels", "difference", "conf.low", "conf.high", "above", "n"
  ))
  ours <- found$table[found$table$method == "ours, probe" & found$table$labels == 6, ]
  row <- found$differences[found$differences$method == "ours, probe" &
    found$differences$minus == "raw pixels" & found$differences$labels == 6, ]
  off <- ours$accuracy - pixels$accuracy
  units <- tapply(off, ours$fold, mean)
  interval <- stats::t.test(units)$conf.int
  expect_close(c(row$difference, row$conf.low, row$conf.high), c(mean(units), interval[1:2]), 1e-9)
  expect_identical(row$above, sum(off > 0))
  expect_identical(found$pretraining[c("method", "fold")], data.frame(method = "SimCLR", fold = 1:2))
  expect_identical(found$config$scratch_epochs, 1:2)
})

test_that("a function, one with settings, and one of one's own are methods", {
  skip_if_no_python()
  seen <- list()
  own <- function(x, seed) {
    seen[[length(seen) + 1L]] <<- list(dim(x), seed)
    foundation_simclr_pretrain(x, feature_dim = 6, proj_dim = 4, epochs = 2, seed = seed)
  }
  expected <- numbers_of(few())
  expect_identical(numbers_of(few(list(SimCLR = own))), expected)
  expect_identical(seen, list(list(c(24L, 4L, 5L, 5L), 3L), list(c(24L, 4L, 5L, 5L), 4L)))
  encoder <- foundation_encoder("simclr", 4, feature_dim = 6, seed = 2)
  from <- few(list(SimCLR = list(foundation_simclr_pretrain, epochs = 2, encoder = encoder)))
  expect_false(identical(numbers_of(from)$table, expected$table))
  plain <- few(list(a = foundation_simclr_pretrain), scratch_epochs = integer(0))
  expect_identical(unique(plain$table$method)[1:3], c("a", "a, probe", "raw pixels"))
  expect_identical(plain$config$scratch_epochs, integer(0))
  module <- few(list(mine = own_module()), scratch_epochs = 1L)
  expect_identical(nrow(module$pretraining), 0L)
  expect_identical(names(module$pretraining), c("method", "fold", "seconds"))
})

test_that("each verb that pretrains is a method, with settings of its own", {
  skip_if_no_python()
  methods <- list(
    MoCo = list(foundation_moco_pretrain, epochs = 2, queue_size = 16L),
    SimCLR = small_simclr,
    rotation = list(foundation_rotation_pretrain, epochs = 1, batch_size = 8L),
    SwAV = list(foundation_swav_pretrain, epochs = 2, batch_size = 8L, n_prototypes = 4L)
  )
  found <- few(methods, scratch_epochs = integer(0))
  expect_identical(
    found$pretraining[c("method", "fold")],
    data.frame(method = rep(names(methods), each = 2L), fold = rep(1:2, 4L))
  )
  fits <- lapply(methods, function(method) { # as for the first fold
    do.call(method[[1L]], c(list(patches(which(half != 1))), method[-1L], seed = 3))
  })
  ready <- few(fits, scratch_epochs = integer(0))
  first <- lapply(list(found, ready), function(each) {
    each$table[each$table[["repeat"]] == 1L, c("method", "log_loss")]
  })
  expect_identical(first[[1L]], first[[2L]])
})

test_that("what leaves a function of one's own arrives as it is", {
  skip_if_no_python()
  expect_error(few(list(mine = function(x, seed) stop("no cells"))), "^no cells$")
  told <- tryCatch(few(list(mine = list(function(x, seed, of) of, of = stop))), error = identity)
  expect_s3_class(told, "edaphosbridge_input_error")
  told <- tryCatch(few(list(a = function(x, seed, of) of)), error = identity)
  expect_identical(deparse(conditionCall(told)), "pretrain(x, seed = seed)")
  own <- function(x, seed) stop(errorCondition("mine", class = "of_my_own"))
  expect_error(few(list(mine = own)), class = "of_my_own")
  expect_error(
    few(list(mine = function(x, seed) 3)), "found numeric",
    class = "edaphosbridge_input_error"
  )
  expect_identical(numbers_of(few()), numbers_of(few()))
})

test_that("labels may be missing, and a test set is tested in each repeat", {
  skip_if_no_python()
  some <- soil_y
  some[seq(1, 48, by = 4)] <- NA
  found <- few(y = some, labels = Inf)
  expect_identical(
    found$table$n_train[found$table$method == "SimCLR"],
    c(sum(half != 1 & !is.na(some)), sum(half != 2 & !is.na(some)))
  )
  tested <- few(
    x = patches(1:36), y = soil_y[1:36], folds = NULL, test = list(x = patches(37:48), y = soil_y[37:48])
  )
  expect_identical(unique(tested$table$n_test), 12L)
  expect_identical(tested$config$by, "test")
  expect_identical(nrow(tested$pretraining), 1L)
})

test_that("numbers are the same whatever the number of processes, and from set.seed()", {
  skip_if_no_python()
  expect_identical(numbers_of(few(n_jobs = 2)), numbers_of(few()))
  withr::local_seed(1)
  one <- few(seed = NULL, folds = NULL)
  set.seed(1)
  expect_identical(numbers_of(few(seed = NULL, folds = NULL)), numbers_of(one))
})

test_that("a folder keeps what is finished for the same call, and for no other", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  expected <- few(checkpoint_dir = folder)
  files <- list.files(folder, full.names = TRUE)
  expect_length(files, 2L + 2L * 7L)
  unlink(files[[3L]])
  again <- few(checkpoint_dir = folder)
  expect_identical(numbers_of(again), numbers_of(expected))
  expect_identical(again$table$seconds[-1L], expected$table$seconds[-1L])
  refused <- function(says, argument = "checkpoint_dir", ...) {
    expect_refused(
      foundation_few_label_experiment(
        x = soil_x, y = soil_y, folds = half, repeats = 2, epochs = 1, batch_size = 4, seed = 3,
        checkpoint_dir = folder, ...
      ),
      argument, says,
      of = "foundation_few_label_experiment"
    )
  }
  refused("labels = [9] there, [12] here", methods = list(SimCLR = small_simclr), labels = 12)
  refused("a function of your own", "methods", methods = list(a = function(x, seed) x), labels = 9)
})

test_that("verbose tells of each part", {
  skip_if_no_python()
  told <- testthat::capture_messages(few(verbose = TRUE, scratch_epochs = integer(0)))
  expect_length(told, 2L + 2L * 5L)
  expect_match(told[[2]], "[few labels] SimCLR pretrained beside fold 2 (2/2)", fixed = TRUE)
  expect_match(told[[3]], "[few labels] SimCLR, 9 labels, repeat 1 (1/10)  accuracy=", fixed = TRUE)
})

test_that("it prints, is a table, and is drawn", {
  skip_if_no_python()
  found <- two_methods()
  shown <- utils::capture.output(print(found))
  expect_identical(shown, format(found))
  expect_identical(shown[1:2], c(
    "<edaphos_few_label_experiment>", "  4 repeats, 48 patches tested in 2 folds"
  ))
  expect_identical(as.data.frame(found), found$table)
  expect_identical(deep_copy(found), found)
  withr::with_pdf(tempfile(), {
    before <- graphics::par(c("mfrow", "mai"))
    expect_identical(plot(found), found)
    expect_identical(plot(found, "seconds"), found)
    expect_identical(graphics::par(c("mfrow", "mai")), before)
    long <- found
    long$table$method <- paste(long$table$method, strrep("and so on ", 12))
    long$table <- do.call(rbind, lapply(1:6, function(n) replace(long$table, "labels", n)))
    expect_identical(plot(long), long)
    expect_error(plot(found, "rmse"), class = "edaphosbridge_input_error", "must be some of")
  })
  skip_if_lacking("generics")
  expect_identical(generics::tidy(found), found$table)
  skip_if_lacking("ggplot2")
  drawn <- ggplot2::autoplot(found, measures = "accuracy")
  expect_setequal(ggplot2::layer_data(drawn, 2L)$x, found$table$accuracy)
  expect_identical(levels(ggplot2::layer_data(drawn, 2L)$PANEL), c("1", "2"))
  expect_error(ggplot2::autoplot(found, 3), class = "edaphosbridge_input_error")
})

test_that("bad input is named before any work", {
  skip_if_no_python()
  refused <- function(argument, says, methods = list(SimCLR = small_simclr), labels = 9, ..., y = soil_y) {
    expect_refused(
      foundation_few_label_experiment(methods, soil_x, y, labels, ...), argument, says,
      of = "foundation_few_label_experiment"
    )
  }
  expect_refused(
    foundation_few_label_experiment(x = soil_x, y = soil_y, labels = 9), "methods", "is missing",
    of = "foundation_few_label_experiment"
  )
  expect_refused(
    foundation_few_label_experiment(list(a = soil_encoder()), soil_x, soil_y), "labels", "is missing",
    of = "foundation_few_label_experiment"
  )
  refused("methods", "found no names", list(soil_encoder()))
  refused("methods", "found none", list())
  refused("methods", "found character", "moco")
  refused("methods", "found edaphosbridge_encoder", soil_encoder())
  refused("methods", "names 'a' twice", list(a = soil_encoder(), a = soil_encoder()))
  refused("methods", "found numeric", list(a = 3))
  refused("methods", "a name for each setting", list(a = list(foundation_moco_pretrain, 3)))
  refused(
    "methods", c("`epoch`, which is no setting of foundation_moco_pretrain()", "Did you mean `epochs`"),
    list(a = list(foundation_moco_pretrain, epoch = 3))
  )
  refused("methods", "found function(x)", list(a = function(x) x))
  refused("methods", "has a `seed`", list(a = list(foundation_moco_pretrain, seed = 3)))
  refused("methods", "`x_b`, which is no setting", list(a = list(foundation_swav_pretrain, x_b = soil_x)))
  refused("methods", "its `epochs` must be a positive", list(a = list(foundation_moco_pretrain, epochs = 0)))
  refused("test", "its labels must hold", test = list(x = soil_x, y = rep("sand", 48)))
  refused("methods", "another row of the table", list(`raw pixels` = soil_encoder()))
  refused("y", "one label for each of the 48 patches", y = soil_y[-1])
  refused("labels", "positive whole number or infinity", labels = 0)
  refused("labels", "found NULL", labels = list(NULL))
  refused("labels", "at least one number", labels = NULL)
  refused("repeats", "at least 2", repeats = 1)
  refused("test", "a list with `x` and `y`", test = soil_x)
  refused("k", "together with `folds`", k = 3, folds = half)
  refused("n_jobs", "positive whole number", n_jobs = 0)
  refused("verbose", "true/false", verbose = "yes")
})
