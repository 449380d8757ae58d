#' Plot what a fit is worth
#'
#' @param x,object A result of [foundation_interpret()] or [foundation_knn()].
#' @param which Of a classifier `"confusion"`, counts on the shares of each actual class (rows);
#'   `"reliability"`, accuracy against confidence, discs as large as their numbers of patches; or
#'   `"top_losses"`, pictures of the patches with the largest losses, titled prediction / actual /
#'   loss / probability of the actual class. Of a regressor `"predictions"`, predicted against actual
#'   values, or `"top_losses"`. Of a segmenter `"confusion"`, counts of cells, or `"top_losses"`, each
#'   patch beside its mask and what is predicted; white cells are unlabelled. By default the first.
#' @param k How many patches, at most as many as `x$patches` has (`n_pictures` of
#'   [foundation_interpret()]); by default 9 of them, of a segmenter 4.
#' @param bands One band, shown as grey, or three, shown as red, green and blue; by default the first
#'   three, or the first where there are fewer.
#' @param stretch What is black and white in a band: `"percent"`, its 2nd and 98th percentile over the
#'   patches shown; `"minmax"`, their smallest and largest value; `"none"`, 0 and 1.
#' @param target Which target's predictions, its name or number.
#' @param ... Not used: an argument of another name is an error.
#' @return `plot()`: `x`, invisibly. `autoplot()`: a `ggplot`.
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' y <- factor(rep(c("Oxisol", "Ultisol"), 30))
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' fit <- foundation_fit_classifier(encoder, x, y, epochs = 3, seed = 1)
#' found <- foundation_interpret(fit, x, y, n_boot = 0)
#' plot(found)
#' plot(found, "reliability")
#' plot(found, "top_losses", k = 4, bands = c(3, 2, 1))
#' @export
plot.edaphosbridge_interpretation <- function(x, which = NULL, k = most_pictures(x), bands = NULL,
                                              stretch = c("percent", "minmax", "none"),
                                              target = 1L, ...) {
  call <- sys.call()
  stop_if_unused("plot", ...)
  switch(which_of(x, which, call),
    confusion = draw_confusion(x$confusion),
    reliability = draw_reliability(x$reliability),
    predictions = draw_predictions(x, target_number(x, target, call)),
    top_losses = {
      hex <- hex_of(pictures_of(worst_patches(x, k, call), bands, stretch, call))
      titles <- loss_titles(x, length(hex))
      if (x$kind == "segmentation") {
        draw_masks(hex, titles, masks_beside(x), x$classes, x$colours)
      } else {
        draw_pictures(hex, titles, loss_caption(x))
      }
    }
  )
  invisible(x)
}

#' @rdname plot.edaphosbridge_interpretation
#' @method autoplot edaphosbridge_interpretation
#' @exportS3Method ggplot2::autoplot edaphosbridge_interpretation
autoplot.edaphosbridge_interpretation <- function(object, which = NULL, k = most_pictures(object),
                                                  bands = NULL,
                                                  stretch = c("percent", "minmax", "none"),
                                                  target = 1L, ...) {
  call <- sys.call()
  stop_if_unused("autoplot", ...)
  switch(which_of(object, which, call),
    confusion = confusion_plot(object$confusion),
    reliability = reliability_plot(object$reliability),
    predictions = predictions_plot(object, target_number(object, target, call)),
    top_losses = {
      hex <- hex_of(pictures_of(worst_patches(object, k, call), bands, stretch, call))
      titles <- loss_titles(object, length(hex))
      if (object$kind == "segmentation") {
        mask_plot(hex, titles, masks_beside(object), object$classes, object$colours)
      } else {
        picture_plot(hex, titles, loss_caption(object))
      }
    }
  )
}

which_of <- function(x, which, call) {
  first <- switch(x$kind,
    classification = c("confusion", "reliability"),
    segmentation = "confusion",
    "predictions"
  )
  choices <- c(first, "top_losses")
  if (is.null(which)) {
    return(choices[[1]])
  }
  if (!is.character(which) || length(which) != 1L || !which %in% choices) {
    stop_input("which", sprintf(
      "must be %s.", paste0("\"", choices, "\"", collapse = " or ")
    ), call)
  }
  which
}

