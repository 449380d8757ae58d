# Patches as pictures: which bands are shown, and what is black and white in them; as pictures.py
# has it. Then a grid of them, drawn by graphics and by ggplot2.

stretches <- c("percent", "minmax", "none")

# Arrays (k, C, H, W) become red, green and blue, (k, H, W, 3), in [0, 1].
pictures_of <- function(patches, bands, stretch, call) {
  bands <- bands_shown(bands, dim(patches)[[2]], call)
  stretch <- if (identical(stretch, stretches)) "percent" else stretch
  if (!is.character(stretch) || length(stretch) != 1L || !stretch %in% stretches) {
    stop_input("stretch", "must be \"percent\", \"minmax\" or \"none\".", call)
  }
  size <- dim(patches)
  colours <- vapply(rep(bands, length.out = 3L), function(band) {
    values <- patches[, band, , ]
    if (stretch != "none") {
      ends <- if (stretch == "percent") c(0.02, 0.98) else 0:1
      ends <- stats::quantile(values, ends, names = FALSE)
      values <- (values - ends[[1]]) / (if (ends[[2]] > ends[[1]]) diff(ends) else 1)
    }
    pmin(pmax(as.vector(values), 0), 1)
  }, numeric(prod(size[-2])))
  array(colours, c(size[-2], 3L))
}

bands_shown <- function(bands, channels, call) {
  if (is.null(bands)) {
    return(if (channels >= 3L) 1:3 else 1L)
  }
  is_whole <- is.numeric(bands) && !anyNA(bands) && all(bands == trunc(bands))
  if (!is_whole || !length(bands) %in% c(1L, 3L) || any(bands < 1 | bands > channels)) {
    stop_input("bands", sprintf("must be one band or three, counted from 1 to %d.", channels), call)
  }
  as.integer(bands)
}

# The colours of the cells of each picture, a matrix (H, W) of each.
hex_of <- function(pictures) {
  size <- dim(pictures)
  lapply(seq_len(size[[1]]), function(i) {
    cells <- array(pictures[i, , , ], size[-1])
    matrix(
      grDevices::rgb(as.vector(cells[, , 1]), as.vector(cells[, , 2]), as.vector(cells[, , 3])),
      size[[2]]
    )
  })
}

# `columns` of them in a row, by default about as many as rows. Where the grid is ours, `below` draws
# what stands under it, one line.
draw_pictures <- function(hex, titles, caption, columns = NULL, below = NULL) {
  restore <- use_grid(length(hex), columns, if (is.null(below)) 0 else 1.5)
  on.exit(restore())
  for (i in seq_along(hex)) {
    size <- dim(hex[[i]])
    graphics::plot.new()
    graphics::plot.window(c(0, size[[2]]), c(0, size[[1]]), asp = 1)
    graphics::rasterImage(
      grDevices::as.raster(hex[[i]]), 0, 0, size[[2]], size[[1]],
      interpolate = FALSE
    )
    size <- 0.85 / graphics::par("cex") # which several panels make smaller
    # Names of classes may be long: a title is no wider than its panel.
    wide <- graphics::strwidth(titles[[i]], "inches", cex = size)
    size <- size * min(1, graphics::par("fin")[[1]] * 0.97 / wide)
    graphics::title(main = titles[[i]], cex.main = size, font.main = 1L, line = 0.4 * size)
  }
  graphics::mtext(caption, outer = TRUE, cex = 0.9)
  if (!is.null(below) && graphics::par("oma")[[1]] > 0) below()
}

# As many panels as are needed, unless the device has several already.
use_grid <- function(n, columns = NULL, below = 0) {
  if (!identical(graphics::par("mfrow"), c(1L, 1L))) {
    return(function() NULL)
  }
  before <- graphics::par(no.readonly = TRUE)
  if (is.null(columns)) columns <- min(n, ceiling(sqrt(n)))
  graphics::par(mfrow = c(ceiling(n / columns), columns))
  graphics::par(mar = c(0.5, 0.5, 2.6 / graphics::par("cex"), 0.5), oma = c(below, 0, 2.5, 0))
  function() {
    graphics::par(before["mfrow"]) # changes others, among them cex
    graphics::par(before[setdiff(names(before), c("mfrow", "mfcol"))])
  }
}

# Long names of classes stand below each other: titles of neighbours would overlap.
broken <- function(titles) {
  lines <- strsplit(titles, "\n", fixed = TRUE)
  if (max(nchar(unlist(lines))) <= 20L) {
    return(titles)
  }
  vapply(lines, function(parts) {
    paste(c(sub(" / ", " /\n", parts[[1]], fixed = TRUE), parts[-1]), collapse = "\n")
  }, "")
}

picture_plot <- function(hex, titles, caption, columns = NULL, fill = ggplot2::scale_fill_identity()) {
  cells <- do.call(rbind, lapply(seq_along(hex), function(i) {
    data.frame(
      picture = i, row = as.vector(row(hex[[i]])), column = as.vector(col(hex[[i]])),
      colour = as.vector(hex[[i]])
    )
  }))
  titles <- structure(broken(titles), names = seq_along(titles))
  # Points: smaller where pictures are many, and room beside them for what is wider than they are.
  size <- min(8.8, 27 / ceiling(sqrt(length(titles))))
  longest <- max(nchar(unlist(strsplit(titles, "\n", fixed = TRUE))))
  ggplot2::ggplot(cells, ggplot2::aes(
    x = !!quote(column), y = !!quote(row), fill = !!quote(colour)
  )) +
    ggplot2::geom_raster() +
    fill +
    ggplot2::scale_y_reverse() +
    ggplot2::coord_fixed() +
    ggplot2::facet_wrap("picture", ncol = columns, labeller = ggplot2::as_labeller(titles)) +
    ggplot2::labs(title = caption) +
    ggplot2::theme_void() +
    ggplot2::theme(
      plot.background = ggplot2::element_rect(fill = "white", colour = NA),
      plot.title = ggplot2::element_text(size = 11, hjust = 0.5),
      strip.clip = "off",
      strip.text = ggplot2::element_text(size = size, margin = ggplot2::margin(4, 2, 3, 2)),
      panel.spacing.x = ggplot2::unit(max(5.5, 0.3 * size * longest), "pt")
    )
}
