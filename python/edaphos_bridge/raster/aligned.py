"""Rasters of different grids in one GeoTIFF on one grid, written window by window."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.arguments import choice, flag
from edaphos_bridge.errors import InputError
from edaphos_bridge.files.disk import written_beside
from edaphos_bridge.raster.aligned_grid import Grid, grid_for
from edaphos_bridge.raster.data_array import is_data_array
from edaphos_bridge.raster.file_part import rasterio, writable_raster
from edaphos_bridge.raster.raster import Raster, Window
from edaphos_bridge.raster.sources import open_raster
from edaphos_bridge.raster.warped import Warped

# GDAL's methods by the names of rasterio, and what terra and gdalwarp call some of them.
_METHODS = (
    "nearest", "bilinear", "cubic", "cubic_spline", "lanczos", "average", "mode", "max", "min",
    "med", "q1", "q3", "sum", "rms",
)  # fmt: skip
_ALSO_CALLED = {"near": "nearest", "cubicspline": "cubic_spline", "median": "med"}
# Height and width of the tiles of the file, in cells.
_TILE = 256
# Values of a source that are written at once: 32 MiB in float64.
_MOST_VALUES = 2**22
# What belongs to a GeoTIFF and lies beside it: of one that is replaced, it would belong to the new.
_BESIDE = (".aux.xml", ".ovr", ".msk")


def align(
    sources: Any,
    target_res: Any,
    target_crs: Any,
    aoi: Any,
    method: Any,
    filename: Any,
    overwrite: Any,
) -> Path:
    """Do what `foundation_tile_align` does, into a file that must be named."""
    path = _target(filename, overwrite)
    given = _several(sources)
    methods = _methods(method, len(given))
    package = rasterio()
    with contextlib.ExitStack() as opened:
        rasters = [opened.enter_context(_open(source, row)) for row, source in enumerate(given)]
        _refuse_itself(path, rasters)
        grid = grid_for(rasters, target_res, target_crs, aoi)
        parts = [Warped(raster, grid, name) for raster, name in zip(rasters, methods, strict=True)]
        try:
            with written_beside(path) as temporary:
                _write(temporary, parts, grid)
        except (OSError, package.errors.RasterioError) as error:
            raise InputError("filename", f"cannot be written ({error})", found=str(path)) from error
    for ending in _BESIDE:
        Path(f"{os.path.realpath(path)}{ending}").unlink(missing_ok=True)
    return path


# --- what is asked for -------------------------------------------------------------------------


def _several(sources: Any) -> list[Any]:
    """Return a list of rasters; one that is no list is one."""
    is_one = isinstance(sources, str | os.PathLike | Mapping) or is_data_array(sources)
    given = [sources] if is_one else sources
    if not isinstance(given, list | tuple) or not given:
        raise InputError(
            "sources",
            "must be a list of rasters: paths, or xarray.DataArrays",
            found=given if isinstance(given, list | tuple) else type(given).__name__,
        )
    return list(given)


def _open(source: Any, row: int) -> Raster:
    try:
        return open_raster(source, "sources")
    except InputError as error:
        counted = InputError(
            "sources", error.problem, rows=[row], found=error.found, hint=error.hint
        )
        raise counted from (error.__cause__ or error)


def _methods(method: Any, n: int) -> list[str]:
    """Return the method of each of `n` sources."""
    given = [method] if isinstance(method, str) or not isinstance(method, list | tuple) else method
    if len(given) not in (1, n):
        raise InputError(
            "method", f"must be one method, or one for each of the {n} sources", found=list(given)
        )
    found = [
        choice("method", _ALSO_CALLED.get(name, name) if isinstance(name, str) else name, _METHODS)
        for name in given
    ]
    return found * n if len(found) == 1 else found


def _target(filename: Any, overwrite: Any) -> Path:
    may_replace = flag("overwrite", overwrite)
    path = writable_raster("filename", filename)
    if path.exists() and not may_replace:
        raise InputError(
            "filename", "is there already", found=str(path), hint="`overwrite` replaces it."
        )
    return path


def _refuse_itself(path: Path, rasters: Sequence[Raster]) -> None:
    for row, raster in enumerate(rasters):
        if raster.is_made_of(path):
            raise InputError(
                "filename", "must not be one of the sources", rows=[row], found=str(path)
            )


# --- the file ----------------------------------------------------------------------------------


def _write(path: Path, parts: Sequence[Warped], grid: Grid) -> None:
    package = rasterio()
    names = [name for part in parts for name in part.raster.bands]
    fits = all(part.raster.fits_float32 for part in parts)
    dtype = np.dtype(np.float32 if fits else np.float64)
    profile = {
        "driver": "GTiff",
        "dtype": dtype.name,
        "count": len(names),
        "height": grid.height,
        "width": grid.width,
        "transform": package.Affine(*grid.transform),
        "crs": grid.crs,
        "nodata": np.nan,
        "tiled": True,
        "blockxsize": _TILE,
        "blockysize": _TILE,
        "interleave": "band",
        "compress": "deflate",
        "predictor": 3,
        "bigtiff": "if_safer",
    }
    with package.open(path, "w", **profile) as file:
        file.descriptions = names
        for window in _windows(grid, max(len(part.raster.bands) for part in parts)):
            row, col, height, width = window
            place = ((row, row + height), (col, col + width))
            first = 1
            for part in parts:
                cells = part.read(window)
                bands = list(range(first, first + len(cells)))
                file.write(_cast(cells, dtype), bands, window=place)
                first += len(cells)


def _cast(cells: NDArray[np.float64], dtype: Any) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        return cells.astype(dtype, copy=False)


def _windows(grid: Grid, bands: int) -> Iterator[Window]:
    """Yield windows of whole tiles that cover the grid once, as near to square as memory allows."""
    most = max(1, _MOST_VALUES // bands // _TILE**2)  # tiles
    across = max(1, int(most**0.5))
    height, width = max(1, most // across) * _TILE, across * _TILE
    for row in range(0, grid.height, height):
        for col in range(0, grid.width, width):
            yield Window(row, col, min(height, grid.height - row), min(width, grid.width - col))
