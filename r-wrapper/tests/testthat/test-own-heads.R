# A head of the user's own: a Python module that R holds.

# A head in Python's __main__, with the same weights each time; on `width` features.
own_head <- function(width = 32L, outputs = 3L) {
  python_module()
  reticulate::py_run_string(own_head_code)
  reticulate::py$make_head(as.integer(width), as.integer(outputs))
}

own_head_code <- "
import torch

class OwnHead(torch.nn.Module):
    def __init__(self, width, outputs):
        super().__init__()
        self.first = torch.nn.Linear(width, 5)
        self.second = torch.nn.Linear(5, outputs)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))

def make_head(width, outputs):
    torch.manual_seed(3)
    return OwnHead(width, outputs)
"

read_again <- function(object) {
  file <- tempfile()
  on.exit(unlink(file))
  saveRDS(object, file)
  readRDS(file)
}

test_that("a fit holds its head, and a copy of the user's trains", {
  skip_if_no_python()
  head <- own_head()
  reticulate::py_run_string(own_module_code) # has state_of()
  before <- reticulate::py$state_of(head)
  fit <- quick_fit(head = head, lr = 0.05)
  expect_identical(reticulate::py$state_of(head), before)
  expect_identical(fit$head_type, "custom")
  expect_true(is_python_object(fit$head))
  expect_false(identical(reticulate::py$state_of(fit$head)$state, before$state))
  expect_identical(quick_fit(head = own_head(), lr = 0.05)$loss_history, fit$loss_history)
  expect_output(print(fit), "head: +custom")
  expect_output(print(summary(fit)), "head: +custom")
})

test_that("a function of two widths makes the head", {
  skip_if_no_python()
  own_head()
  fit <- quick_fit(head = reticulate::py$OwnHead)
  expect_identical(fit$head_type, "custom")
  expect_identical(quick_fit(head = reticulate::py$OwnHead)$loss_history, fit$loss_history)
  labels <- cbind(wet = soil_y == "Oxisol", clay = soil_y == "Ultisol")
  fit <- foundation_fit_multilabel(soil_encoder(), soil_x, labels, head = reticulate::py$make_head, epochs = 1, seed = 1)
  expect_identical(dim(predict(fit, soil_x, type = "prob")), c(48L, 2L))
})

test_that("predict() takes the modules of a fit that was read from a file", {
  skip_if_no_python()
  fit <- quick_fit(own_module(), head = own_head(6L), freeze_backbone = FALSE)
  back <- read_again(fit)
  expect_output(print(back), "head: +custom")
  again <- function(...) prob(back, ..., encoder = own_module(), head = own_head(6L))
  expect_identical(again(), prob(fit))
  expect_identical(
    generics::augment(back, soil_x, encoder = own_module(), head = own_head(6L)),
    generics::augment(fit, soil_x)
  )
  frozen <- read_again(quick_fit(head = own_head()))
  condition <- expect_error(predict(frozen, soil_x), class = "edaphosbridge_weights_error")
  expect_match(conditionMessage(condition), "Build that module and give it as `head=`", fixed = TRUE)
  expect_refused(predict(frozen, soil_x, head = "linear"), "head", "found character", of = "predict")
  expect_refused(predict(frozen, soil_x, head = frozen$head), "head", "another R session", of = "predict")
  condition <- expect_error(predict(frozen, soil_x, head = own_head(7L)), class = "edaphosbridge_weights_error")
  expect_match(conditionMessage(condition), "head", fixed = TRUE)
})

test_that("predict() takes the head of other tasks, of ensembles and of draws too", {
  skip_if_no_python()
  y <- as.numeric(1:48)
  fit <- foundation_fit_regressor(soil_encoder(), soil_x, y, head = own_head(32L, 1L), epochs = 1, seed = 1)
  expect_identical(predict(read_again(fit), soil_x, head = own_head(32L, 1L)), predict(fit, soil_x))
  labels <- cbind(wet = soil_y == "Oxisol", clay = soil_y == "Ultisol")
  fit <- foundation_fit_multilabel(soil_encoder(), soil_x, labels, head = own_head(32L, 2L), epochs = 1, seed = 1)
  back <- read_again(fit)
  expect_identical(predict(back, soil_x, head = own_head(32L, 2L)), predict(fit, soil_x))
  expect_identical(
    foundation_multi_top_losses(back, soil_x, labels, head = own_head(32L, 2L)),
    foundation_multi_top_losses(fit, soil_x, labels)
  )
  ensemble <- foundation_finetune_ensemble(
    soil_encoder(), soil_x, soil_y, "classification", 2,
    head = own_head(), epochs = 1
  )
  expect_identical(predict(read_again(ensemble), soil_x, head = own_head()), predict(ensemble, soil_x))
  expect_error(
    foundation_mcdropout_predict(fit, soil_x, n_draws = 2, seed = 1, head = own_head(32L, 2L)),
    class = "edaphosbridge_input_error" # nothing drops
  )
})

test_that("other functions say what to do, and a module that is put into the fit serves them", {
  skip_if_no_python()
  fit <- quick_fit(own_module(), head = own_head(6L))
  back <- read_again(fit)
  says <- "another R session, its `encoder`. Build the module anew: fit$encoder <- module."
  expect_refused(foundation_fine_tune(back, soil_x, soil_y), "encoder_or_fit", says, of = "foundation_fine_tune")
  back$encoder <- own_module()
  says <- "another R session, its `head`. Build the module anew: fit$head <- module."
  expect_refused(foundation_fine_tune(back, soil_x, soil_y), "encoder_or_fit", says, of = "foundation_fine_tune")
  expect_refused(foundation_calibrate(back, soil_x, soil_y), "fit", says, of = "foundation_calibrate")
  back$head <- own_head(6L)
  expect_identical(prob(back), prob(fit))
  tuned <- function(fit) foundation_finetune_classifier(fit, soil_x, soil_y, epochs = 1, seed = 1)
  expect_identical(tuned(back)$loss_history, tuned(fit)$loss_history)
  expect_identical(tuned(back)$head_type, "custom")
  expect_identical(foundation_calibrate(back, soil_x, soil_y)$config, foundation_calibrate(fit, soil_x, soil_y)$config)
  expect_refused(quick_fit(head = read_again(fit)$head), "head", "another R session")
})

test_that("update() goes on from the trained head, or begins with the one that is given", {
  skip_if_no_python()
  fit <- quick_fit(head = own_head(), lr = 0.05)
  expect_identical(update(fit, soil_x, soil_y, head = own_head())$loss_history, fit$loss_history)
  expect_identical(update(fit, soil_x, soil_y)$loss_history, quick_fit(head = fit$head, lr = 0.05)$loss_history)
})

test_that("a head that does not fit the features is refused", {
  skip_if_no_python()
  encoder <- soil_encoder()
  says <- "fails on features of shape [2, 32]"
  expect_refused(foundation_fit_classifier(encoder, soil_x, soil_y, head = own_head(7L)), "head", says)
  says <- "must give outputs [2, 3]"
  expect_refused(foundation_fit_classifier(encoder, soil_x, soil_y, head = own_head(32L, 4L)), "head", says)
})
