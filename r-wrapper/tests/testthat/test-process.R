# --- forks ---------------------------------------------------------------------------------

test_that("a fork of a process with Python refuses at once instead of hanging", {
  skip_if_no_python()
  skip_on_os("windows")
  fit <- soil_fit()
  predict(fit, patches(1))
  caught <- function(code) tryCatch(code, error = identity)
  answers <- parallel::mclapply(1:2, mc.cores = 2, function(i) {
    list(
      predict = caught(predict(fit, soil_x)),
      fit = caught(quick_fit()),
      data = caught(statlog_scene()),
      shown = utils::capture.output(print(fit)),
      report = examined()[c("forked", "troubles")]
    )
  })
  for (answer in answers) {
    for (condition in answer[c("predict", "fit", "data")]) {
      expect_identical(
        class(condition),
        c("edaphosbridge_forked_process", "edaphosbridge_error", "error", "condition")
      )
      expect_match(conditionMessage(condition), "forked from an R in which Python runs")
      expect_match(conditionMessage(condition), "makePSOCKcluster", fixed = TRUE)
    }
    expect_identical(answer$shown, format(fit))
    expect_true(answer$report$forked)
    expect_match(answer$report$troubles$problem, "forked")
  }
  # the parent goes on
  expect_identical(prob(fit), prob(soil_fit()))
})

test_that("a fork of a process without Python starts its own", {
  skip_if_no_python()
  skip_on_os("windows")
  losses <- in_fresh_r(
    function(encoder, x, y) {
      library(edaphosbridge)
      parallel::mclapply(1:2, mc.cores = 2, function(seed) {
        foundation_fit_classifier(encoder, x, y, epochs = 2, seed = seed)$loss_history
      })
    },
    list(soil_encoder(), soil_x, soil_y)
  )
  expect_identical(losses, lapply(1:2, function(seed) quick_fit(epochs = 2, seed = seed)$loss_history))
})

test_that("Python that another package started counts too", {
  skip_if_no_python()
  skip_on_os("windows")
  class <- in_fresh_r(
    function(python) {
      library(edaphosbridge)
      reticulate::use_python(python, required = TRUE)
      reticulate::py_run_string("x = 1")
      parallel::mclapply(1:2, mc.cores = 2, function(i) {
        tryCatch(foundation_encoder("moco", 4), error = function(condition) class(condition)[[1]])
      })
    },
    list(reticulate::py_exe())
  )
  expect_identical(class, rep(list("edaphosbridge_forked_process"), 2))
})

# --- other processes -----------------------------------------------------------------------

test_that("workers of a PSOCK cluster fit and predict", {
  skip_if_no_python()
  withr::local_envvar(fresh_environment()[c("EDAPHOSBRIDGE_PYTHON")])
  cluster <- parallel::makePSOCKcluster(2)
  withr::defer(parallel::stopCluster(cluster))
  answers <- parallel::parLapply(
    cluster, 1:2,
    function(seed, encoder, x, y) {
      fit <- edaphosbridge::foundation_fit_classifier(encoder, x, y, epochs = 3, seed = seed)
      list(fit = fit, prob = predict(fit, x, type = "prob"), pid = Sys.getpid())
    },
    soil_encoder(), soil_x, soil_y
  )
  expect_length(unique(c(answers[[1]]$pid, answers[[2]]$pid, Sys.getpid())), 3)
  for (seed in 1:2) {
    here <- quick_fit(seed = seed)
    expect_identical(answers[[seed]]$fit, here)
    expect_identical(answers[[seed]]$prob, prob(here))
  }
})

test_that("callr gives a fit back, and takes one", {
  skip_if_no_python()
  fit <- in_fresh_r(
    function(encoder, x, y) {
      edaphosbridge::foundation_fit_classifier(encoder, x, y, epochs = 3, seed = 5)
    },
    list(soil_encoder(), soil_x, soil_y)
  )
  expect_identical(fit, quick_fit())
  there <- in_fresh_r(
    function(fit, x) {
      library(edaphosbridge)
      predict(fit, x, type = "prob")
    },
    list(fit, soil_x)
  )
  expect_identical(there, prob(fit))
})
