# Which rows train and which validate, on their way to Python: rows count from 1 here and from 0
# there. Checked here is what changes its meaning on the way; all else is checked in Python.

names_of_split <- c(
  "groups", "blocks", "block_size", "buffer", "folds", "fold", "validation"
)

# Of the arguments of a fit in the frame `values`.
to_split <- function(values, call) {
  list(
    groups = to_groups(values$groups, call),
    blocks = if (!is.null(values$blocks)) to_points(values$blocks, call, "blocks"),
    block_size = to_scalar(values$block_size),
    buffer = to_scalar(values$buffer),
    folds = to_folds(values$folds, rows_of_fit(values), call),
    fold = to_scalar(values$fold),
    validation = to_validation(values$validation, call)
  )
}

# Of a file of patches those of what is learnt: no path says how many it has.
rows_of_fit <- function(values) {
  n <- rows_of_patches(values$x)
  if (is.null(n)) NROW(if (is.null(values$masks)) values$y else values$masks) else n
}

# How many patches or cases there are, where R knows it; else NULL.
rows_of_patches <- function(x) {
  if (inherits(x, "edaphosbridge_tiles")) {
    x$n_patches
  } else if (!is.character(x) && !is_python_object(x)) {
    NROW(x)
  }
}

# Codes in the order in which groups appear: no locale sorts them.
to_groups <- function(groups, call) {
  if (is.null(groups)) {
    return(NULL)
  }
  if (!is.atomic(groups) || !is.null(dim(groups))) {
    found <- class(groups)[[1]]
    stop_input("groups", sprintf("must be a vector or factor, one group a row; found %s.", found), call)
  }
  codes <- match(groups, unique(groups)) - 1L
  codes[is.na(groups)] <- NA_integer_
  as.array(codes)
}

# Numbers, one a row; or a list of `test` and maybe `train`, a vector of rows for each fold.
to_folds <- function(folds, n, call) {
  if (is.null(folds)) {
    return(NULL)
  }
  if (is.list(folds) && "in_id" %in% names(folds)) folds <- list(splits = list(folds)) # of rsample
  if (is.list(folds) && "splits" %in% names(folds)) folds <- rows_of_rset(folds[["splits"]], n, call)
  if (is.list(folds) && "folds_list" %in% names(folds)) folds <- folds[["folds_list"]] # of blockCV
  if (is.numeric(folds) && is.null(dim(folds))) {
    return(as.array(to_whole(folds, "folds", call)))
  }
  if (!is.list(folds) || is.data.frame(folds)) {
    stop_input(
      "folds",
      sprintf(
        paste(
          "must be whole numbers, one a row, a list of the rows that each fold holds out, a list of",
          "pairs list(train, test), or an rset of rsample; found %s."
        ),
        class(folds)[[1]]
      ),
      call
    )
  }
  rows <- function(values) to_rows(values, "folds", call)
  folds <- unname(folds)
  is_pair <- vapply(folds, function(fold) is.list(fold) && length(fold) == 2L, NA)
  if (length(folds) && all(is_pair)) {
    return(list(
      train = lapply(folds, function(fold) rows(fold[[1L]])),
      test = lapply(folds, function(fold) rows(fold[[2L]]))
    ))
  }
  list(train = NULL, test = lapply(folds, rows))
}

# Of rsample and spatialsample: `in_id` trains, and `out_id` is held out; NA stands for all others. Where
# `n` is NULL Python alone knows the patches.
rows_of_rset <- function(splits, n, call) {
  lapply(splits, function(split) {
    has <- NROW(split$data)
    if (!is.null(n) && has != n) {
      stop_input("folds", sprintf("must be of the %d patches; found %d rows.", n, has), call)
    }
    out <- split$out_id
    if (length(out) == 0L || anyNA(out)) out <- setdiff(seq_len(has), split$in_id)
    list(split$in_id, out)
  })
}

# A logical would cross as TRUE where it is NA.
to_validation <- function(validation, call) {
  if (is.null(validation)) {
    return(NULL)
  }
  if (is.logical(validation) && is.null(dim(validation))) {
    missing <- which(is.na(validation))
    if (length(missing)) {
      problem <- sprintf("holds NA in %d of %d rows.", length(missing), length(validation))
      stop_input("validation", problem, call)
    }
    return(list(mask = as.array(as.integer(validation))))
  }
  list(rows = to_rows(validation, "validation", call))
}

to_rows <- function(rows, argument, call) {
  as.array(to_whole(rows, argument, call) - 1L)
}

# Doubles that are whole are integers; NA is no number of a row or a fold.
to_whole <- function(values, argument, call) {
  is_plain <- is.numeric(values) && is.null(dim(values)) && !is.object(values)
  bad <- if (is_plain) {
    is.na(values) | values != trunc(values) | abs(values) > .Machine$integer.max
  }
  if (!is_plain || any(bad)) {
    found <- if (is_plain) format(values[bad][[1]], digits = 15) else class(values)[[1]]
    stop_input(argument, sprintf("must have whole numbers of rows or folds; found %s.", found), call)
  }
  as.integer(values)
}
