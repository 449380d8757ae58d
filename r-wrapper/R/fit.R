# The one road of every fit and every prediction of one.

# For the function that the user called: its settings cross, Python fits and reports, and the answer
# comes back. `name` is the call in Python, `data` a list of what it learns from, as it crosses.
fit_in_python <- function(name, data, call, what = "classifier") {
  arguments <- parent.frame()
  caller <- sys.parent()
  defaults <- formals(sys.function(caller))
  crossing <- to_settings(arguments, defaults)
  if ("groups" %in% names(defaults)) crossing$parting <- to_split(arguments, call)
  is_place <- names(crossing) %in% names_of_place
  progress <- fit_progress(arguments$verbose, what)
  on.exit(progress$close())
  answer <- python_call(name, c(data, list(
    crossing[!is_place],
    crossing[is_place],
    to_scalar(arguments$verbose),
    draw_seed,
    progress$on_epoch
  )))
  progress$resume()
  answer_value(answer, call)
}

# What a task learns from. Labels are checked first: by R alone, and an error says it at once.
labelled <- function(encoder, x, y, call) {
  labels <- to_labels(y, call)
  list(to_encoder(encoder, call), to_patches(x, call), labels)
}

# The same, from an encoder or from a fit with its head.
labelled_start <- function(start, x, y, call, argument) {
  labels <- to_labels(y, call)
  list(to_start(start, call, argument), to_patches(x, call), labels)
}

# Arguments are those of a task's predict(); `types` are the choices of its `type`.
predict_in_python <- function(object, x, newdata, type, types, device, coords, encoder, dataset, call) {
  call[[1]] <- quote(predict)
  if (!is.atomic(type) || !is.null(dim(type))) {
    stop_input(
      "type",
      sprintf(
        "must be %s; found %s. Points are given by name: predict(fit, stack, coords = points).",
        paste0("\"", types, "\"", collapse = " or "), class(type)[[1]]
      ),
      call
    )
  }
  if (!missing(newdata)) {
    if (!missing(x)) {
      stop_input("newdata", "is another name of `x`: give one of the two.", call)
    }
    x <- newdata
  }
  if (is.null(encoder) && is_python_object(object$encoder) &&
    !is_dead_python_object(object$encoder)) {
    encoder <- object$encoder
  }
  answer <- python_call("predict", list(
    object$state,
    if (!is.null(encoder)) to_encoder(encoder, call),
    if (is.null(coords)) to_patches(x, call) else to_raster(x, call, argument = "x"),
    to_choice(type, types),
    if (!is.null(device)) to_choice(device, c("cpu", "mps", "cuda")),
    if (!is.null(coords)) to_coords(coords, x, call, "x"),
    to_tiles(dataset, call)
  ))
  answer_value(answer, call)
}

# "edaphosbridge_classifier", whatever classes of the user's stand before it.
leaf_class_of <- function(fit) {
  grep("^edaphosbridge_", class(fit), value = TRUE)[[1]]
}
