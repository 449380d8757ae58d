# Patches beside masks of them: a row for each patch, a column for it and for each kind of mask.

# `hex` are pictures as of hex_of(), `titles` theirs, and `masks` arrays (k, H, W) of codes by name.
draw_masks <- function(hex, titles, masks, classes, colours) {
  shown <- with_masks(hex, titles, masks, colours)
  draw_pictures(shown$hex, shown$titles, "", 1L + length(masks), below = function() {
    graphics::par(fig = c(0, 1, 0, 1), oma = rep(0, 4), mar = rep(0, 4), new = TRUE)
    graphics::plot.new()
    graphics::legend(
      "bottom", classes,
      fill = colours, ncol = min(6L, length(classes)), bty = "n", xpd = NA,
      cex = 0.85 / graphics::par("cex") # which several panels make smaller
    )
  })
}

mask_plot <- function(hex, titles, masks, classes, colours) {
  shown <- with_masks(hex, titles, masks, colours)
  # codes have the colours of the legend, written as R writes those of pictures
  fill <- ggplot2::scale_fill_identity(
    name = NULL, guide = "legend", breaks = toupper(colours), labels = classes
  )
  picture_plot(shown$hex, shown$titles, NULL, 1L + length(masks), fill) +
    ggplot2::theme(legend.position = "bottom")
}

# Pictures and masks in the order in which they are drawn, row by row.
with_masks <- function(hex, titles, masks, colours) {
  painted <- lapply(masks, function(codes) {
    lapply(seq_along(hex), function(i) {
      cells <- toupper(colours)[codes[i, , ]]
      matrix(ifelse(is.na(cells), "#FFFFFF", cells), dim(codes)[[2]])
    })
  })
  names <- lapply(names(masks), rep, length(hex))
  list(hex = c(do.call(rbind, c(list(hex), painted))), titles = c(do.call(rbind, c(list(titles), names))))
}
