# The methods of a few-label experiment, and what they are tested on, on their way to Python.

# Encoders, functions of the package with their settings, or the numbers that `note` gives to functions
# of the user's own.
to_methods <- function(methods, note, call) {
  is_plain <- is.list(methods) && !is.object(methods)
  if (!is_plain || !length(methods) || !all(nzchar(names_or_none(methods)))) {
    found <- if (!is_plain) class(methods)[[1]] else if (length(methods)) "no names" else "none"
    problem <- sprintf("must be a list of encoders or pretraining functions with names; found %s.", found)
    stop_input("methods", problem, call)
  }
  stop_if_twice(names(methods), "methods", call)
  lapply(methods, function(method) {
    stop_if_r_torch(method, "methods", call)
    given <- if (is.function(method) && !is_python_object(method)) list(method) else method
    if (!is.list(given) || is.object(given) || !length(given) || !is.function(given[[1L]])) {
      return(list(encoder = to_encoder(method, call, "methods")))
    }
    settings <- given[-1L]
    stop_if_twice(names(settings), "methods", call)
    if (!all(nzchar(names_or_none(settings)))) {
      stop_input("methods", "must have a name for each setting of a pretraining function.", call)
    }
    pretrain <- given[[1L]]
    verb <- name_of_pretraining(pretrain)
    of_a_run <- if (!is.null(verb)) c("checkpoint_dir", "checkpoint_every", "verbose")
    of_all <- intersect(names(settings), c("seed", of_a_run))
    if (length(of_all)) {
      problem <- sprintf(
        "has a `%s`, which is not a method's own: the experiment has one for all.", of_all[[1L]]
      )
      stop_input("methods", problem, call)
    }
    takes <- if (!is.null(verb)) formals(get(verb))[-1L]
    takes["x_b"] <- NULL # of each fold it would have to be another
    unknown <- setdiff(names(settings), names(takes))
    if (!is.null(verb) && length(unknown)) {
      problem <- sprintf(
        "has `%s`, which is no setting of %s().%s%s", unknown[[1L]], verb,
        nearest_to(unknown[[1L]], takes), arguments_of(verb, takes)
      )
      stop_input("methods", problem, call)
    }
    if (is.null(verb)) stop_if_not_callable(pretrain, names(settings), call)
    if (is.null(verb) || any(c("encoder", "probe") %in% names(settings))) {
      # names in the call and no data, which errors would show
      given_settings <- lapply(names(settings), function(name) call("$", quote(settings), as.name(name)))
      names(given_settings) <- names(settings)
      run <- as.call(c(as.name(c(verb, "pretrain")[[1L]]), quote(x), given_settings, seed = quote(seed)))
      return(list(own = note(function(x, seed) eval(run))))
    }
    list(verb = verb, settings = to_settings(settings, takes[names(settings)], call))
  })
}

# Patches and a seed are given to a function, and its settings.
stop_if_not_callable <- function(pretrain, settings, call) {
  takes <- names(formals(args(pretrain)))
  others <- setdiff(takes, c("...", "seed", settings))
  if (!"..." %in% takes && (!all(c("seed", settings) %in% takes) || length(others) == 0L)) {
    problem <- sprintf(
      "must be functions of patches and `seed`, function(x, seed); found function(%s).",
      paste(takes, collapse = ", ")
    )
    stop_input("methods", problem, call)
  }
}

# The name of a function of this package that pretrains on patches, or NULL.
name_of_pretraining <- function(pretrain) {
  inside <- environment(foundation_few_label_experiment)
  for (name in grep("^foundation_[a-z]+_pretrain$", ls(inside), value = TRUE)) {
    if (identical(pretrain, get(name))) {
      return(name)
    }
  }
  NULL
}

to_labelled_test <- function(test, call) {
  if (is.null(test)) {
    return(NULL)
  }
  if (!is.list(test) || !all(c("x", "y") %in% names(test))) {
    stop_input("test", "must be a list with `x` and `y`.", call)
  }
  list(x = to_patches(test$x, call, "test"), y = to_labels(test$y, call))
}

# Functions of the user's own, which Python calls by their numbers: `note` gives one, `pretrain` is what
# Python calls. A condition that would leave one must not jump over Python's frames: `resume` signals it
# when Python has returned.
own_functions <- function(call) {
  functions <- list()
  left_by <- NULL
  run <- function(number, patches, seed) {
    keep <- function(condition) {
      left_by <<- condition
      FALSE
    }
    tryCatch(
      to_encoder(functions[[number]](patches, from_seed(seed)), call, "methods"),
      error = keep,
      interrupt = function(condition) FALSE
    )
  }
  list(
    note = function(own) {
      functions[[length(functions) + 1L]] <<- own
      length(functions)
    },
    pretrain = function(...) end_jumps(run(...)),
    resume = function() if (!is.null(left_by)) stop(left_by)
  )
}
