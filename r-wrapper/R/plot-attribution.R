#' Plot what a fit looks at
#'
#' Attributions are drawn over their patches, which are grey: by integrated gradients the sum over
#' bands, red for what speaks for the target and blue against it; by Grad-CAM from dark to bright. Of
#' [foundation_band_importance()] a bar for each band, with its standard deviation.
#'
#' @param x,object A result of [foundation_attribute()] or [foundation_band_importance()].
#' @param rows Which patches; by default the first nine.
#' @param bands,stretch As in [plot.edaphosbridge_interpretation()]; patches are drawn as the mean of
#'   the bands.
#' @param alpha How much of the patch is covered, from 0 to 1.
#' @param ... Not used: an argument of another name is an error.
#' @return `plot()`: `x`, invisibly. `autoplot()`: a `ggplot`.
#' @export
plot.edaphosbridge_attribution <- function(x, rows = NULL, bands = NULL,
                                           stretch = c("percent", "minmax", "none"), alpha = 0.6,
                                           ...) {
  call <- sys.call()
  stop_if_unused("plot", ...)
  shown <- attributed_pictures(x, rows, bands, stretch, alpha, call)
  draw_pictures(shown$hex, shown$titles, shown$caption)
  invisible(x)
}

#' @rdname plot.edaphosbridge_attribution
#' @method autoplot edaphosbridge_attribution
#' @exportS3Method ggplot2::autoplot edaphosbridge_attribution
autoplot.edaphosbridge_attribution <- function(object, rows = NULL, bands = NULL,
                                               stretch = c("percent", "minmax", "none"),
                                               alpha = 0.6, ...) {
  call <- sys.call()
  stop_if_unused("autoplot", ...)
  shown <- attributed_pictures(object, rows, bands, stretch, alpha, call)
  picture_plot(shown$hex, shown$titles, shown$caption)
}

attributed_pictures <- function(x, rows, bands, stretch, alpha, call) {
  n <- dim(x$values)[[1]]
  if (is.null(rows)) rows <- seq_len(min(9L, n))
  if (!is.numeric(rows) || anyNA(rows) || length(rows) == 0L || any(rows < 1 | rows > n)) {
    stop_input("rows", sprintf("must be rows of the %d patches.", n), call)
  }
  if (!is.numeric(alpha) || length(alpha) != 1L || is.na(alpha) || alpha < 0 || alpha > 1) {
    stop_input("alpha", "must be a number from 0 to 1.", call)
  }
  pictures <- pictures_of(x$patches[rows, , , , drop = FALSE], bands, stretch, call)
  grey <- apply(pictures, 1:3, mean)
  is_signed <- x$method == "integrated_gradients"
  ramp <- grDevices::colorRamp(
    if (is_signed) {
      c("#053061", "#4393c3", "#f7f7f7", "#d6604d", "#67001f")
    } else {
      grDevices::hcl.colors(20L, "Inferno")
    }
  )
  for (i in seq_along(rows)) {
    seen <- apply(x$values[rows[[i]], , , , drop = FALSE], 3:4, sum)
    most <- max(abs(seen), 1e-300)
    place <- if (is_signed) (seen / most + 1) / 2 else pmax(seen, 0) / most
    over <- array(ramp(as.vector(place)) / 255, c(dim(seen), 3L))
    pictures[i, , , ] <- alpha * over + (1 - alpha) * as.vector(grey[i, , ])
  }
  list(
    hex = hex_of(pictures),
    titles = paste(x$target[rows], "/", if (is.numeric(x$prediction)) {
      sprintf("%.4g", x$prediction[rows])
    } else {
      x$prediction[rows]
    }),
    caption = if (is_signed) {
      "integrated gradients: target / prediction (red for the target, blue against it)"
    } else {
      "Grad-CAM: target / prediction"
    }
  )
}