target_number <- function(x, target, call) {
  if (is.character(target) && length(target) == 1L) {
    if (!target %in% x$targets) {
      stop_input("target", sprintf(
        "must be one of %s; found '%s'.", paste(x$targets, collapse = ", "), target
      ), call)
    }
    return(match(target, x$targets))
  }
  number <- to_count(target, "target", call)
  if (number > length(x$targets)) {
    stop_input("target", sprintf("must be at most %d.", length(x$targets)), call)
  }
  number
}

worst_patches <- function(x, k, call) {
  kept <- length(x$picture_rows)
  if (kept == 0L || to_count(k, "k", call) > kept) {
    stop_input("k", sprintf(paste(
      "must be at most %d, the patches that were kept.",
      "foundation_interpret(n_pictures = ) keeps more."
    ), kept), call)
  }
  x$patches[seq_len(k), , , , drop = FALSE]
}

most_pictures <- function(x) {
  min(if (identical(x$kind, "segmentation")) 4L else 9L, length(x$picture_rows))
}

masks_beside <- function(x) list(actual = x$masks, predicted = x$predicted)

loss_caption <- function(x) {
  if (x$kind == "classification") {
    "prediction / actual / loss / probability"
  } else {
    "prediction / actual / loss"
  }
}

loss_titles <- function(x, k) {
  worst <- top_losses(x, k)
  if (x$kind == "classification") {
    return(sprintf(
      "%s / %s\n%.2f / %.2f", worst$prediction, worst$actual, worst$loss, worst$probability
    ))
  }
  if (x$kind == "segmentation") {
    return(sprintf(
      "row %d: accuracy %.2f, loss %.2f", worst$row, worst$pixel_accuracy, worst$loss
    ))
  }
  shown <- function(values) {
    apply(format3(values[worst$row, , drop = FALSE]), 1L, paste, collapse = ", ")
  }
  sprintf("%s / %s\n%.3g", shown(x$predicted), shown(x$actual), worst$loss)
}

format3 <- function(values) {
  matrix(sprintf("%.3g", values), nrow(values))
}

# --- confusion -------------------------------------------------------------------------------

# One row a cell; `share` is that of its actual class.
confusion_cells <- function(counts) {
  total <- rowSums(counts)
  share <- counts / ifelse(total > 0, total, 1)
  data.frame(
    actual = factor(rownames(counts)[row(counts)], levels = rownames(counts)),
    predicted = factor(colnames(counts)[col(counts)], levels = colnames(counts)),
    count = as.vector(counts),
    label = sprintf("%.0f", counts), # R would write 100000 as 1e+05
    share = as.vector(share)
  )
}

blues <- c("white", "#6baed6", "#08306b")

draw_confusion <- function(counts) {
  cells <- confusion_cells(counts)
  k <- nrow(counts)
  room <- max(graphics::strwidth(rownames(counts), "inches", cex = 0.9)) + 0.5
  before <- graphics::par(mai = c(room, room, 0.3, 0.3))
  on.exit(graphics::par(before))
  x <- as.integer(cells$predicted)
  y <- k + 1L - as.integer(cells$actual) # the first class on top
  graphics::plot.new()
  graphics::plot.window(c(0.5, k + 0.5), c(0.5, k + 0.5), asp = 1)
  colours <- grDevices::colorRamp(blues)(cells$share)
  graphics::rect(
    x - 0.5, y - 0.5, x + 0.5, y + 0.5,
    col = grDevices::rgb(colours, maxColorValue = 255), border = "grey85"
  )
  graphics::text(x, y, cells$label, col = ifelse(cells$share > 0.5, "white", "black"))
  graphics::text(
    seq_len(k), 0.35, colnames(counts),
    srt = 45, adj = c(1, 1), xpd = NA, cex = 0.9
  )
  graphics::text(0.4, rev(seq_len(k)), rownames(counts), adj = c(1, 0.5), xpd = NA, cex = 0.9)
  longest <- max(graphics::strwidth(rownames(counts), cex = 0.9))
  line <- graphics::strheight("x")
  graphics::text((k + 1) / 2, 0.35 - 0.75 * longest - 3 * line, "predicted", xpd = NA)
  graphics::text(0.4 - longest - 2 * line, (k + 1) / 2, "actual", srt = 90, xpd = NA)
}

