"""A raster in memory: an array ``(C, H, W)``, looked at where it lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.raster import Raster, Window, only_finite
from edaphos_bridge.raster.transform import IDENTITY


class ArrayRaster(Raster):
    """Bands ``band_1``, ``band_2``...; x is the column and y the row.

    Parameters
    ----------
    array : array or torch.Tensor, shape (C, H, W), any real dtype
        Cells that are NaN, infinite or masked have no data. Neither copied nor changed. What
        is not in memory (dask, zarr, h5py) is read in windows.
    argument : str
        What the caller's function calls it, for errors.
    """

    def __init__(self, array: Any, argument: str) -> None:
        if isinstance(array, torch.Tensor):
            array = array.detach().cpu()
            array = (array.float() if array.dtype == torch.bfloat16 else array).numpy()
        if not all(hasattr(array, name) for name in ("shape", "ndim", "dtype", "__getitem__")):
            array = np.asanyarray(array)
        if np.dtype(array.dtype).kind not in "biuf":
            raise InputError(argument, "must hold real numbers", found=array.dtype)
        if array.ndim != 3 or 0 in array.shape:
            raise InputError(
                argument,
                "must have the three dimensions (C, H, W): bands, height, width",
                found=list(array.shape),
                hint="One band is an array of shape (1, H, W).",
            )
        self._array = array
        channels, height, width = array.shape
        names = [f"band_{number}" for number in range(1, channels + 1)]
        super().__init__(names, height, width, IDENTITY, block_shape=(1, width))

    def describe(self) -> None:
        """Return None: an array has no name by which it could be found again."""

    def _read(self, window: Window) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        row, col, height, width = window
        place = np.s_[:, row : row + height, col : col + width]
        found = in_memory(self._array[place])
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.ma.getdata(found).astype(np.float64, order="C")
        return only_finite(values, ~np.ma.getmaskarray(found))


def in_memory(part: Any) -> NDArray[Any]:
    """Return a slice of any array as one of NumPy's, masked where it is masked."""
    return np.asanyarray(part.compute() if hasattr(part, "compute") else part)
