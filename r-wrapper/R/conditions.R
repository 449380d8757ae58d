# Conditions: what Python answered becomes R's errors, warnings and messages.

# Returns the value of an answer, or signals its error with the user's own call. What stopped at
# Ctrl-C is R's interrupt for those who catch it, an error of its own class for the others.
answer_value <- function(answer, call) {
  for (text in unlist(answer$messages)) {
    message(text)
  }
  for (text in unlist(answer$warnings)) {
    warning(warningCondition(text, class = "edaphosbridge_warning", call = call))
  }
  if ("edaphosbridge_interrupt" %in% answer$error$classes) {
    signalCondition(structure(list(), class = c("interrupt", "condition")))
  }
  if (!is.null(answer$error)) {
    stop_condition(
      answer$error$message,
      unlist(answer$error$classes),
      call = call,
      argument = answer$error$argument,
      traceback = answer$error$traceback
    )
  }
  answer$value
}

# For a Ctrl-C that came outside a call.
stop_if_interrupted <- function(came) {
  if (came) {
    classes <- c("edaphosbridge_interrupt", "edaphosbridge_error")
    answer_value(list(error = list(message = "interrupted by the user.", classes = classes)), NULL)
  }
}

stop_condition <- function(message, class, call = NULL, ...) {
  stop(errorCondition(message, ..., class = class, call = call))
}

# For what Python cannot see, because the value changes its meaning on the way.
stop_input <- function(argument, problem, call) {
  stop_condition(
    sprintf("`%s` %s", argument, problem),
    c("edaphosbridge_input_error", "edaphosbridge_error"),
    call = call,
    argument = argument
  )
}
