# What regressors, multi-label classifiers and segmenters learn, and tables of predictors, on the way to
# Python.

# Numbers cross as an array of doubles, so that NA is NaN, and the names of columns beside it.
to_targets <- function(y, call) {
  if (missing(y)) {
    stop_input("y", "is missing.", call)
  }
  is_number <- function(column) {
    is.numeric(column) && all(class(column) %in% c("numeric", "integer", "matrix", "array", "ts", "AsIs"))
  }
  usable <- if (is.data.frame(y)) length(y) > 0L && all(vapply(y, is_number, NA)) else is_number(y)
  if (!usable) {
    found <- class(y)[[1]]
    if (is.data.frame(y)) {
      found <- paste(vapply(y, function(column) class(column)[[1]], ""), collapse = ", ")
    }
    stop_input("y", sprintf(
      paste(
        "must be a numeric vector, or a matrix or data frame with a numeric column for each target;",
        "found %s. foundation_fit_classifier() learns classes, foundation_fit_multilabel() several of",
        "a patch."
      ), found
    ), call)
  }
  numbers_to_python(y, call)
}

# Labels cross as a matrix of 0, 1 and NaN with the names of columns, or as lists of names.
to_label_sets <- function(y, call) {
  if (missing(y)) {
    stop_input("y", "is missing.", call)
  }
  if (is.list(y) && !is.data.frame(y)) {
    return(list(values = NULL, names = NULL, lists = name_lists(y, call)))
  }
  is_flag <- function(column) is.logical(column) || (is.numeric(column) && !is.object(column))
  columns <- if (is.data.frame(y)) y else list(y)
  if (length(dim(y)) != 2L || length(columns) == 0L || !all(vapply(columns, is_flag, NA))) {
    stop_label_sets(class(y)[[1]], call)
  }
  c(numbers_to_python(y, call), list(lists = NULL))
}

name_lists <- function(y, call) {
  if (length(y) == 0L) stop_label_sets("an empty list", call)
  lapply(unname(y), function(names) {
    if (is.factor(names)) names <- as.character(names)
    if (length(names) == 0L) {
      return(list())
    }
    if (!is.character(names) || anyNA(names)) {
      stop_label_sets(sprintf("a list with %s", if (anyNA(names)) "NA" else class(names)[[1]]), call)
    }
    as.list(checked_text(names, call))
  })
}

# Masks cross as numbers with R's NA: as they are, or as places in `levels`, counted from 0. Logical
# values have levels FALSE and TRUE, which are bool in Python.
to_masks <- function(masks, call, argument = "masks") {
  if (missing(masks)) masks <- NULL
  if (is.null(masks) || is_python_object(masks)) { # none: those of a tile data set
    return(list(masks = masks, levels = NULL))
  }
  is_of_classes <- is.numeric(masks) || is.character(masks) || is.logical(masks)
  if (!is.factor(masks) && (is.object(masks) || !is_of_classes)) {
    stop_input(argument, sprintf(
      paste(
        "must be an array (N, H, W) of whole numbers, text or logical values, or of codes with `levels`,",
        "as of a factor; found %s."
      ), class(masks)[[1]]
    ), call)
  }
  shape <- if (is.null(dim(masks))) length(masks) else dim(masks)
  if (is.character(masks)) {
    levels <- sort(checked_text(unique(as.vector(masks)), call, argument))
    masks <- match(masks, levels)
  } else if (is.logical(masks)) {
    levels <- c(FALSE, TRUE)
    masks <- masks + 1L
  } else if (!is.null(attr(masks, "levels"))) {
    levels <- checked_text(as.character(attr(masks, "levels")), call, argument)
    if (anyDuplicated(levels)) {
      twice <- levels[[anyDuplicated(levels)]]
      stop_input(argument, sprintf("must have different `levels`; found '%s' twice.", twice), call)
    }
    masks <- codes_of_levels(as.vector(unclass(masks)), levels, call, argument)
    levels <- levels[!is.na(levels)]
  } else {
    return(list(masks = as.array(masks), levels = NULL))
  }
  list(masks = array(as.integer(masks) - 1L, shape), levels = as.list(levels))
}

