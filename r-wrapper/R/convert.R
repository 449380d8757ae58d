# Values on their way between R and Python; no other file of the package converts any but
# convert-labels.R, convert-raster.R and convert-points.R.

# --- to Python -----------------------------------------------------------------------------

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
        "foundation_tile_dataset() makes patches; predict() takes a raster together with points, ",
        "`coords`: predict(fit, stack, coords = points)."
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

# An encoder crosses as the bytes of its state, or as the Python object that R holds.
to_encoder <- function(encoder, call, argument = "encoder") {
  if (missing(encoder)) {
    stop_input(argument, "is missing. foundation_encoder() makes one.", call)
  }
  if (inherits(encoder, c("edaphosbridge_classifier", "edaphosbridge_pretrain"))) {
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
  if (is_dead_python_object(encoder)) {
    stop_input(
      argument,
      "is a Python object of another R session. Build the module anew and give it again.",
      call
    )
  }
  encoder
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

# `set.seed()` reproduces a fit with `seed = NULL`: Python asks for a seed when the input is good.
draw_seed <- function() {
  sample.int(.Machine$integer.max, 1L)
}

# --- from Python ---------------------------------------------------------------------------

from_matrix <- function(values) {
  storage.mode(values) <- "double"
  values[is.nan(values)] <- NA_real_
  values
}

# A four-dimensional array; NaN is NA.
from_patches <- function(values) {
  storage.mode(values) <- "double"
  values[is.nan(values)] <- NA_real_
  values
}

# Columns of a table; "" and NaN stand for what is not known.
from_table <- function(columns) {
  columns <- lapply(columns, function(values) {
    values <- unlist(values)
    if (is.character(values)) replace(values, values == "", NA_character_) else as.integer(values)
  })
  as.data.frame(columns, stringsAsFactors = FALSE)
}

from_history <- function(values) {
  values <- as.numeric(unlist(values))
  values[is.nan(values)] <- NA_real_
  values
}

# NULL where a file of an earlier version has none.
from_counts <- function(counts, classes) {
  if (is.null(counts)) {
    return(NULL)
  }
  structure(as.integer(unlist(counts)), names = as.character(unlist(classes)))
}

from_encoder <- function(fields) {
  fields[c("in_channels", "feature_dim", "proj_dim")] <-
    lapply(fields[c("in_channels", "feature_dim", "proj_dim")], as.integer)
  fields["normalisation"] <- list(from_normalisation(fields$normalisation))
  fields$n_channels <- fields$in_channels # as edaphos has it on loaded weights
  fields$state <- shelved(fields$state)
  fields["patch_orientation"] <- list(fields$patch_orientation)
  structure(fields, class = "edaphosbridge_encoder")
}

from_normalisation <- function(fields) {
  if (is.null(fields)) {
    return(NULL)
  }
  list(
    bands = as.character(unlist(fields$bands)),
    means = as.numeric(unlist(fields$means)),
    sds = as.numeric(unlist(fields$sds)),
    normalise = fields$normalise,
    patch_size = as.integer(fields$patch_size),
    cell_size = if (!is.null(fields$cell_size)) as.numeric(unlist(fields$cell_size)),
    crs = fields$crs
  )
}

from_tiles <- function(fields) {
  whole <- c("patch_size", "n_patches", "n_channels", "height", "width")
  fields[whole] <- lapply(fields[whole], as.integer)
  numbers <- c("means", "sds")
  fields[numbers] <- lapply(fields[numbers], function(values) as.numeric(unlist(values)))
  fields$bands <- as.character(unlist(fields$bands))
  storage.mode(fields$cells) <- "integer"
  colnames(fields$cells) <- c("row", "column")
  fields["seed"] <- list(from_seed(fields$seed))
  fields$state <- shelved(fields$state)
  structure(fields, class = c("edaphosbridge_tiles", "edaphos_tile_dataset"))
}

# Python's whole numbers go further than R's integers.
from_seed <- function(seed) {
  if (abs(seed) <= .Machine$integer.max) as.integer(seed) else seed
}

from_config <- function(config) {
  whole <- intersect(c("epochs", "batch_size"), names(config)) # L-BFGS has no batches
  config[whole] <- lapply(config[whole], as.integer)
  config$seed <- from_seed(config$seed)
  config$hidden <- as.integer(unlist(config$hidden))
  config
}

from_classifier <- function(fields) {
  encoder <- if (is.null(fields$encoder)) fields$module else from_encoder(fields$encoder)
  fit <- list(
    encoder = encoder,
    # a one-dimensional NumPy array arrives as a one-dimensional R array
    head = lapply(fields$head, function(w) if (length(dim(w)) == 1L) as.vector(w) else w),
    classes = as.character(unlist(fields$classes)),
    ordered = fields$ordered,
    loss_history = from_history(fields$loss_history),
    val_accuracy_history = from_history(fields$val_accuracy_history),
    config = from_config(fields$config),
    feature_dim = as.integer(fields$feature_dim),
    head_type = fields$head_type,
    freeze_backbone = fields$freeze_backbone,
    device = fields$device,
    in_channels = as.integer(fields$in_channels),
    patch_size = as.integer(unlist(fields$patch_size)),
    class_counts = from_counts(fields$class_counts, fields$classes),
    overlapping = if (!is.null(fields$overlapping)) as.integer(fields$overlapping),
    normalisation = from_normalisation(fields$normalisation),
    state = shelved(fields$state)
  )
  structure(fit, class = c("edaphosbridge_classifier", "edaphos_foundation_classifier"))
}

from_pretrain <- function(fields) {
  whole <- c(
    "feature_dim", "proj_dim", "batch_size", "epochs", "steps_per_epoch", "queue_size"
  )
  whole <- intersect(whole, names(fields$config))
  fields$config[whole] <- lapply(fields$config[whole], as.integer)
  fields$config$seed <- from_seed(fields$config$seed)
  if (!is.null(fields$config$crop_ratio)) {
    fields$config$crop_ratio <- as.numeric(unlist(fields$config$crop_ratio))
  }
  fields$encoder <- from_encoder(fields$encoder)
  fields$loss_history <- from_history(fields$loss_history)
  fields$patch_size <- as.integer(unlist(fields$patch_size))
  fields["normalisation"] <- list(from_normalisation(fields$normalisation))
  sizes <- c("in_channels", "feature_dim", "proj_dim", "batch_size", "queue_size")
  sizes <- intersect(sizes, names(fields))
  fields[sizes] <- lapply(fields[sizes], as.integer)
  fields$state <- shelved(fields$state)
  structure(
    fields,
    class = c("edaphosbridge_pretrain", paste0("edaphos_foundation_", fields$method))
  )
}

from_probe_sweep <- function(fields) {
  fields$classifier <- from_classifier(fields$classifier)
  fields[c("settings", "results")] <- lapply(fields[c("settings", "results")], from_columns)
  if (!is.null(fields$config)) fields$config <- from_grid(fields$config)
  structure(
    fields[c("classifier", "best", "settings", "results", "config")],
    class = c("edaphosbridge_probe_sweep", "edaphos_probe_sweep")
  )
}

from_grid <- function(config) {
  numbers <- c("lr", "weight_decay", "C", "seeds")
  config[numbers] <- lapply(config[numbers], function(values) as.numeric(unlist(values)))
  whole <- c("epochs", "batch_size")
  config[whole] <- lapply(config[whole], as.integer)
  config
}

# A data frame of characters and numbers; NaN is NA.
from_columns <- function(columns) {
  columns <- lapply(columns, function(values) {
    values <- unlist(values)
    if (is.character(values)) values else replace(values, is.nan(values), NA_real_)
  })
  as.data.frame(columns, stringsAsFactors = FALSE)
}
