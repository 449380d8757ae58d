#!/bin/sh
# Makes sure that R and the R packages of edaphosbridge are there: from Debian's packages where
# they are missing and this user may install them. Otherwise says what is missing and fails.
set -eu

packages="reticulate cli testthat callr withr"

missing() {
    command -v Rscript >/dev/null 2>&1 || { echo "R"; return; }
    # rpy2 is compiled against R's headers
    [ -f "$(R RHOME)/etc/Makeconf" ] || echo "R's development files"
    for package in $packages; do
        Rscript -e "quit(status = !requireNamespace('$package', quietly = TRUE))" \
            >/dev/null 2>&1 || echo "the R package $package"
    done
}

lacking=$(missing)
[ -z "$lacking" ] && exit 0

if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then
        as_root=""
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root="sudo"
    else
        as_root="none"
    fi
    if [ "$as_root" != none ]; then
        debian="r-base-dev"
        for package in $packages; do debian="$debian r-cran-$package"; done
        $as_root apt-get update -q
        # shellcheck disable=SC2086
        $as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends $debian
        lacking=$(missing)
        [ -z "$lacking" ] && exit 0
    fi
fi

echo "The R part cannot run. Missing:" >&2
echo "$lacking" | sed 's/^/  - /' >&2
echo "On Debian: apt-get install r-base-dev $(for p in $packages; do printf 'r-cran-%s ' "$p"; done)" >&2
exit 1
