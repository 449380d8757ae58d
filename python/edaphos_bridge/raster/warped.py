"""One raster on another grid, by windows: as it is where cells coincide, else warped by GDAL."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.interrupts import imported
from edaphos_bridge.raster.aligned_grid import Grid, box_of
from edaphos_bridge.raster.crs import same_crs
from edaphos_bridge.raster.file_part import rasterio
from edaphos_bridge.raster.moved import Box, around, moved
from edaphos_bridge.raster.raster import Raster, Window
from edaphos_bridge.raster.transform import Transform, same_grid, to_cells

# Values of a source that are warped at once: 64 MiB in float64.
_MOST_VALUES = 2**23
# GDAL places the cells of the grid among those of a source to this part of one.
_TOLERANCE = 0.001
# What a kernel reads beyond a cell, in cells of the coarser grid; others read what lies in it.
_REACH = {"bilinear": 1, "cubic": 2, "cubic_spline": 2, "lanczos": 3}


class Warped:
    """A raster on a grid, by one of GDAL's methods.

    Where its cells are those of the grid, or lie on the same lattice, they are copied, whatever
    the method.
    """

    def __init__(self, raster: Raster, grid: Grid, method: str) -> None:
        self.raster = raster
        self._grid = grid
        self._method = method
        self._crs = raster.crs
        self._shape = raster.height, raster.width
        self._shift = _shift(raster, grid)
        if self._shift is None:
            self._scale = self._scales()

    def read(self, window: Window) -> NDArray[np.float64]:
        """Return the cells of a window of the grid, (C, height, width), NaN without data."""
        if self._shift is not None:
            row, col = window.row + self._shift[0], window.col + self._shift[1]
            return _with_nan(*self.raster.read(row, col, window.height, window.width))
        shape = (len(self.raster.bands), window.height, window.width)
        out = np.full(shape, np.nan)
        self._warp(window, out)
        return out

    def _warp(self, window: Window, out: NDArray[np.float64]) -> None:
        part = self._needed(window)
        if part is None:
            return
        n_values = part.height * part.width * len(out)
        if n_values > _MOST_VALUES and window.height * window.width > 1:
            for half in _halves(window):
                top, left = half.row - window.row, half.col - window.col
                self._warp(half, out[:, top : top + half.height, left : left + half.width])
            return
        transform = _moved_on(self.raster.transform, part.row, part.col)
        if self._crs is not None and self._crs.is_geographic:  # GDAL knows one turn of longitudes
            middle = 0.0  # that of what is projected
            if self._grid.crs is not None and self._grid.crs.is_geographic:
                there = _moved_on(self._grid.transform, window.row, window.col)
                middle = there[2] + there[0] * window.width / 2
            transform = _turned(transform, part.width, middle)
        values = _with_nan(*self.raster.read(*part))
        for band, cells in enumerate(values):
            # One by one: of several, GDAL takes a cell for missing only if it is in all of them.
            out[band] = self._warped(cells, transform, window)

    def _warped(
        self, cells: NDArray[np.float64], transform: Transform, window: Window
    ) -> NDArray[np.float64]:
        """Return a window of the grid, made of cells that lie where `transform` says."""
        package = rasterio()
        grid, crs = self._grid, self._crs or _anywhere()
        layout = {"driver": "GTiff", "count": 1, "dtype": "float64", "nodata": np.nan}
        height, width = cells.shape
        with imported("rasterio.io").MemoryFile() as memory:
            place = {"crs": crs, "transform": package.Affine(*transform)}
            with memory.open(height=height, width=width, **layout, **place) as file:
                file.write(cells, 1)
            with (
                memory.open() as file,
                imported("rasterio.vrt").WarpedVRT(
                    file,
                    crs=grid.crs or _anywhere(),
                    transform=package.Affine(*_moved_on(grid.transform, window.row, window.col)),
                    height=window.height,
                    width=window.width,
                    src_nodata=np.nan,
                    nodata=np.nan,
                    resampling=imported("rasterio.enums").Resampling[self._method],
                    tolerance=_TOLERANCE,
                    **self._scale,
                ) as there,
            ):
                found: NDArray[np.float64] = there.read(1)
        return found

    def _needed(self, window: Window) -> Window | None:
        """Return the part of the raster whose cells a window of the grid is made of."""
        a, _, c, _, e, f = _moved_on(self._grid.transform, window.row, window.col)
        box = Box(c, f + e * window.height, c + a * window.width, f)
        n_down, n_across = window.height, window.width
        spans = []
        for places, n in zip(self._positions(box), self._shape, strict=True):
            known = places[np.isfinite(places)]
            if not known.size:
                return None
            down, across = _largest_step(places, 0), _largest_step(places, 1)
            steps = len(places) - 1
            per_cell = max(down * steps / n_down, across * steps / n_across)
            # What lies between two places of the lattice may lie a step beyond both.
            pad = max(down, across) + _REACH.get(self._method, 0) * max(1.0, per_cell) + 2
            start = max(0, math.floor(known.min() - pad))
            stop = min(n, math.ceil(known.max() + pad))
            if start >= stop:
                return None
            spans.append((start, stop - start))
        (row, height), (col, width) = spans
        return Window(row, col, height, width)

    def _positions(self, box: Box) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return row and column, in cells of the raster, of the lattice of a box of the grid."""
        x, y = box.lattice()
        within = max(box.xmax - box.xmin, box.ymax - box.ymin) / (len(x) - 1) / 2
        x, y = moved(x, y, self._grid.crs, self._crs, within)
        if self._crs is not None and self._crs.is_geographic:
            own = box_of(self.raster)
            x = around(x, (own.xmin + own.xmax) / 2)
        rows, cols = to_cells(self.raster.transform, x, y)
        return rows, cols

    def _scales(self) -> dict[str, str]:
        """Return how many cells of the grid there are for one of the raster, by GDAL's names.

        GDAL would find it anew for each window, and wide kernels would show where two meet.
        """
        own = self._grid.box
        rows, cols = self._positions(own)
        n = len(rows) - 1
        found = {}
        for name, places in (("XSCALE", cols), ("YSCALE", rows)):
            down = np.diff(places, axis=0)[:, :-1] * n / self._grid.height
            right = np.diff(places, axis=1)[:-1] * n / self._grid.width
            per_cell = np.hypot(down, right)
            per_cell = per_cell[np.isfinite(per_cell) & (per_cell > 0)]
            if per_cell.size:
                found[name] = repr(float(1 / np.median(per_cell)))
        return found


