# The one road of every fit and every prediction of one.

# For the function that the user called: its settings cross, Python fits and reports, and the answer
# comes back. `name` is the call in Python, `data` a list of what it learns from, as it crosses.
fit_in_python <- function(name, data, call, what = "classifier", learner = what) {
  force(data) # its errors come first
  arguments <- parent.frame()
  caller <- sys.parent()
  defaults <- formals(sys.function(caller))
  crossing <- to_settings(arguments, defaults, call)
  if ("groups" %in% names(defaults)) crossing$parting <- to_split(arguments, call)
  if ("probe" %in% names(defaults)) crossing$probe <- to_probe(arguments$probe, call)
  is_place <- names(crossing) %in% names_of_place
  progress <- fit_progress(arguments$verbose, what, learner = learner)
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
  if (missing(start)) {
    stop_input(argument, "is missing.", call)
  }
  learnt <- to_learnt(start, y, call)
  list(to_start(start, call, argument), to_patches(x, call), learnt)
}

# What `y` is to the task of a fit; an encoder learns classes.
to_learnt <- function(start, y, call) to_learnt_of(task_of(start), y, call)

# What `y` is to a task.
to_learnt_of <- function(task, y, call) {
  switch(task,
    regressor = to_targets(y, call),
    multilabel = to_label_sets(y, call),
    segmenter = to_masks(y, call, "y"),
    to_labels(y, call)
  )
}

# The fit that came back, of the task that `start` has.
from_fit_of <- function(start, fields) {
  get(paste0("from_", task_of(start)))(fields)
}

# A task as its verb and its class have it; what is no fit with a head learns classes.
task_of <- function(start) {
  if (is_fit(start)) sub("^edaphosbridge_", "", leaf_class_of(start)) else "classifier"
}

# Arguments are those of a task's predict(); `types` are the choices of its `type` for patches and
# points. `more` is a list of arguments that only the task has; `of` is the fit that has encoder and
# state, and `name` the call in Python. Of a raster without points the answer is a list with `map`.
predict_in_python <- function(object, x, newdata, type, types, device, coords, encoder, head, dataset,
                              call, more = NULL, name = "predict", of = object) {
  call[[1]] <- quote(predict)
  values <- parent.frame()
  defaults <- formals(sys.function(sys.parent()))
  default <- eval(defaults$type, baseenv())
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
  if (is.null(coords) && !missing(x) && is_raster(x)) {
    stop_if_of_patches(more, call)
    fitted <- list(object$state, to_modules(of, encoder, head, call))
    several <- !identical(object, of)
    return(list(map = predict_map(
      fitted, of, x, values, default, several, to_device(device), to_tiles(dataset, call), call
    )))
  }
  stop_if_of_maps(values, defaults, call)
  asked <- asked_of_python(of, x, device, coords, encoder, head, dataset, call)
  arguments <- list(
    object$state, asked$modules, asked$x,
    if (identical(type, default)) types[[1]] else to_choice(type, types),
    asked$device, asked$coords, asked$dataset
  )
  answer_value(python_call(name, c(arguments, if (!is.null(more)) list(more))), call)
}

# What every prediction of a fit is asked of, as it crosses. A raster that had to be written is there
# until `frame` is over.
asked_of_python <- function(fit, x, device, coords, encoder, head, dataset, call,
                            frame = parent.frame()) {
  list(
    modules = to_modules(fit, encoder, head, call),
    x = if (!is.null(coords)) {
      to_raster(x, call, argument = "x", frame = frame)
    } else if (!missing(x) && is_table_of_cells(x)) {
      to_cells(x, bands_of(fit, dataset), call)
    } else {
      to_patches(x, call)
    },
    device = to_device(device),
    coords = if (!is.null(coords)) to_coords(coords, x, call, "x"),
    dataset = to_tiles(dataset, call)
  )
}

# The names of the bands that a fit knows, or a tile dataset for it.
bands_of <- function(fit, dataset) {
  known <- fit$normalisation
  if (is.null(known) && inherits(dataset, "edaphosbridge_tiles")) known <- unclass(dataset)
  as.character(unlist(known$bands))
}

# Where to compute, or NULL for where the fit was made.
to_device <- function(device) {
  if (!is.null(device)) to_choice(device, c("cpu", "mps", "cuda"))
}

# "edaphosbridge_classifier", whatever classes of the user's stand before it.
leaf_class_of <- function(fit) {
  sub("^summary[.]", "", grep("^(summary[.])?edaphosbridge_", class(fit), value = TRUE)[[1]])
}
