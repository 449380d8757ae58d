# Stand-ins: an nn_module of R's torch is a function or an environment of class nn_module.
nn_module <- function() structure(function(x) x, class = c("encoder", "nn_module"))

edaphos_fit <- function(kind, ...) structure(list(...), class = paste0("edaphos_foundation_", kind))

expect_moved_by <- function(code, argument, module) {
  condition <- expect_error(code, class = "edaphosbridge_r_torch_object")
  expect_s3_class(condition, "edaphosbridge_input_error")
  expect_identical(condition$argument, argument)
  message <- conditionMessage(condition)
  save_line <- sprintf("torch::torch_save(%s$state_dict(), \"encoder.pt\")", module)
  expect_match(message, save_line, fixed = TRUE)
  expect_match(message, "foundation_weights_load(\"encoder.pt\")", fixed = TRUE)
  expect_match(message, "fresh session", fixed = TRUE)
}

test_that("an encoder of R's torch is an error with the lines that save and load it", {
  moco <- edaphos_fit("moco", encoder_k = nn_module(), encoder_q = nn_module(), loss_history = 1)
  simclr <- edaphos_fit("simclr", encoder = nn_module())
  fit <- function(encoder) foundation_fit_classifier(encoder, soil_x, soil_y)
  expect_moved_by(fit(moco), "encoder", "moco$encoder_q")
  expect_moved_by(fit(simclr), "encoder", "simclr$encoder")
  expect_moved_by(fit(nn_module()), "encoder", "encoder")
  expect_moved_by(foundation_moco_embed(moco, soil_x), "object", "moco$encoder_q")
  expect_moved_by(foundation_weights_save(moco, "file"), "encoder", "moco$encoder_q")
})

test_that("a fit of edaphos whose modules did not survive is one too", {
  expect_moved_by(
    foundation_moco_embed(edaphos_fit("moco", loss_history = 1), soil_x), "object",
    "moco$encoder_q"
  )
})

test_that("it is told before Python starts", {
  started <- callr::r(function() {
    library(edaphosbridge)
    module <- structure(list(), class = "nn_module")
    class <- tryCatch(
      foundation_fit_classifier(module, array(0, c(2, 1, 1, 1)), c("a", "b")),
      error = function(condition) class(condition)[[1]]
    )
    list(class, reticulate::py_available())
  })
  expect_identical(started, list("edaphosbridge_r_torch_object", FALSE))
})

test_that("objects of edaphosbridge are none of R's torch", {
  expect_false(is_r_torch(structure(list(), class = "edaphosbridge_encoder")))
  ours <- structure(list(), class = c("edaphosbridge_pretrain", "edaphos_foundation_moco"))
  expect_false(is_r_torch(ours))
  for (object in list(NULL, 1, "moco", list(), mean, new.env())) {
    expect_false(is_r_torch(object))
  }
})
