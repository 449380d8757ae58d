# Arguments that nothing uses: `...` would swallow a misspelt one without a word.

# For the first lines of a method: `generic` is what the user called, `...` the method's own dots.
# `also` has further names that are used (graphical parameters), `takes` the formals that count, by
# default the method's.
stop_if_unused <- function(generic, ..., also = NULL, takes = NULL, call = NULL) {
  given <- as.list(substitute(list(...)))[-1L]
  if (length(given) == 0L) {
    return(invisible())
  }
  caller <- sys.parent()
  if (is.null(takes)) takes <- formals(sys.function(caller))[-1L]
  takes <- takes[names(takes) != "..."]
  names <- names_or_none(given)
  unused <- which(!names %in% c(names(takes), also))
  if (length(unused) == 0L) {
    return(invisible())
  }
  if (is.null(call)) call <- sys.call(caller)
  call[[1]] <- as.name(generic)
  first <- unused[[1]]
  called <- if (nzchar(names[[first]])) names[[first]] else "..."
  what <- if (nzchar(names[[first]])) {
    sprintf("is no argument of %s().", generic)
  } else {
    shown <- substr(paste(deparse(given[[first]]), collapse = " "), 1L, 40L)
    sprintf("has %s, an argument without a name, which %s() does not use.", shown, generic)
  }
  stop_input(called, paste0(what, nearest_to(called, takes), arguments_of(generic, takes)), call)
}

names_or_none <- function(values) if (is.null(names(values))) rep("", length(values)) else names(values)

arguments_of <- function(generic, takes) {
  if (length(takes) == 0L) {
    return(" It takes no more arguments.")
  }
  sprintf(" It takes %s.", paste0("`", names(takes), "`", collapse = ", "))
}

# The argument, or the choice of an argument, that a name is nearest to.
nearest_to <- function(name, takes) {
  choices <- lapply(takes, function(default) {
    is_choice <- is.call(default) && identical(default[[1]], quote(c))
    if (is_choice) Filter(is.character, as.list(default)[-1L])
  })
  words <- c(names(takes), unlist(choices, use.names = FALSE))
  shown <- c(
    sprintf("`%s`", names(takes)),
    sprintf("`%s = \"%s\"`", rep(names(takes), lengths(choices)), unlist(choices))
  )
  if (length(words) == 0L) {
    return("")
  }
  begins <- (startsWith(words, name) | startsWith(name, words)) & pmin(nchar(words), nchar(name)) > 2L
  distance <- drop(utils::adist(tolower(name), tolower(words)))
  distance[begins] <- 0
  best <- which.min(distance)
  if (distance[[best]] > max(1, nchar(name) %/% 3L)) "" else {
    sprintf(" Did you mean %s?", shown[[best]])
  }
}
