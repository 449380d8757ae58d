# A look at a Python from outside: it runs a small script in a process of its own, so that nothing
# that is broken there can break this R.

# Returns a named list of strings, empty where `python` does not run:
#   version, shared ("yes", "no"), venv ("yes", "no"), and, unless `brief`,
#   version.<package>, begun.<module>, error.<module> (what importing it raised), device.<name>,
#   done
inspect_python <- function(python, brief = FALSE) {
  script <- tempfile("edaphosbridge-inspect-", fileext = ".py")
  on.exit(unlink(script))
  writeLines(inspect_code, script)
  arguments <- c("-B", shQuote(script), if (brief) "brief")
  lines <- suppressWarnings(tryCatch(
    system2(
      python, arguments,
      stdout = TRUE, stderr = FALSE, timeout = 120, env = libraries_without_r()
    ),
    error = function(condition) character()
  ))
  form <- "^@([^=]+)=(.*)$"
  lines <- grep(form, lines, value = TRUE)
  structure(as.list(sub(form, "\\2", lines)), names = sub(form, "\\1", lines))
}

# R puts its folders of libraries before all others. Another Python's libpython and OpenSSL may be
# in them, so a Python of its own process gets LD_LIBRARY_PATH as it was before R.
libraries_without_r <- function() {
  now <- Sys.getenv("LD_LIBRARY_PATH")
  of_r <- file.path(R.home("etc"), "ldpaths")
  if (!nzchar(now) || !file.exists(of_r)) {
    return(character())
  }
  code <- sprintf(
    "R_HOME=%s; . %s; printf %%s \"$R_LD_LIBRARY_PATH\"", shQuote(R.home()), shQuote(of_r)
  )
  added <- system2("sh", c("-c", shQuote(code)), stdout = TRUE)
  if (length(added) != 1L || !startsWith(now, added)) {
    return(character())
  }
  sprintf("LD_LIBRARY_PATH=%s", shQuote(sub("^:", "", substring(now, nchar(added) + 1L))))
}

# Runs in any Python, of version 2 too. Versions are read without importing; then modules are
# imported one by one, and a line is there before the next one may crash.
inspect_code <- '
from __future__ import print_function
import os, sys

def say(key, value):
    print("@%s=%s" % (key, " ".join(str(value).split())))
    sys.stdout.flush()

def has_shared_library():
    if os.name == "nt":
        return True
    import ctypes, sysconfig
    name = sysconfig.get_config_var("INSTSONAME") or ""
    if sysconfig.get_config_var("PYTHONFRAMEWORK"):
        return True
    if ".so" not in name and ".dylib" not in name:
        return False
    if os.path.exists(os.path.join(sysconfig.get_config_var("LIBDIR") or "", name)):
        return True
    try:
        return bool(ctypes.CDLL(name))
    except OSError:
        return False

def has_venv():
    try:
        import ensurepip, venv
    except ImportError:
        return False
    return True

say("version", "%d.%d.%d" % sys.version_info[:3])
say("shared", "yes" if has_shared_library() else "no")
say("venv", "yes" if has_venv() else "no")

if "brief" not in sys.argv[1:] and sys.version_info >= (3, 8):
    import importlib, importlib.metadata

    for package in ("edaphos-bridge", "torch", "numpy", "pandas"):
        try:
            say("version." + package, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            pass
    for module in ("numpy", "pandas", "torch", "edaphos_bridge"):
        say("begun." + module, "yes")
        try:
            importlib.import_module(module)
        except BaseException as error:
            say("error." + module, "%s: %s" % (type(error).__name__, error))
    if "torch" in sys.modules:
        import torch

        say("device.cuda", "yes" if torch.cuda.is_available() else "no")
        say("device.mps", "yes" if torch.backends.mps.is_available() else "no")
    say("done", "yes")
'
