# R's values on their way to Python. No other file of the package takes any there but
# to-python-cell-labels.R, to-python-methods.R, to-python-points.R, to-python-raster.R,
# to-python-splits.R and to-python-targets.R; from-python.R has the way back.

# Patches cross as they are: a double or integer array shares its memory. Logical NA would turn
# into TRUE, so logicals cross as integers. A tile dataset crosses as the bytes of its state, a file
# as its path.
to_patches <- function(x, call, argument = "x") {
  if (missing(x)) {
    stop_input(argument, "is missing.", call)
  }
  if (is_python_object(x)) {
    return(x)
  }
  if (inherits(x, "edaphosbridge_tiles")) {
    return(to_tiles(x, call, argument))
  }
  if (is.character(x) && length(x) == 1L && !is.na(x)) {
    return(path.expand(unname(x)))
  }
  if (inherits(x, c("SpatRaster", "stars"))) {
    stop_input(
      argument,
      paste0(
        "is a raster (", class(x)[[1]], "), not patches (N, C, H, W). Of a raster ",
        "foundation_tile_dataset() makes patches; predict() takes it as it is, for a map, or with ",
        "points: predict(fit, stack, coords = points)."
      ),
      call
    )
  }
  if (inherits(x, "integer64")) {
    stop_input(argument, "must be a double, integer or logical array; found integer64.", call)
  }
  if (!(is.numeric(x) || is.logical(x)) || is.factor(x)) {
    stop_input(
      argument,
      sprintf(
        paste0(
          "must be a 4-D array (N, C, H, W) of numbers, a tile dataset, or the path of a .npy file ",
          "or a .zarr folder; found %s."
        ),
        class(x)[[1]]
      ),
      call
    )
  }
  if (is.logical(x)) {
    storage.mode(x) <- "integer"
  }
  if (length(dim(x)) < 2L) {
    x <- as.array(x) # a vector of length 1 would cross as a number
  }
  unclass(x)
}

# A table of cells, for a fit on patches of one cell: a data frame, or a matrix (N, C). Where the fit
# knows the names of its bands and all are there, columns of other names do not cross.
is_table_of_cells <- function(x) {
  is.data.frame(x) || (is.matrix(x) && (is.numeric(x) || is.logical(x)) && !is.object(x))
}

to_cells <- function(x, bands, call) {
  if (!is.data.frame(x)) {
    if (is.null(colnames(x))) {
      storage.mode(x) <- "double" # NA_integer_ would be a number
      return(x)
    }
    x <- as.data.frame(x, check.names = FALSE, optional = TRUE)
  }
  names <- names(x)
  wanted <- if (length(bands) && all(bands %in% names)) which(names %in% bands) else seq_along(names)
  columns <- lapply(wanted, function(i) {
    column <- .subset2(x, i)
    odd <- c("factor", "Date", "POSIXct", "difftime", "integer64")
    if (!(is.numeric(column) || is.logical(column)) || inherits(column, odd) || length(dim(column))) {
      problem <- sprintf(
        "must have numbers in its column '%s'; found %s.", names[[i]], class(column)[[1]]
      )
      stop_input("x", problem, call)
    }
    as.array(as.double(column))
  })
  list(names = as.list(names[wanted]), columns = columns)
}

# A fit to go on from crosses as its bytes, with the modules of a user's own that they do not hold.
to_start <- function(start, call, argument) {
  if (!inherits(start, "edaphosbridge_fit") || is.null(start$head)) {
    return(to_encoder(start, call, argument))
  }
  list(state = start$state, modules = held_modules(start, call, argument))
}

# The modules of a user's own around which a fit is: those given, else those that it holds. What is
# not there Python asks for, where it is needed.
to_modules <- function(fit, encoder, head, call) {
  there <- function(module) {
    if (is_python_object(module) && !is_dead_python_object(module)) module
  }
  list(
    encoder = if (is.null(encoder)) there(fit$encoder) else to_encoder(encoder, call),
    head = if (is.null(head)) there(fit$head) else to_head(head, call)
  )
}

