# Estimates with their intervals: a place for each class, a colour for each model.

# `table` has `of` and `model`, factors, `estimate`, `conf.low` and `conf.high`.
draw_intervals <- function(table, label) {
  models <- levels(table$model)
  shift <- 0.15 * (as.integer(table$model) - (length(models) + 1) / 2)
  at <- as.integer(table$of) + shift
  colours <- grDevices::hcl.colors(length(models), "Dark 3")
  of_row <- colours[as.integer(table$model)]
  graphics::plot(
    at, table$estimate,
    type = "n", xlim = c(0.5, nlevels(table$of) + 0.5), ylim = c(0, 1), xaxt = "n", xlab = "",
    ylab = gsub("_", " ", label)
  )
  graphics::axis(1L, at = seq_len(nlevels(table$of)), labels = levels(table$of))
  graphics::segments(at, table$conf.low, at, table$conf.high, col = of_row)
  graphics::points(at, table$estimate, pch = 19, col = of_row)
  graphics::legend(
    "topleft", models,
    pch = 19, col = colours, bty = "n", horiz = TRUE, inset = c(0, -0.1), xpd = NA # above the plot
  )
}

interval_plot <- function(table, label) {
  ggplot2::ggplot(table, ggplot2::aes(
    x = !!quote(of), y = !!quote(estimate), colour = !!quote(model)
  )) +
    ggplot2::geom_linerange(
      ggplot2::aes(ymin = !!quote(conf.low), ymax = !!quote(conf.high)),
      position = ggplot2::position_dodge(width = 0.4), na.rm = TRUE
    ) +
    ggplot2::geom_point(position = ggplot2::position_dodge(width = 0.4), na.rm = TRUE) +
    ggplot2::coord_cartesian(ylim = 0:1) +
    ggplot2::labs(x = NULL, y = gsub("_", " ", label), colour = NULL)
}