confusion_plot <- function(counts) {
  cells <- confusion_cells(counts)
  cells$dark <- cells$share > 0.5
  ggplot2::ggplot(cells, ggplot2::aes(
    x = !!quote(predicted), y = !!quote(actual), fill = !!quote(share)
  )) +
    ggplot2::geom_tile(colour = "grey85") +
    ggplot2::geom_text(ggplot2::aes(label = !!quote(label), colour = !!quote(dark))) +
    ggplot2::scale_fill_gradientn(colours = blues, limits = 0:1, guide = "none") +
    ggplot2::scale_colour_manual(values = c("FALSE" = "black", "TRUE" = "white"), guide = "none") +
    ggplot2::scale_y_discrete(limits = rev(levels(cells$actual))) +
    ggplot2::coord_fixed() +
    ggplot2::theme(
      axis.text.x = ggplot2::element_text(angle = 45, hjust = 1),
      panel.grid = ggplot2::element_blank()
    )
}

# --- reliability -----------------------------------------------------------------------------

draw_reliability <- function(bins) {
  bins <- bins[bins$n > 0L, ]
  before <- graphics::par(pty = "s")
  on.exit(graphics::par(before))
  graphics::plot(
    bins$confidence, bins$accuracy,
    type = "n", xlim = 0:1, ylim = 0:1, xlab = "confidence", ylab = "accuracy"
  )
  graphics::abline(0, 1, lty = "dotted", col = "grey40")
  graphics::lines(bins$confidence, bins$accuracy)
  graphics::points(
    bins$confidence, bins$accuracy,
    pch = 19, cex = 0.5 + 3 * sqrt(bins$n / sum(bins$n)), col = grDevices::adjustcolor("#1f77b4", 0.8)
  )
}

reliability_plot <- function(bins) {
  bins <- bins[bins$n > 0L, ]
  ggplot2::ggplot(bins, ggplot2::aes(x = !!quote(confidence), y = !!quote(accuracy))) +
    ggplot2::geom_abline(slope = 1, intercept = 0, linetype = "dotted") +
    (if (nrow(bins) > 1L) ggplot2::geom_line()) +
    ggplot2::geom_point(ggplot2::aes(size = !!quote(n)), colour = "#1f77b4", alpha = 0.8) +
    ggplot2::scale_size_area(max_size = 6) +
    ggplot2::coord_fixed(xlim = 0:1, ylim = 0:1)
}

# --- predictions -----------------------------------------------------------------------------

draw_predictions <- function(x, number) {
  actual <- x$actual[, number]
  predicted <- x$predicted[, number]
  ends <- range(actual, predicted)
  before <- graphics::par(pty = "s")
  on.exit(graphics::par(before))
  graphics::plot(
    actual, predicted,
    xlim = ends, ylim = ends, pch = 19, col = grDevices::adjustcolor("#1f77b4", 0.6),
    xlab = paste("actual", x$targets[[number]]), ylab = paste("predicted", x$targets[[number]])
  )
  graphics::abline(0, 1, lty = "dotted", col = "grey40")
}

predictions_plot <- function(x, number) {
  points <- data.frame(actual = x$actual[, number], predicted = x$predicted[, number])
  ends <- range(unlist(points))
  ggplot2::ggplot(points, ggplot2::aes(x = !!quote(actual), y = !!quote(predicted))) +
    ggplot2::geom_abline(slope = 1, intercept = 0, linetype = "dotted") +
    ggplot2::geom_point(colour = "#1f77b4", alpha = 0.6) +
    ggplot2::coord_fixed(xlim = ends, ylim = ends) +
    ggplot2::labs(
      x = paste("actual", x$targets[[number]]), y = paste("predicted", x$targets[[number]])
    )
}
