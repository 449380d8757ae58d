# Nothing here starts Python, nor loads reticulate, which takes longer than all the rest: its needs
# wait until something uses it.
.onLoad <- function(libname, pkgname) {
  note_process("loaded_in")
  settle_wanted_python()
  if (isNamespaceLoaded("reticulate")) {
    declare_needs()
  } else {
    setHook(packageEvent("reticulate", "onLoad"), function(...) declare_needs())
  }
}

# reticulate from 1.41 on makes an environment with what is declared, where it finds no Python that
# the user has chosen. The package itself cannot be declared before PyPI has it: no environment could
# be made then, for other packages neither.
declare_needs <- function() {
  if ("py_require" %in% getNamespaceExports("reticulate")) {
    py_require <- getExportedValue("reticulate", "py_require")
    py_require(python_pins(), python_version = ">=3.10")
  }
}
