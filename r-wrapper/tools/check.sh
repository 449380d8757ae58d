#!/bin/sh
# R CMD build and R CMD check --as-cran, with Python and without. Fails on any error, warning or
# note. Checks that need a network are off, and so is the PDF manual, which needs LaTeX.
#
# usage: check.sh PYTHON     PYTHON is the one with edaphos-bridge
set -eu

python=$1
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

export _R_CHECK_CRAN_INCOMING_=false _R_CHECK_SYSTEM_CLOCK_=0
# The first example starts Python and imports torch: more than the five seconds that CRAN allows.
export _R_CHECK_EXAMPLE_TIMING_THRESHOLD_=60
# HTML validation needs the command tidy.
command -v tidy >/dev/null 2>&1 || export _R_CHECK_RD_VALIDATE_RD2HTML_=false

for tool in qpdf; do
    command -v $tool >/dev/null 2>&1 || { echo "make check-r needs $tool" >&2; exit 1; }
done

cd "$work"
EDAPHOSBRIDGE_PYTHON=$python R CMD build "$here" >build.log 2>&1 || { cat build.log; exit 1; }

check() {
    echo "== R CMD check --as-cran, $1"
    mkdir "$2"
    EDAPHOSBRIDGE_PYTHON=$3 R CMD check --as-cran --no-manual --output="$2" ./*.tar.gz \
        >"$2/check.log" 2>&1 || true
    tail -n 3 "$2/check.log"
    if ! grep -q '^Status: OK$' "$2/check.log"; then
        cat "$2/check.log"
        cat "$2"/*.Rcheck/tests/*.fail 2>/dev/null || true
        exit 1
    fi
}

check "with Python" with "$python"
check "without Python" without "$work/no/python"
