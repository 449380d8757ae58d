# What Python needs for the R and reticulate at hand.

# What pip installs; `source` is a folder or a file instead of the package's name.
python_requirements <- function(source = "edaphos-bridge",
                                reticulate = utils::packageVersion("reticulate")) {
  # all that R's functions use: pretraining's views and rasters
  c(paste0(source, "[pretrain,raster]"), python_pins(reticulate))
}

# reticulate before 1.38 cannot load NumPy 2, before 1.45 not pandas 3.
python_pins <- function(reticulate = utils::packageVersion("reticulate")) {
  c(if (reticulate < "1.38") "numpy<2", if (reticulate < "1.45") "pandas<3")
}

# NumPy 1 has wheels up to Python 3.12.
is_usable_python <- function(version, reticulate = utils::packageVersion("reticulate")) {
  version <- numeric_version(version, strict = FALSE)
  !is.na(version) && version >= "3.10" && (reticulate >= "1.38" || version < "3.13")
}

# The line for a shell.
install_command <- function(python) {
  pins <- python_pins()
  paste(
    c(shQuote(python), "-m pip install edaphos-bridge", if (length(pins)) dQuote(pins, FALSE)),
    collapse = " "
  )
}