#' @rdname plot.edaphosbridge_attribution
#' @export
plot.edaphosbridge_band_importance <- function(x, ...) {
  stop_if_unused("plot", ...)
  table <- x$importance[rev(seq_len(nrow(x$importance))), ] # the first band on top
  sd <- ifelse(is.na(table$sd), 0, table$sd)
  room <- max(graphics::strwidth(table$band, "inches")) + 0.3
  before <- graphics::par(mai = replace(graphics::par("mai"), 2L, room))
  on.exit(graphics::par(before))
  limits <- range(0, table$importance - sd, table$importance + sd)
  places <- graphics::barplot(
    table$importance,
    names.arg = table$band, horiz = TRUE, las = 1L, xlab = x$label, col = "#1f77b4", border = NA,
    xlim = limits
  )
  graphics::segments(table$importance - sd, places, table$importance + sd, places)
  graphics::abline(v = 0)
  invisible(x)
}

#' @rdname plot.edaphosbridge_attribution
#' @method autoplot edaphosbridge_band_importance
#' @exportS3Method ggplot2::autoplot edaphosbridge_band_importance
autoplot.edaphosbridge_band_importance <- function(object, ...) {
  stop_if_unused("autoplot", ...)
  table <- object$importance
  table$band <- factor(table$band, levels = rev(table$band))
  sd <- ifelse(is.na(table$sd), 0, table$sd)
  table$low <- table$importance - sd
  table$high <- table$importance + sd
  ggplot2::ggplot(table, ggplot2::aes(x = !!quote(importance), y = !!quote(band))) +
    ggplot2::geom_col(fill = "#1f77b4", alpha = 0.8) +
    ggplot2::geom_linerange(ggplot2::aes(xmin = !!quote(low), xmax = !!quote(high))) +
    ggplot2::geom_vline(xintercept = 0) +
    ggplot2::labs(x = object$label, y = NULL)
}

#' Plot patches in the plane of their two main components
#'
#' @param x,object A result of [foundation_embedding_map()].
#' @param ... Not used: an argument of another name is an error.
#' @return `plot()`: `x`, invisibly. `autoplot()`: a `ggplot`.
#' @export
plot.edaphosbridge_embedding_map <- function(x, ...) {
  stop_if_unused("plot", ...)
  points <- x$points
  colours <- if (is.null(points$class)) {
    "#1f77b4"
  } else {
    grDevices::hcl.colors(nlevels(points$class), "Dark 3")
  }
  of <- if (is.null(points$class)) 1L else as.integer(points$class)
  room <- if (is.null(points$class)) 0 else {
    max(graphics::strwidth(levels(points$class), "inches", cex = 0.8)) + 0.5
  }
  margins <- graphics::par("mai")
  before <- graphics::par(mai = replace(margins, 4L, max(margins[[4]], room)))
  on.exit(graphics::par(before))
  graphics::plot(
    points$PC1, points$PC2,
    pch = 19, cex = 0.7, col = grDevices::adjustcolor(colours[of], 0.7),
    xlab = x$labels[[1]], ylab = x$labels[[2]]
  )
  if (!is.null(points$class)) {
    ends <- graphics::par("usr")
    graphics::legend(
      ends[[2]], ends[[4]], levels(points$class),
      col = colours, pch = 19, cex = 0.8, bty = "n", xpd = NA
    )
  }
  invisible(x)
}

#' @rdname plot.edaphosbridge_embedding_map
#' @method autoplot edaphosbridge_embedding_map
#' @exportS3Method ggplot2::autoplot edaphosbridge_embedding_map
autoplot.edaphosbridge_embedding_map <- function(object, ...) {
  stop_if_unused("autoplot", ...)
  points <- object$points
  mapping <- if (is.null(points$class)) {
    ggplot2::aes(x = !!quote(PC1), y = !!quote(PC2))
  } else {
    ggplot2::aes(x = !!quote(PC1), y = !!quote(PC2), colour = !!quote(class))
  }
  ggplot2::ggplot(points, mapping) +
    ggplot2::geom_point(alpha = 0.7) +
    ggplot2::labs(x = object$labels[[1]], y = object$labels[[2]], colour = NULL)
}
