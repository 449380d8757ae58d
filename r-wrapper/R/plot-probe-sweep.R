#' Plot the settings of a sweep
#'
#' The validation accuracy of each setting, mean and standard deviation over seeds: of Adam against
#' the learning rate, a line for each weight decay, and of L-BFGS against `C`. A disc marks the setting
#' that was picked. What diverged is left out.
#'
#' @param x A result of [foundation_probe_sweep()].
#' @param ... As in [graphics::plot.default()], for example `ylim`.
#' @return `x`, invisibly. What [graphics::par()] had set is set again.
#' @seealso `autoplot()` in [autoplot.edaphosbridge_fit()] for ggplot2
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' y <- factor(rep(c("Oxisol", "Ultisol"), 30))
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' plot(foundation_probe_sweep(encoder, x, y, epochs = 3))
#' @export
plot.edaphosbridge_probe_sweep <- function(x, ...) {
  stop_if_unused("plot", ..., also = graphical_parameters())
  points <- sweep_points(x)
  panels <- split(points, points$panel, drop = TRUE)
  restore <- use_panels(length(panels))
  on.exit(restore())
  for (panel in panels) {
    draw_settings(panel, range(points$low, points$high), ...)
  }
  invisible(x)
}

# One row a setting that did not diverge.
sweep_points <- function(sweep) {
  settings <- sweep$settings
  is_adam <- settings$solver == "adam"
  names <- c("learning rate of Adam", "C of L-BFGS")
  sd <- settings$val_accuracy_sd
  sd[is.na(sd)] <- 0 # one seed
  points <- data.frame(
    panel = factor(ifelse(is_adam, names[[1]], names[[2]]), names),
    setting = ifelse(is_adam, settings$lr, settings$C),
    weight_decay = settings$weight_decay,
    val_accuracy = settings$val_accuracy,
    low = settings$val_accuracy - sd,
    high = settings$val_accuracy + sd,
    best = seq_len(nrow(settings)) == best_setting_of(sweep)
  )
  points[!is.na(points$val_accuracy), ]
}

# The row of the setting that was picked.
best_setting_of <- function(sweep) {
  best <- sweep$best
  same <- sweep$settings$solver == best$solver
  for (name in setdiff(names(best), "solver")) {
    same <- same & sweep$settings[[name]] == best[[name]]
  }
  which(same)
}

draw_settings <- function(panel, range, ...) {
  decays <- unique(panel$weight_decay)
  colours <- if (anyNA(decays)) "black" else grDevices::hcl.colors(length(decays), "Dark 3")
  defaults <- list(
    x = panel$setting, y = panel$val_accuracy, type = "n", log = "x", ylim = range,
    xlab = as.character(panel$panel[[1]]), ylab = "validation accuracy"
  )
  do.call(graphics::plot, utils::modifyList(defaults, list(...)))
  for (i in seq_along(decays)) {
    line <- panel[panel$weight_decay %in% decays[[i]], ]
    line <- line[order(line$setting), ]
    graphics::segments(line$setting, line$low, line$setting, line$high, col = colours[[i]])
    graphics::lines(line$setting, line$val_accuracy, type = "o", col = colours[[i]])
  }
  best <- panel[panel$best, ]
  graphics::points(best$setting, best$val_accuracy, pch = 19, cex = 1.5)
  if (length(decays) > 1L) {
    graphics::legend(
      "bottomright", as.character(decays),
      title = "weight decay", col = colours, lty = 1L, bty = "n"
    )
  }
}

#' @rdname autoplot.edaphosbridge
#' @method autoplot edaphosbridge_probe_sweep
#' @exportS3Method ggplot2::autoplot edaphosbridge_probe_sweep
autoplot.edaphosbridge_probe_sweep <- function(object, ...) {
  stop_if_unused("autoplot", ...)
  points <- sweep_points(object)
  points$decay <- factor(points$weight_decay, unique(points$weight_decay)) # NA of L-BFGS: black
  line <- paste(points$panel, points$decay)
  several <- line %in% line[duplicated(line)]
  ggplot2::ggplot(points, ggplot2::aes(
    x = !!quote(setting), y = !!quote(val_accuracy), ymin = !!quote(low), ymax = !!quote(high),
    colour = !!quote(decay)
  )) +
    ggplot2::geom_linerange() +
    (if (any(several)) ggplot2::geom_line(data = points[several, ])) +
    ggplot2::geom_point(shape = 1L) +
    ggplot2::geom_point(data = points[points$best, ], colour = "black", size = 3) +
    ggplot2::scale_x_log10() +
    ggplot2::scale_colour_discrete(
      breaks = levels(points$decay), na.value = "black",
      guide = if (nlevels(points$decay) > 1L) "legend" else "none"
    ) +
    ggplot2::facet_wrap("panel", scales = "free_x", strip.position = "bottom") +
    ggplot2::labs(x = NULL, y = "validation accuracy", colour = "weight decay")
}
