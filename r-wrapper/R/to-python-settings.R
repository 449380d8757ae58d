# The settings of a fit on the way to Python: numbers, choices, tables, phases, probes, the seed.

# The arguments of a fit in the frame `values`, but for its data, its rows and `verbose`. One crosses as its
# default is: a choice among words, several numbers, or one value.
to_settings <- function(values, defaults, call) {
  names <- setdiff(names(defaults), c(names_of_data, names_of_split, "verbose"))
  sapply(names, simplify = FALSE, function(name) {
    default <- eval(defaults[[name]], baseenv())
    value <- values[[name]]
    if (name %in% c("checkpoint_dir", "resume")) {
      to_path(value)
    } else if (is_python_object(value)) { # a head
      stop_if_dead(value, name, call)
      value
    } else if (name %in% names_of_tables && is_table(value)) {
      to_table(value, name, call)
    } else if (name == "threshold") {
      to_thresholds(value)
    } else if (name == "classes") {
      if (!is.null(value)) to_numbers(value)
    } else if (name == "decoder" && identical(value, default)) {
      NULL # the network from scratch has its own
    } else if (length(default) < 2L && !(name == "dropout" && length(value) > 1L)) {
      to_scalar(value)
    } else if (is.character(default)) {
      to_choice(value, default)
    } else {
      to_numbers(value)
    }
  })
}

names_of_data <- c(
  "encoder", "encoder_or_fit", "fit", "x", "y", "masks", "patches", "dataset", "probe", "x_a", "x_b",
  "bands_b"
)
names_of_tables <- c("augment", "class_weight", "recipe", "split")
names_of_place <- c("device", "checkpoint_dir", "checkpoint_every", "resume")

is_table <- function(value) {
  (is.list(value) || !is.null(names(value))) && !inherits(value, "edaphosbridge_phase")
}

# Named values, lists of text, or phases. Python's tables have each name once.
to_table <- function(values, argument, call) {
  stop_if_twice(names(values), argument, call)
  values <- if (is.list(values)) values else as.list(values)
  lapply(values, function(value) {
    if (inherits(value, "edaphosbridge_phase")) {
      to_phase(value)
    } else if (length(value) == 1L) {
      to_scalar(value)
    } else {
      to_numbers(value)
    }
  })
}

stop_if_twice <- function(names, argument, call) {
  if (anyDuplicated(names)) {
    stop_input(argument, sprintf("names '%s' twice.", names[duplicated(names)][[1]]), call)
  }
}

to_phase <- function(phase) {
  lapply(unclass(phase), function(value) if (length(value) > 1L) to_numbers(value) else to_scalar(value))
}

# What a probe looks at crosses when it is made, to be checked, and again with a run. One of Python's
# crosses as the object that R holds.
to_probe <- function(probe, call) {
  if (is.null(probe) || is_python_object(probe)) {
    stop_if_dead(probe, "probe", call)
    return(probe)
  }
  if (!inherits(probe, "edaphosbridge_probe")) {
    stop_input(
      "probe",
      sprintf("must be a probe; found %s. linear_probe() and its sisters make one.", class(probe)[[1]]),
      call
    )
  }
  to_known <- if (probe$kind == "segmentation") to_masks else to_labels
  list(
    kind = probe$kind, x = to_patches(probe$x, call), learnt = to_known(probe$learnt, call),
    settings = probe$settings
  )
}

# `set.seed()` reproduces a fit with `seed = NULL`: Python asks for a seed when the input is good.
draw_seed <- function() {
  sample.int(.Machine$integer.max, 1L)
}
