# What Python needs for the R and reticulate at hand.

# What stands for the package in lines that the user completes: PyPI does not have it yet, so that
# its name alone installs nothing.
checkout <- "path/to/edaphos-bridge"
what_checkout_is <- "a checkout of edaphos-bridge, or a wheel made of one"

# What pip installs. `source` is a folder or a file, or an address, which pip wants with a name.
python_requirements <- function(source, reticulate = utils::packageVersion("reticulate")) {
  # all that R's functions use: pretraining's views, rasters and maps
  extras <- "[interpret,maps,pretrain]"
  package <- if (is_address(source)) {
    paste0("edaphos-bridge", extras, " @ ", source)
  } else {
    paste0(source, extras)
  }
  c(package, python_pins(reticulate))
}

is_address <- function(source) grepl("^[A-Za-z][A-Za-z0-9+.-]+://", source)

# reticulate before 1.38 cannot load NumPy 2, before 1.45 not pandas 3.
python_pins <- function(reticulate = utils::packageVersion("reticulate")) {
  c(if (reticulate < "1.38") "numpy<2", if (reticulate < "1.45") "pandas<3")
}

# NumPy 1 has wheels up to Python 3.12.
is_usable_python <- function(version, reticulate = utils::packageVersion("reticulate")) {
  version <- numeric_version(version, strict = FALSE)
  !is.na(version) && version >= "3.10" && (reticulate >= "1.38" || version < "3.13")
}

# The lines that install the package, for R and for the shell of a Python that the user has chosen.
install_line <- function(python = NULL) {
  sprintf(
    "install_edaphosbridge(source = \"%s\"%s)  # %s", checkout,
    if (is.null(python)) "" else sprintf(", python = %s", python), what_checkout_is
  )
}

install_command <- function(python) {
  requirements <- dQuote(python_requirements(checkout), FALSE)
  paste(
    c(shQuote(python), "-m pip install --upgrade", requirements, "#", what_checkout_is),
    collapse = " "
  )
}