# The same where no head can be given beside the fit, or neither.
held_modules <- function(fit, call, argument = "fit", encoder = NULL) {
  for (part in c(if (is.null(encoder)) "encoder", "head")) {
    if (is_dead_python_object(fit[[part]])) {
      problem <- sprintf(
        "is around a Python object of another R session, its `%s`. Build the module anew: fit$%s <- module.",
        part, part
      )
      stop_input(argument, problem, call)
    }
  }
  to_modules(fit, encoder, NULL, call)
}

to_head <- function(head, call) {
  if (!is_python_object(head)) {
    problem <- sprintf("must be a Python torch.nn.Module; found %s.", class(head)[[1]])
    stop_input("head", problem, call)
  }
  stop_if_dead(head, "head", call)
  head
}

stop_if_dead <- function(object, argument, call) {
  if (is_dead_python_object(object)) {
    problem <- "is a Python object of another R session. Build the module anew and give it again."
    stop_input(argument, problem, call)
  }
}

# An encoder crosses as the bytes of its state, or as the Python object that R holds.
to_encoder <- function(encoder, call, argument = "encoder") {
  if (missing(encoder)) {
    stop_input(argument, "is missing. foundation_encoder() makes one.", call)
  }
  is_fit <- any(startsWith(class(encoder), "edaphosbridge_")) && !is.null(encoder$encoder)
  if (is_fit) {
    encoder <- encoder$encoder
  }
  if (inherits(encoder, "edaphosbridge_encoder")) {
    return(encoder$state)
  }
  stop_if_r_torch(encoder, argument, call)
  if (!is_python_object(encoder)) {
    stop_input(
      argument,
      sprintf(
        paste0(
          "must be an encoder or a fit of edaphosbridge, or a Python torch.nn.Module; ",
          "found %s. foundation_encoder() makes one."
        ),
        class(encoder)[[1]]
      ),
      call
    )
  }
  stop_if_dead(encoder, argument, call)
  encoder
}

# What pretraining begins with: an encoder, the name of one, or NULL for the method's own.
to_beginning <- function(encoder, call) {
  if (is.null(encoder) || is.character(encoder)) to_scalar(encoder) else to_encoder(encoder, call)
}

# A tile dataset crosses as the bytes of its state.
to_tiles <- function(dataset, call, argument = "dataset") {
  if (is.null(dataset)) {
    return(NULL)
  }
  if (!inherits(dataset, "edaphosbridge_tiles")) {
    stop_input(
      argument,
      sprintf(
        "must be a tile dataset; found %s. foundation_tile_dataset() makes one.",
        class(dataset)[[1]]
      ),
      call
    )
  }
  if (!is.raw(dataset$state)) {
    stop_input(argument, "is a tile dataset without its state. Make it anew.", call)
  }
  dataset$state
}

# NA has no counterpart among Python's scalars (NA_integer_ would be -2147483648, logical NA
# TRUE); NaN is refused there by every check. What is no vector crosses as the name of its class,
# which every check refuses too.
to_scalar <- function(value) {
  if (is.null(value)) {
    return(NULL)
  }
  if (is.factor(value)) {
    value <- as.character(value)
  }
  if (is.character(value)) {
    value <- readable(value)
  }
  # Lists with a class may hold themselves (POSIXlt, package_version); a time is no number.
  is_other <- !is.atomic(value) && (!is.list(value) || is.object(value))
  if (is_other || inherits(value, c("Date", "POSIXct", "difftime"))) {
    return(sprintf("<%s>", class(value)[[1]]))
  }
  if (is.list(value)) {
    return(lapply(unname(value), to_scalar))
  }
  if (is.atomic(value) && length(value) == 1L && is.na(value)) {
    return(NaN)
  }
  if (is.atomic(value) && length(value) != 1L) {
    return(as.list(value))
  }
  unname(value)
}

