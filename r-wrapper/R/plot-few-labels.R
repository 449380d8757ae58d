# The plots of an experiment with few labels.

#' @rdname foundation_few_label_experiment
#' @param object A result of `foundation_few_label_experiment()`; so is `x` of `plot()`.
#' @param measures What is drawn, a box for each method with the repeats as points: some of
#'   `"accuracy"`, `"balanced_accuracy"`, `"log_loss"` and `"seconds"`.
#' @export
plot.edaphosbridge_few_label_experiment <- function(x, measures = c("accuracy", "log_loss"), ...) {
  stop_if_unused("plot", ...)
  long <- boxes_of(x, measures, sys.call())
  restore <- use_panels(nlevels(long$measure), nlevels(long$labels))
  on.exit(restore())
  panel <- graphics::par("fin") # inches
  wide <- min(0.3 + 0.07 * max(nchar(levels(long$method))), 0.75 * panel[[1L]])
  names <- shortened(levels(long$method), (wide - 0.3) / 0.07)
  margins <- graphics::par(mai = c(min(0.7, 0.35 * panel[[2L]]), wide, min(0.4, 0.2 * panel[[2L]]), 0.1))
  on.exit(graphics::par(margins), add = TRUE, after = FALSE)
  size <- min(1, (panel[[2L]] - sum(graphics::par("mai")[c(1L, 3L)])) / (0.13 * length(names)))
  for (panel in split(long, list(long$measure, long$labels))) {
    graphics::boxplot(
      value ~ method, panel,
      horizontal = TRUE, las = 1, outline = FALSE, ylim = range(panel$value), ylab = "", yaxt = "n",
      xlab = as.character(panel$measure[[1L]]), main = as.character(panel$labels[[1L]])
    )
    graphics::axis(2L, seq_along(names), names, las = 1, cex.axis = size, gap.axis = -1)
    graphics::points(panel$value, as.integer(panel$method) + panel$aside, pch = 1, cex = 0.7)
  }
  invisible(x)
}

#' @rdname foundation_few_label_experiment
#' @method autoplot edaphosbridge_few_label_experiment
#' @exportS3Method ggplot2::autoplot edaphosbridge_few_label_experiment
autoplot.edaphosbridge_few_label_experiment <- function(object, measures = c("accuracy", "log_loss"),
                                                        ...) {
  stop_if_unused("autoplot", ...)
  long <- boxes_of(object, measures, sys.call())
  ggplot2::ggplot(long, ggplot2::aes(x = !!quote(value), y = !!quote(method))) +
    ggplot2::geom_boxplot(outlier.shape = NA) +
    ggplot2::geom_point(
      ggplot2::aes(y = as.integer(!!quote(method)) + !!quote(aside)),
      shape = 1, size = 1
    ) +
    ggplot2::facet_grid(labels ~ measure, scales = "free_x") +
    ggplot2::labs(x = NULL, y = NULL)
}

# Names of at most so many characters: longer ones keep their beginning and, as ", probe", their end.
shortened <- function(names, most) {
  n <- nchar(names)
  short <- paste0(substr(names, 1L, max(most - 11, 3)), "...", substr(names, n - 7L, n))
  ifelse(n > most & nchar(short) < n, short, names)
}

# A row for each value and measure; `aside` is how far its point lies from the middle of its box, so
# that none hides another.
boxes_of <- function(found, measures, call) {
  known <- c("accuracy", "balanced_accuracy", "log_loss", "seconds")
  if (!is.character(measures) || length(measures) == 0L || !all(measures %in% known)) {
    problem <- sprintf("must be some of %s.", paste0("\"", known, "\"", collapse = ", "))
    stop_input("measures", problem, call)
  }
  table <- found$table
  numbers <- unique(table$labels)
  of_each <- if (isTRUE(found$config$per_class)) " of each class" else ""
  named <- paste0(vapply(numbers, counted, "", "label"), of_each)
  named[is.infinite(numbers)] <- "all labels"
  shown <- gsub("_", " ", unique(measures))
  data.frame(
    method = factor(table$method, rev(unique(table$method))),
    labels = factor(named[match(table$labels, numbers)], named),
    measure = factor(rep(shown, each = nrow(table)), shown),
    value = unlist(table[unique(measures)], use.names = FALSE),
    aside = 0.2 * sin(2.4 * table[["repeat"]])
  )
}
