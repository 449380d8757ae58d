# Labels of whole patches on the way to Python, and text of any kind.

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
