"""Points in a raster's coordinates: taking them from a user, and their cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge.as_numpy import as_numpy
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.raster import Raster
from edaphos_bridge.raster.transform import to_cells

_COLUMNS = (["x", "y"], ["lon", "lat"])
_WANTED = "pairs of numbers (N, 2)"


def read_coords(coords: Any, argument: str = "coords") -> NDArray[np.float64]:
    """Return points as an array ``(N, 2)`` of x and y; missing ones are NaN.

    Parameters
    ----------
    coords : array-like, shape (N, 2), or pandas.DataFrame with x and y or lon and lat
        The points.
    argument : str
        What the caller's function calls them, for errors.

    Raises
    ------
    InputError
        If they are no pairs of numbers.
    """
    if isinstance(coords, pd.DataFrame):
        names = next((names for names in _COLUMNS if set(names) <= set(coords.columns)), None)
        if names is None:
            raise InputError(
                argument, "must have columns x and y, or lon and lat", found=list(coords.columns)
            )
        coords = coords[names]
    if isinstance(coords, pd.DataFrame):
        try:
            points = coords.to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise InputError(argument, f"must be {_WANTED}", found=type(coords).__name__) from error
    else:
        points = np.ma.filled(as_numpy(coords, argument, _WANTED).astype(np.float64), np.nan)
    if points.size == 0 and points.ndim < 2:
        points = points.reshape(0, 2)
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(
            argument,
            f"must be {_WANTED}",
            found=list(points.shape),
            hint="One point is an array of shape (1, 2).",
        )
    return points


def cells_at(
    raster: Raster, points: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the row and column ``(N, 2)`` where points lie, and which lie inside the raster.

    A point on an edge belongs to the cell with the higher row or column; on the last edges of the
    raster to the last cell, as in terra. Missing ones are outside.
    """
    last = np.array([raster.height, raster.width])
    slack = 1e-9 * last  # the digits of a transform, so that the edge itself is inside
    with np.errstate(invalid="ignore", over="ignore"):
        places = np.stack(to_cells(raster.transform, points[:, 0], points[:, 1]), axis=1)
        inside = ((places >= -slack) & (places <= last + slack)).all(axis=1)
        found = np.clip(np.floor(places), 0, last - 1)
    return np.where(inside[:, None], found, -1).astype(np.int64), inside
