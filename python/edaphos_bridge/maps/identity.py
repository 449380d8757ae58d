"""What a raster is, so that blocks of a map of another one are not taken for its own."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import numpy as np

from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.raster.raster import Raster


def identity_of(raster: Raster) -> dict[str, Any]:
    """Return JSON values that tell a raster from others, and from itself before it was changed.

    Files are told by name, size and time of change, and so are the sources of a VRT and masks that
    lie beside a file; what has no file of its own by its cells, which are read for that.
    """
    described = raster.describe()
    grid = [raster.height, raster.width, list(raster.transform)]
    files = [] if described is None else described["files"]
    if not files or any(file.get("data") is not None or file.get("shown") for file in files):
        return {"grid": grid, "cells": _digest(raster)}
    return {
        "grid": grid,
        "bands": [[file["path"], list(file["bands"])] for file in files],
        "files": [_of_file(path) for path in raster.files()],
    }


def _of_file(path: str) -> list[Any]:
    try:
        found = os.stat(path)
    except OSError:  # a name that only GDAL knows
        return [path]
    return [path, found.st_size, found.st_mtime_ns]


def _digest(raster: Raster) -> str:
    digest = hashlib.sha256()
    for block in raster.blocks():
        pause()
        values, valid = raster.read(*block)
        digest.update(np.ascontiguousarray(values).data)
        digest.update(np.packbits(valid).data)
    return digest.hexdigest()
