#' The encoder of one sensor, or of both
#'
#' Out of an encoder that was pretrained on two sensors by [foundation_swav_pretrain()].
#'
#' @param object A fit of [foundation_swav_pretrain()] with `x_b`, its encoder, or a fit on that
#'   encoder. It is not changed.
#' @param sensors Of both sensors, the `"mean"` of their features or the features of a, then those of
#'   b (`"concat"`, of twice the width), from patches whose channels are those of a, then those of b;
#'   or of one sensor alone, `"a"` or `"b"`, from its patches.
#'
#' @return An encoder as [foundation_encoder()] returns it, for every fit function, with the
#'   normalisation of its bands. That of both has `sensors` and `channels` too. Of a module of yours the
#'   Python object.
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' data <- statlog_landsat()
#' x <- (data$x[1:300, , , ] - mean(data$x)) / sd(data$x)
#' fit <- foundation_swav_pretrain(x[, 1:2, , ], x[, 3:4, , ], epochs = 3, seed = 1)
#' both <- foundation_encoder_for(fit, "concat")
#' both
#' foundation_fit_classifier(both, x, data$y[1:300], epochs = 2, seed = 1)
#' @export
foundation_encoder_for <- function(object, sensors = c("mean", "concat", "a", "b")) {
  call <- sys.call()
  answer <- python_call("encoder_for", list(
    encoder_of(object, call), to_choice(sensors, c("mean", "concat", "a", "b"))
  ))
  encoder <- answer_value(answer, call)
  if (is_python_object(encoder)) encoder else from_encoder(encoder)
}
