# What a fit does, on its way from Python to R.

# What R prints by the lines that came with it, and has plot() and as.data.frame().
from_result <- function(fields, class) {
  from_object(fields, c(paste0("edaphosbridge_", class), "edaphosbridge_result"))
}

from_interpretation <- function(fields) {
  scores <- from_scores(fields$scores)
  fields$scores <- scores
  fields$seed <- from_seed(fields$seed)
  whole <- c("n_units", "n_boot")
  fields[whole] <- lapply(fields[whole], as.integer)
  fields$picture_rows <- as.integer(fields$picture_rows)
  fields$loss <- as.numeric(fields$loss)
  fields$baselines <- as.character(unlist(fields$baselines))
  if (fields$kind == "regression") {
    fields$targets <- as.character(unlist(fields$targets))
    return(from_result(fields, "interpretation"))
  }
  if (fields$kind == "segmentation") {
    return(from_result(from_interpreted_masks(fields), "interpretation"))
  }
  classes <- fields$classes <- as.character(unlist(fields$classes))
  columns <- c("actual", "predicted")
  fields[columns] <- lapply(fields[columns], from_factor, levels = classes)
  colnames(fields$probabilities) <- classes
  fields$confusion <- structure(
    matrix(as.integer(fields$confusion), length(classes)),
    dimnames = list(actual = classes, predicted = classes)
  )
  fields$reliability <- from_columns(fields$reliability)
  fields$reliability$n <- as.integer(fields$reliability$n)
  from_result(fields, "interpretation")
}

# Of a segmenter: masks of the patches that are kept, and counts of cells, more than integers reach.
from_interpreted_masks <- function(fields) {
  texts <- c("classes", "colours")
  fields[texts] <- lapply(fields[texts], function(values) as.character(unlist(values)))
  classes <- fields$classes
  masks <- c("masks", "predicted")
  fields[masks] <- lapply(fields[masks], structure, levels = classes)
  fields$confusion <- structure(
    matrix(as.numeric(fields$confusion), length(classes)),
    dimnames = list(actual = classes, predicted = classes)
  )
  tiles <- c("labelled", "pixel_accuracy")
  fields[tiles] <- lapply(fields[tiles], from_history)
  fields
}

from_segmenter_comparison <- function(fields) {
  fields$fits <- lapply(fields$fits, from_segmenter)
  fields$interpretations <- lapply(fields$interpretations, from_interpretation)
  fields$scores <- from_scores(fields$scores)
  texts <- c("classes", "colours")
  fields[texts] <- lapply(fields[texts], function(values) as.character(unlist(values)))
  fields$masks <- structure(fields$masks, levels = fields$classes)
  fields$predicted <- lapply(fields$predicted, structure, levels = fields$classes)
  fields$rows <- as.integer(fields$rows)
  fields$seed <- from_seed(fields$seed)
  from_result(fields, "segmenter_comparison")
}

# Names of broom's for the ends of intervals; what a score of all together is of is NA.
from_scores <- function(columns) {
  table <- from_columns(columns)
  names(table) <- sub("^conf_", "conf.", names(table))
  of <- intersect(c("class", "target"), names(table))
  table[[of]][table[[of]] == ""] <- NA_character_
  table
}

from_few_labels <- function(fields) {
  whole <- c("repeat", "fold", "n_train", "n_test", "n", "above")
  tables <- c("table", "summary", "differences", "pretraining")
  fields[tables] <- lapply(fields[tables], function(columns) {
    table <- from_columns(columns)
    there <- intersect(whole, names(table))
    table[there] <- lapply(table[there], as.integer)
    table
  })
  if (nrow(fields$pretraining) == 0L) {
    fields$pretraining <- data.frame(method = character(), fold = integer(), seconds = double())
  }
  names(fields$differences) <- sub("^conf_", "conf.", names(fields$differences))
  whole <- c("repeats", "epochs", "freeze_to", "batch_size", "scratch_epochs")
  fields$config[whole] <- lapply(fields$config[whole], function(n) as.integer(unlist(n)))
  fields$config$labels <- as.numeric(unlist(fields$config$labels))
  fields$config$seed <- from_seed(fields$config$seed)
  from_result(fields, "few_label_experiment")
}

from_attribution <- function(fields) {
  fields$prediction <- unlist(fields$prediction) # classes, or numbers
  texts <- c("target", "bands")
  fields[texts] <- lapply(fields[texts], function(values) as.character(unlist(values)))
  from_result(fields, "attribution")
}

from_importance <- function(fields) {
  fields$importance <- from_columns(fields$importance)
  fields$bands <- as.character(unlist(fields$bands))
  fields$seed <- from_seed(fields$seed)
  from_result(fields, "band_importance")
}

from_map <- function(fields) {
  points <- as.data.frame(fields$points)
  names(points) <- c("PC1", "PC2")
  if (!is.null(fields$classes)) {
    points$class <- factor(unlist(fields$classes), levels = unlist(fields$levels))
  }
  fields$points <- points
  fields$explained <- as.numeric(unlist(fields$explained))
  fields$labels <- as.character(unlist(fields$labels))
  from_result(fields[c("points", "explained", "labels", "printed")], "embedding_map")
}

from_applicability <- function(fields) {
  numbers <- c("center", "scale", "train_di")
  fields[numbers] <- lapply(fields[numbers], function(values) as.numeric(from_array(values)))
  fields$train_lpd <- as.integer(from_array(fields$train_lpd))
  names <- if (!is.null(fields$names)) as.character(unlist(fields$names))
  fields["names"] <- list(names)
  fields$train <- from_array(fields$train)
  colnames(fields$train) <- names
  from_result(fields, "applicability")
}

# Of cases that lack a value nothing is known.
from_cases <- function(columns) {
  columns <- lapply(columns, as.vector)
  di <- from_array(columns$di)
  lpd <- as.integer(from_array(columns$lpd))
  data.frame(di = di, inside = replace(columns$inside, is.na(di), NA), lpd = lpd)
}

#' @export
format.edaphosbridge_result <- function(x, ...) {
  attr(x, "printed", exact = TRUE)
}

#' @export
print.edaphosbridge_result <- function(x, ...) {
  cat(format(x, ...), sep = "\n")
  invisible(x)
}
