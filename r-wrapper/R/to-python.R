# R's values on their way to Python. No other file of the package takes any there but those whose names
# begin as this one's does; from-python.R has the way back.

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
  wanted <- places_of(bands, names)
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

# Which of a table's columns are asked for: those of the names that are known, where all are there, else
# every one.
places_of <- function(known, names) {
  if (length(known) && all(known %in% names)) which(names %in% known) else seq_along(names)
}

# The table of these columns.
of_columns <- function(x, known) {
  if (length(dim(x)) != 2L || is.null(colnames(x))) {
    return(x)
  }
  places <- places_of(known, colnames(x))
  if (is.data.frame(x)) as.data.frame(x)[places] else x[, places, drop = FALSE]
}

# Whether an object is a fit of encoder and head. Those of version 0.1.0 have no parent class.
is_fit <- function(object) {
  inherits(object, c("edaphosbridge_fit", "edaphosbridge_classifier")) && !is.null(object$head)
}

# A fit to go on from crosses as its bytes, with the modules of a user's own that they do not hold.
to_start <- function(start, call, argument) {
  if (!is_fit(start)) {
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
    problem <- "is a Python object of another R session. Build it anew and give it again."
    stop_input(argument, problem, call)
  }
}

# An encoder crosses as the bytes of its state, or as the Python object that R holds.
to_encoder <- function(encoder, call, argument = "encoder") {
  if (missing(encoder)) {
    stop_input(argument, "is missing. foundation_encoder() makes one.", call)
  }
  holds_one <- any(startsWith(class(encoder), "edaphosbridge_")) && !is.null(encoder$encoder)
  if (holds_one) {
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
