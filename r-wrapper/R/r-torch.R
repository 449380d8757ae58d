# Objects of R's torch: Python cannot use them, but a file brings them over.

# An nn_module, or a fit of edaphos that holds one. Fits of edaphosbridge bear its class too.
stop_if_r_torch <- function(object, argument, call) {
  if (!is_r_torch(object)) {
    return(invisible())
  }
  stop_condition(
    sprintf(
      "`%s` is an object of R's torch, which Python cannot use.\n%s",
      argument, how_to_move_an_encoder(r_torch_module(object))
    ),
    c("edaphosbridge_r_torch_object", "edaphosbridge_input_error", "edaphosbridge_error"),
    call = call,
    argument = argument
  )
}

is_nn_module <- function(object) {
  inherits(object, "nn_module")
}

is_r_torch <- function(object) {
  if (is_nn_module(object)) {
    return(TRUE)
  }
  holds_one <- is.list(object) && any(vapply(unclass(object), is_nn_module, NA))
  is_pretrained <- inherits(object, c("edaphos_foundation_moco", "edaphos_foundation_simclr"))
  of_ours <- any(startsWith(class(object), "edaphosbridge_")) || is_python_object(object)
  holds_one || (is_pretrained && !of_ours)
}

# How a user would write the module in `object`.
r_torch_module <- function(object) {
  if (is_nn_module(object)) {
    return("encoder")
  }
  elements <- names(object)[vapply(unclass(object), is_nn_module, NA)]
  element <- c(intersect(c("encoder_q", "encoder"), elements), elements, "encoder_q")[[1]]
  fit <- if (inherits(object, "edaphos_foundation_simclr")) "simclr" else "moco"
  paste0(fit, "$", element)
}

how_to_move_an_encoder <- function(module) {
  paste0(
    "To use an encoder of R's torch, save it there with\n",
    "  torch::torch_save(", module, "$state_dict(), \"encoder.pt\")\n",
    "and load it in a fresh session, without torch, with\n",
    "  foundation_weights_load(\"encoder.pt\")"
  )
}
