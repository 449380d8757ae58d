#' Statlog Landsat: labelled soil patches and their scene
#'
#' 6435 patches of 3x3 pixels in four Landsat bands with six soil and cover
#' classes, and the scene that they were cut from (82x100 pixels, no
#' georeference). Neighbouring patches share pixels, so random cross-validation
#' leaks: report the official split, or blocks of the scene.
#'
#' @return `statlog_landsat()`: a list of
#'   \item{x}{integer array (6435, 4, 3, 3)}
#'   \item{y}{factor, the class of the central pixel}
#'   \item{train}{logical, `TRUE` for the 4435 official training patches}
#'
#'   `statlog_scene()`: a list of
#'   \item{image}{integer array (4, 82, 100), `NA` where unknown}
#'   \item{labels}{integer matrix (82, 100), position in `classes`, `NA` where
#'     unlabelled}
#'   \item{row}{integer matrix (82, 100), the row of `x` centred there, or `NA`}
#'   \item{classes}{character}
#' @source Srinivasan, A. (1993). Statlog (Landsat Satellite). UCI Machine
#'   Learning Repository, \doi{10.24432/C55887}. Licence: CC BY 4.0.
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' data <- statlog_landsat()
#' table(data$y, data$train)
#' @export
statlog_landsat <- function() {
  data <- answer_value(python_call("landsat", list()), sys.call())
  list(
    x = data$x,
    y = from_factor(data$codes, data$levels),
    train = as.logical(data$train)
  )
}

#' @rdname statlog_landsat
#' @export
statlog_scene <- function() {
  data <- answer_value(python_call("scene", list()), sys.call())
  list(image = data$image, labels = data$labels, row = data$row, classes = unlist(data$classes))
}