# Codes of the levels that are no NA, as addNA() makes one.
codes_of_levels <- function(codes, levels, call, argument) {
  outside <- !is.na(codes) & !codes %in% seq_along(levels)
  if (any(outside)) {
    stop_input(argument, sprintf(
      "must hold codes 1 to %d of its `levels`; found %s.", length(levels),
      format(codes[outside][[1]], digits = 15)
    ), call)
  }
  match(codes, which(!is.na(levels)))
}

# With names Python puts them into the order of labels.
to_thresholds <- function(threshold) {
  if (is.null(names(threshold))) to_scalar(threshold) else lapply(as.list(threshold), to_scalar)
}

stop_label_sets <- function(found, call) {
  stop_input("y", sprintf(
    paste(
      "must be a logical matrix (N, L) or data frame with a column for each label, or a list with the",
      "names of each patch's labels; found %s."
    ), found
  ), call)
}

# The elements `values` and `names`. A matrix in a data frame is a column for each of its own.
numbers_to_python <- function(y, call, argument = "y") {
  if (is.data.frame(y)) {
    is_table <- vapply(y, function(column) length(dim(column)) < 3L && NCOL(column) > 0L, NA)
    if (!all(is_table)) {
      problem <- sprintf("must have numbers or a matrix in its column '%s'.", names(y)[!is_table][[1]])
      stop_input(argument, problem, call)
    }
    y <- as.matrix(y)
  }
  names <- colnames(y)
  if (!is.null(names)) names <- as.list(checked_text(names, call, argument))
  values <- unclass(y)
  shape <- if (is.null(dim(values))) length(values) else dim(values)
  list(values = array(as.double(values), shape), names = names)
}

# A table of predictors crosses as numbers_to_python() has it; `column` is what a column is of, `known` the
# names of those that are asked for.
to_predictors <- function(x, call, argument = "x", column = "predictor", known = NULL) {
  if (missing(x)) {
    stop_input(argument, "is missing.", call)
  }
  x <- of_columns(x, known)
  is_number <- function(column) (is.numeric(column) || is.logical(column)) && !is.object(column)
  columns <- if (is.data.frame(x)) x else list(x)
  if (!all(vapply(columns, is_number, NA))) {
    found <- if (is.data.frame(x)) {
      paste(vapply(x, function(column) class(column)[[1]], ""), collapse = ", ")
    } else {
      class(x)[[1]]
    }
    stop_input(argument, sprintf(
      paste(
        "must be a numeric matrix or data frame (N, %s), a row for each case and a column for each",
        "%s; found %s."
      ), if (column == "class") "K" else "D", column, found
    ), call)
  }
  numbers_to_python(x, call, argument)
}

# Numbers, with the names of columns where they have some.
to_weights <- function(weights, call) {
  if (is.null(weights)) {
    return(NULL)
  }
  if (!is.numeric(weights) || is.object(weights)) {
    problem <- sprintf("must be a number for each column; found %s.", class(weights)[[1]])
    stop_input("weights", problem, call)
  }
  names <- names(weights)
  if (!is.null(names)) names <- as.list(checked_text(names, call, "weights"))
  shape <- if (is.null(dim(weights))) length(weights) else dim(weights)
  list(values = array(as.double(weights), shape), names = names)
}

# The elements that Python reads; a vector of length 1 would cross as a number.
to_applicability <- function(known) {
  numbers <- c("train", "center", "scale", "train_di", "train_lpd")
  arrays <- lapply(unclass(known)[numbers], function(values) {
    storage.mode(values) <- "double"
    as.array(unname(values))
  })
  c(arrays, list(
    threshold = known$threshold, mean_distance = known$mean_distance, by = known$by,
    names = if (!is.null(known$names)) as.list(known$names)
  ))
}