# Bytes that are no text cross as R shows them, "<e9>": reticulate makes other text of them, or fails.
readable <- function(text) {
  bytes <- Encoding(text) == "bytes"
  Encoding(text[bytes]) <- "unknown"
  bad <- !is.na(text) & bytes
  bad[!bytes] <- !is.na(text[!bytes]) & !validUTF8(enc2utf8(text[!bytes]))
  text[bad] <- iconv(text[bad], "UTF-8", "UTF-8", sub = "byte")
  text
}

# The name of a class would be a path like any other, and bytes that are no text would become the
# name of another file; a list is no path.
to_path <- function(value) {
  crossing <- to_scalar(value)
  is_text <- is.character(value) && all(validUTF8(value) | Encoding(value) == "latin1")
  if (is.character(crossing) && !is_text) list(crossing) else crossing
}

# A vector of numbers: always a list, since a vector of length 1 would cross as a number.
to_numbers <- function(values) {
  if (is.null(values) || ((is.atomic(values) || is.list(values)) && !is.object(values))) {
    return(lapply(unname(values), to_scalar))
  }
  to_scalar(values)
}

# The default of an argument with choices is the whole vector, which stands for its first
# element; unambiguous abbreviations work as in match.arg().
to_choice <- function(value, choices) {
  if (identical(value, choices)) {
    return(choices[[1]])
  }
  if (is.character(value) && length(value) == 1L) {
    matched <- pmatch(value, choices)
    return(if (is.na(matched)) to_scalar(value) else choices[[matched]])
  }
  to_scalar(value)
}

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

# What a probe looks at crosses when it is made, to be checked, and again with a run.
to_probe <- function(probe, call) {
  if (is.null(probe)) {
    return(NULL)
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

# --- labels --------------------------------------------------------------------------------

# A factor crosses as codes and levels: reticulate would turn its NA into the class "NA". Text
# crosses as UTF-8, whatever R's locale is.
to_labels <- function(y, call, argument = "y") {
  if (missing(y)) {
    stop_input(argument, "is missing.", call)
  }
  if (!is.atomic(y) || is.null(y) || is.complex(y) || is.raw(y)) {
    problem <- sprintf("must be a factor or a vector of labels; found %s.", class(y)[[1]])
    stop_input(argument, problem, call)
  }
  if (!is.factor(y)) {
    y <- checked_classes(y, call, argument)
  }
  y <- factor(y)
  levels <- checked_text(levels(y), call, argument)
  list(codes = as.array(as.integer(y) - 1L), levels = as.list(levels), ordered = is.ordered(y))
}

# Python cannot see that the levels of a factor were numbers.
checked_classes <- function(y, call, argument) {
  if (is.character(y)) {
    return(checked_text(y, call, argument))
  }
  if (is.numeric(y) && any(measured <- !is.na(y) & y != trunc(y))) {
    rows <- which(measured)
    shown <- paste(utils::head(rows, 5L), collapse = ", ")
    stop_input(argument, sprintf(
      paste0(
        "must hold classes; %d of %d numbers are not whole (first: %s%s; counted from 1); found %s. ",
        "A classifier learns classes: cut measured numbers into a few (pandas.cut, R's cut()); ",
        "foundation_fit_regressor() learns the numbers themselves."
      ),
      length(rows), length(y), shown, if (length(rows) > 5L) ", ..." else "",
      format(y[[rows[[1]]]], digits = 15)
    ), call)
  }
  y
}

# UTF-8 without a change: R would translate bytes that it believes to be of another encoding.
checked_text <- function(text, call, argument = "y") {
  latin <- Encoding(text) == "latin1"
  text[latin] <- enc2utf8(text[latin])
  bad <- !is.na(text) & (!validUTF8(text) | Encoding(text) == "bytes")
  if (any(bad)) {
    stop_input(argument, sprintf(
      paste0(
        "must hold labels of valid text (UTF-8, without NUL); found %s. ",
        "Read the labels again in the encoding that they were written in."
      ),
      encodeString(iconv(text[bad][[1]], "UTF-8", "UTF-8", sub = "byte"), quote = "'")
    ), call)
  }
  Encoding(text) <- "UTF-8"
  text
}
