#!/bin/sh
# Makes sure that R, the R packages of edaphosbridge and what R needs of Python are there: from
# Debian's packages where they are missing and this user may install them. Otherwise says what is
# missing and fails.
#
# usage: install-r.sh PYTHON     PYTHON is the one that R will load
set -eu

python=$1
packages="reticulate cli terra codetools testthat callr withr generics ggplot2 knitr markdown ranger sf stars tibble rsample"

# reticulate loads Python's shared library; rpy2 is compiled against R and Python.
python_part() {
    "$python" - <<'EOF'
import ctypes, os, sysconfig

variable = sysconfig.get_config_var
headers = os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
library = variable("INSTSONAME") or ""
shared = os.path.exists(os.path.join(variable("LIBDIR") or "", library)) and ".so" in library
if not shared:
    try:
        shared = ".so" in library and bool(ctypes.CDLL(library))
    except OSError:
        pass
print("" if shared else "Python's shared library", "" if headers else "Python's headers", sep="\n")
EOF
}

missing() {
    python_part | sed '/^$/d'
    command -v Rscript >/dev/null 2>&1 || { echo "R"; return; }
    [ -f "$(R RHOME)/etc/Makeconf" ] || echo "R's development files"
    for package in $packages; do
        Rscript -e "quit(status = !requireNamespace('$package', quietly = TRUE))" \
            >/dev/null 2>&1 || echo "the R package $package"
    done
}

lacking=$(missing)
[ -z "$lacking" ] && exit 0

debian="r-base-dev"
for package in $packages; do debian="$debian r-cran-$package"; done
if [ -n "$(python_part | sed '/^$/d')" ]; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    # only Debian's own Python gets its library from Debian
    case $("$python" -c 'import sys; print(sys.base_prefix)') in
        /usr) debian="$debian python$version-dev" ;;
    esac
fi

if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then
        as_root=""
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root="sudo"
    else
        as_root="none"
    fi
    if [ "$as_root" != none ]; then
        echo "Installing Debian's packages for the R part: $debian"
        log=build/install-debian.log
        mkdir -p build
        # shellcheck disable=SC2086
        if $as_root apt-get update -q >"$log" 2>&1 &&
            $as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get install -q -y --no-install-recommends $debian >>"$log" 2>&1; then
            lacking=$(missing)
            [ -z "$lacking" ] && exit 0
        else
            tail -n 20 "$log" >&2
        fi
    fi
fi

echo "The R part cannot run. Missing:" >&2
echo "$lacking" | sed 's/^/  - /' >&2
echo "On Debian: apt-get install $debian" >&2
echo "(Python needs a shared library: Debian's has, one of your own is built with --enable-shared.)" >&2
exit 1
