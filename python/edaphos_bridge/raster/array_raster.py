"""A raster in memory: an array ``(C, H, W)``, looked at where it lies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.data.as_numpy import read_slice
from edaphos_bridge.data.patch_arrays import open_array
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.raster import Raster, Window, only_finite
from edaphos_bridge.raster.transform import IDENTITY


class ArrayRaster(Raster):
    """Bands ``band_1``, ``band_2``... of an array ``(C, H, W)``; x is the column and y the row.

    Cells that are NaN, infinite, masked or of the array's fill value have no data. The array is
    neither copied nor changed. What is not in memory (dask, zarr, h5py) is read in windows.
    """

    def __init__(self, array: Any, argument: str) -> None:
        array, _, self._fills = open_array(array, argument, "an array of real numbers (C, H, W)")
        if array.ndim != 3 or 0 in array.shape:
            raise InputError(
                argument,
                "must have the three dimensions (C, H, W): bands, height, width",
                found=list(array.shape),
                hint="One band is an array of shape (1, H, W).",
            )
        self._array = array
        self._argument = argument
        channels, height, width = array.shape
        names = [f"band_{number}" for number in range(1, channels + 1)]
        super().__init__(names, height, width, IDENTITY, block_shape=(1, width))

    def describe(self) -> None:
        """Return None: an array has no name by which it could be found again."""

    def _read(self, window: Window) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        row, col, height, width = window
        place = np.s_[:, row : row + height, col : col + width]
        found = read_slice(self._array, place, self._argument)
        if self._fills:
            found = np.ma.masked_where(np.isin(found, self._fills), found, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.ma.getdata(found).astype(np.float64, order="C")
        return only_finite(values, ~np.ma.getmaskarray(found))
