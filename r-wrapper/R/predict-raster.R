# The one road of maps: from a fit or an encoder and a raster to what terra or stars has.

# What `predict()` gives of a raster. `fitted` is the call's first arguments in Python, fit or members
# and modules; `of` the fit that says what is predicted, `several` whether there are members or draws.
# `values` are the arguments of the function that the user called, `default` that of its `type`.
predict_map <- function(fitted, of, x, values, default, several, device, dataset, call, draws = list()) {
  choices <- kinds_of_map(of, several)
  kinds <- to_kinds(values$type, default, choices)
  classes <- if (inherits(of, "edaphosbridge_classifier")) of$classes
  holds_codes <- !is.null(classes) && (identical(kinds, list("class")) || (is.null(kinds) && !several))
  datatype <- if (!holds_codes) "FLT4S" else if (length(classes) < 256L) "INT1U" else "INT2U"
  settings <- list(
    type = kinds, device = device, colours = to_colours(values$colours, call), draw = draw_seed
  )
  what <- if (length(kinds) == 1L) kinds[[1]] else "prediction"
  make_map(
    name = "predict_raster", fitted, x, "x", dataset, c(settings, draws), values, datatype, what, call
  )
}

# The kinds of layers that there are of a fit, the default first.
kinds_of_map <- function(of, several) {
  is_classifier <- inherits(of, "edaphosbridge_classifier")
  own <- if (is_classifier) {
    c("class", "prob", "entropy", "margin", "least_confidence")
  } else if (inherits(of, "edaphosbridge_multilabel")) {
    c("class", "prob")
  } else {
    "response"
  }
  if (several) c("mean", "sd", if (is_classifier) own) else own
}

# A call of Python's that writes a map; `argument` is what the user's function calls the raster. What
# the finished blocks of a temporary file leave when the map is stopped goes with the call.
make_map <- function(name, fitted, stack, argument, dataset, settings, values, datatype, what, call,
                     also = NULL) {
  raster <- as_spat_raster(stack, argument, call)
  map <- to_map(values, raster, datatype, call)
  if (!nzchar(values$filename)) {
    on.exit(unlink(paste0(map$out, ".parts"), recursive = TRUE))
  }
  progress <- fit_progress(values$verbose, "map", function(loss, status, what) status)
  on.exit(progress$close(), add = TRUE)
  random <- NULL # as it was before a seed was drawn
  if (!is.null(settings$draw)) {
    settings$draw <- function() {
      random <<- list(get0(".Random.seed", globalenv(), inherits = FALSE))
      draw_seed()
    }
  }
  answer <- python_call(name, c(fitted, list(
    to_raster(stack, call, argument = argument),
    dataset,
    c(settings, map),
    progress$on_epoch
  )))
  progress$resume()
  if ("edaphosbridge_input_error" %in% answer$error$classes) put_back(random)
  words <- c(out = "filename", options = "wopt", stack = argument, coords = argument, also)
  codes <- answer_value(in_words_of_r(answer, words), call)
  from_raster_map(map$out, codes, stack, what)
}

# An answer whose texts call arguments what the user's function calls them: `words` by Python's name.
# What Python writes as all=True is all = TRUE.
in_words_of_r <- function(answer, words) {
  said <- function(text) {
    for (name in names(words)) {
      text <- gsub(paste0("`", name, "`"), paste0("`", words[[name]], "`"), text, fixed = TRUE)
    }
    gsub("\\b([a-z_]+)=True\\b", "\\1 = TRUE", gsub("\\b([a-z_]+)=False\\b", "\\1 = FALSE", text))
  }
  for (kind in c("messages", "warnings")) {
    answer[[kind]] <- lapply(answer[[kind]], said)
  }
  if (!is.null(answer$error)) {
    answer$error$message <- said(answer$error$message)
    argument <- answer$error$argument
    if (!is.null(argument) && argument %in% names(words)) answer$error$argument <- words[[argument]]
  }
  answer
}
