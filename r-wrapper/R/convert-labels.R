# Labels of patches on their way between R and Python.

# A factor crosses as codes and levels: reticulate would turn its NA into the class "NA". Text
# crosses as UTF-8, whatever R's locale is.
to_labels <- function(y, call) {
  if (missing(y)) {
    stop_input("y", "is missing.", call)
  }
  if (!is.atomic(y) || is.null(y) || is.complex(y) || is.raw(y)) {
    stop_input("y", sprintf("must be a factor or a vector of labels; found %s.", class(y)[[1]]), call)
  }
  if (!is.factor(y)) {
    y <- checked_classes(y, call)
  }
  y <- factor(y)
  levels <- checked_text(levels(y), call)
  list(codes = as.array(as.integer(y) - 1L), levels = as.list(levels), ordered = is.ordered(y))
}

# Python cannot see that the levels of a factor were numbers.
checked_classes <- function(y, call) {
  if (is.character(y)) {
    return(checked_text(y, call))
  }
  if (is.numeric(y) && any(measured <- !is.na(y) & y != trunc(y))) {
    rows <- which(measured)
    shown <- paste(utils::head(rows, 5L), collapse = ", ")
    stop_input("y", sprintf(
      paste0(
        "must hold classes; %d of %d numbers are not whole (first: %s%s; counted from 1); found %s. ",
        "A classifier learns classes: cut measured numbers into a few (pandas.cut, R's cut())."
      ),
      length(rows), length(y), shown, if (length(rows) > 5L) ", ..." else "",
      format(y[[rows[[1]]]], digits = 15)
    ), call)
  }
  y
}

# UTF-8 without a change: R would translate bytes that it believes to be of another encoding.
checked_text <- function(text, call) {
  latin <- Encoding(text) == "latin1"
  text[latin] <- enc2utf8(text[latin])
  bad <- !is.na(text) & (!validUTF8(text) | Encoding(text) == "bytes")
  if (any(bad)) {
    stop_input("y", sprintf(
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

# Code NA is no class.
from_factor <- function(codes, levels, ordered = FALSE) {
  factor(unlist(levels)[as.integer(codes)], levels = unlist(levels), ordered = ordered)
}
