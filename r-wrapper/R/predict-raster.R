# The one road of maps: from a raster, and what is computed of it, to what terra or stars has.

# What `predict()` gives of a raster. `fitted` is the call's first arguments in Python, fit or members
# and modules; `of` the fit that says what is predicted, `several` whether there are members or draws.
# `values` are the arguments of the function that the user called, `default` that of its `type`.
predict_map <- function(fitted, of, x, values, default, several, device, dataset, call, draws = list()) {
  choices <- kinds_of_map(of, several)
  kinds <- to_kinds(values$type, default, choices)
  classes <- if (inherits(of, of_classes)) of$classes
  holds_codes <- !is.null(classes) && (identical(kinds, list("class")) || (is.null(kinds) && !several))
  datatype <- if (holds_codes) datatype_of_codes(length(classes)) else "FLT4S"
  settings <- list(
    type = kinds, device = device, colours = to_colours(values$colours, call), draw = draw_seed
  )
  what <- if (length(kinds) == 1L) kinds[[1]] else "prediction"
  settings <- c(settings, to_patch_places(values), draws)
  make_map(
    name = "predict_raster", fitted, x, "x", list(dataset), settings, values, datatype, what, call
  )
}

# What a file has codes 1 to n in.
datatype_of_codes <- function(n) if (n < 256L) "INT1U" else "INT2U"

# The kinds of layers that there are of a fit, the default first.
kinds_of_map <- function(of, several) {
  is_of_classes <- inherits(of, of_classes)
  own <- if (is_of_classes) {
    c("class", "prob", "entropy", "margin", "least_confidence")
  } else if (inherits(of, "edaphosbridge_multilabel")) {
    c("class", "prob")
  } else {
    "response"
  }
  if (several) c("mean", "sd", if (is_of_classes) own) else own
}

# Fits of one class for each patch or cell.
of_classes <- c("edaphosbridge_classifier", "edaphosbridge_segmenter")

# A call of Python's that writes a map; `argument` is what the user's function calls the raster, which
# crosses between `fitted` and `others`. What the finished blocks of a temporary file leave when the map is
# stopped goes with the call.
make_map <- function(name, fitted, stack, argument, others, settings, values, datatype, what, call,
                     also = NULL, raster = as_spat_raster(stack, argument, call)) {
  map <- to_map(values, raster, datatype, call)
  if (!nzchar(values$filename)) {
    on.exit(unlink(paste0(map$out, ".parts"), recursive = TRUE))
  }
  progress <- fit_progress(values$verbose, "map", function(loss, status, learner) status)
  on.exit(progress$close(), add = TRUE)
  random <- NULL # as it was before a seed was drawn
  if (!is.null(settings$draw)) {
    settings$draw <- function() {
      random <<- list(get0(".Random.seed", globalenv(), inherits = FALSE))
      draw_seed()
    }
  }
  answer <- python_call(name, c(
    fitted, list(to_raster(raster, call, argument = argument)), others,
    list(c(settings, map), progress$on_epoch)
  ))
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
