"""A raster: named bands on one grid of cells, read window by window."""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.raster.transform import Transform, cell_size

# Values of all bands that are read at once: 16 MiB in float64.
_BLOCK_VALUES = 2**21


class Window(NamedTuple):
    """A rectangle of cells: its first row and column, counted from 0, and its extents."""

    row: int
    col: int
    height: int
    width: int


class Raster(ABC):
    """What `open_raster` returns; a context manager that closes the files behind it.

    Files that are left open are closed when the object goes.

    Attributes
    ----------
    bands : list of str
        Names of the bands, in the order of the channels.
    height, width : int
        Extents in cells.
    transform : tuple of six floats
        From positions in cells to coordinates, in the order of rasterio's ``Affine``. Rows run
        from north to south and columns from west to east, whatever the order in the file, as
        in terra; only turned rasters, and arrays without coordinates, stay as they are.
    crs : rasterio.crs.CRS or None
        Of the coordinates, where it is known.
    cell_size : pair of float or None
        Width and height of a cell in coordinates; None without georeference.
    fits_float32 : bool
        Whether float32 holds every cell as it is.
    """

    def __init__(
        self,
        bands: Sequence[str],
        height: int,
        width: int,
        transform: Transform,
        block_shape: tuple[int, int],
        *,
        crs: Any = None,
        georeferenced: bool = False,
        fits_float32: bool = False,
    ) -> None:
        self.bands = list(bands)
        self.height = height
        self.width = width
        self.transform = transform
        self.crs = crs
        self.cell_size = cell_size(transform) if georeferenced else None
        self.fits_float32 = fits_float32
        self._block_shape = block_shape

    def read(
        self, row: int, col: int, height: int, width: int
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the cells of a window, which may reach beyond the raster: `row` or `col` below 0.

        Returns
        -------
        values : numpy.ndarray, shape (C, height, width), float64
            In the raster's units; 0 where there are no data.
        valid : numpy.ndarray of bool, same shape
            False where a cell has no data or lies beyond the raster.
        """
        pause()
        top, left = max(row, 0), max(col, 0)
        bottom, right = min(row + height, self.height), min(col + width, self.width)
        if (top, left, bottom, right) == (row, col, row + height, col + width):
            return self._read(Window(row, col, height, width))
        values = np.zeros((len(self.bands), height, width))
        valid = np.zeros(values.shape, dtype=bool)
        if top < bottom and left < right:
            inside = np.s_[:, top - row : bottom - row, left - col : right - col]
            window = Window(top, left, bottom - top, right - left)
            values[inside], valid[inside] = self._read(window)
        return values, valid

    def blocks(self) -> Iterator[Window]:
        """Yield windows that cover the raster once, in whole blocks of the file if they fit."""
        limit = max(1, _BLOCK_VALUES // len(self.bands))
        rows, columns = self._block_shape
        width = max(columns, limit // rows // columns * columns)
        width = min(width, self.width, limit)
        height = limit // width
        height = min(height - height % rows if height > rows else height, self.height)
        for row in range(0, self.height, height):
            for col in range(0, self.width, width):
                yield Window(row, col, min(height, self.height - row), min(width, self.width - col))

    @abstractmethod
    def describe(self) -> dict[str, Any] | None:
        """Return JSON values from which `open_raster` opens the raster again; None for arrays."""

    def files(self) -> list[str]:
        """Return what GDAL reads of the raster, but for its cells' statistics and overviews.

        Sources of a VRT and external masks are among them. Empty of what lies in no file.
        """
        return []

    def is_made_of(self, path: Path) -> bool:
        """Return whether the file of that path is one of `files`, under whatever name."""
        for file in self.files():
            with contextlib.suppress(OSError):  # no file yet, or a name that only GDAL knows
                if os.path.samefile(file, path):
                    return True
        return False

    @abstractmethod
    def _read(self, window: Window) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return what `read` does, of a window that lies inside the raster."""

    def close(self) -> None:  # noqa: B027  (arrays have nothing to close)
        """Close the files."""

    def __enter__(self) -> Raster:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def only_finite(
    values: NDArray[np.float64], valid: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return both without NaN and infinity; `values`, which may be changed, is 0 there."""
    valid = valid & np.isfinite(values)
    values[~valid] = 0
    return values, valid