def _shift(raster: Raster, grid: Grid) -> tuple[int, int] | None:
    """Return the row and column of the raster at which a grid of the same cells begins."""
    if not same_crs(raster.crs, grid.crs):
        return None
    transform = raster.transform
    if grid.crs is not None and grid.crs.is_geographic:
        transform = _turned(transform, raster.width, (grid.box.xmin + grid.box.xmax) / 2)
    row, col = to_cells(transform, grid.transform[2], grid.transform[5])
    row, col = round(row), round(col)
    there = _moved_on(transform, row, col)
    return (row, col) if same_grid(there, grid.transform, grid.height, grid.width) else None


def _turned(transform: Transform, width: int, middle: float) -> Transform:
    """Return the transform of so many columns moved by whole turns, to lie about a longitude."""
    turns = round((transform[2] + transform[0] * width / 2 - middle) / 360)
    return (*transform[:2], transform[2] - 360 * turns, *transform[3:])


def _moved_on(transform: Transform, row: int, col: int) -> Transform:
    """Return the transform of the cells from a row and column on."""
    a, b, c, d, e, f = transform
    return a, b, c + a * col + b * row, d, e, f + d * col + e * row


def _with_nan(values: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    values[~valid] = np.nan
    return values


def _halves(window: Window) -> list[Window]:
    row, col, height, width = window
    if height >= width:
        half = height // 2
        return [Window(row, col, half, width), Window(row + half, col, height - half, width)]
    half = width // 2
    return [Window(row, col, height, half), Window(row, col + half, height, width - half)]


def _largest_step(places: NDArray[np.float64], axis: int) -> float:
    steps = np.abs(np.diff(places, axis=axis))
    steps = steps[np.isfinite(steps)]
    return float(steps.max()) if steps.size else 0.0


def _anywhere() -> Any:
    """Return a CRS for rasters that have none: GDAL asks for one, and moves nothing within it."""
    return imported("rasterio.crs").CRS.from_epsg(3857)
