"""Points in a raster's coordinates: taking them from a user, and their cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.data.tables import columns_of, numbers_in, numbers_of
from edaphos_bridge.errors import InputError, warn
from edaphos_bridge.raster.geometries import geometries_of, in_crs
from edaphos_bridge.raster.raster import Raster
from edaphos_bridge.raster.transform import to_cells

_WANTED = "pairs of numbers (N, 2)"
_PAIRS = (("x", "y"), ("lon", "lat"), ("longitude", "latitude"), ("easting", "northing"))
_NAMES = "x and y, lon and lat, longitude and latitude, or easting and northing"


def read_coords(
    coords: Any, argument: str = "coords", *, crs: Any = None, stack: str | None = "stack"
) -> NDArray[np.float64]:
    """Return points as an array ``(N, 2)`` of x and y; missing ones are NaN.

    Parameters
    ----------
    coords : array-like, shape (N, 2), or table, or points of geopandas
        The points. Of a table (a DataFrame, a structured array) the columns x and y, lon and lat,
        longitude and latitude, or easting and northing in any case are taken. Points of
        geopandas that carry a CRS are transformed to that of the raster.
    argument, stack : str
        What the caller's function calls points and raster, for errors; None where there is no
        raster, and points of geopandas stay in their own CRS.
    crs : rasterio.crs.CRS, optional
        Of the raster; None where it has none.

    Raises
    ------
    InputError
        If they are no pairs of numbers or no points, or no or several columns could be meant.
    """
    geometries = geometries_of(coords)
    if geometries is not None:
        return in_crs(geometries, crs, argument, stack)
    names = columns_of(coords)
    if names is not None:
        return np.column_stack(
            [numbers_in(coords[name], argument, name, _WANTED) for name in _pair(names, argument)]
        )
    points = numbers_of(coords, argument, _WANTED)
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


def _pair(names: list[Any], argument: str) -> tuple[Any, Any]:
    """Return the names of the columns that hold x and y."""
    found = [
        (x, y)
        for x_name, y_name in _PAIRS
        for x in names
        if str(x).lower() == x_name
        for y in names
        if str(y).lower() == y_name
    ]
    if len(found) != 1:
        raise InputError(
            argument,
            f"must have columns {_NAMES}" + (", and one such pair only" if found else ""),
            found=[str(name) for name in names],
            hint="Give the two columns that are meant." if found else "",
        )
    return found[0]


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


def warn_if_all_outside(
    raster: Raster, points: NDArray[np.float64], argument: str, stack: str
) -> None:
    """Warn, with the ranges of both, if there are points and none lies inside the raster."""
    given = points[~np.isnan(points).any(axis=1)]
    if len(given) == 0 or cells_at(raster, given)[1].any():
        return
    exchanged = int(cells_at(raster, given[:, ::-1])[1].sum())
    if np.isinf(given).all():
        hint = "They have no place in its coordinate reference system."
    elif exchanged:
        hint = f"With x and y exchanged, {exchanged} of them would lie inside."
    else:
        hint = "Are they in another coordinate reference system?"
    crs = "" if not raster.crs else f" ({raster.crs.to_string()[:80]})"
    number = "The only point" if len(given) == 1 else f"All {len(given)} points"
    warn(
        f"{number} of `{argument}` {'lies' if len(given) == 1 else 'lie'} outside `{stack}`: "
        f"{ranges(given)}; the raster has {ranges(corners_of(raster))}{crs}. {hint}"
    )


def corners_of(raster: Raster) -> NDArray[np.float64]:
    """Return x and y of the four corners of a raster, (4, 2)."""
    a, b, c, d, e, f = raster.transform
    corners = np.array(
        [[0, 0], [raster.width, 0], [0, raster.height], [raster.width, raster.height]]
    )
    return corners @ np.array([[a, d], [b, e]]) + (c, f)


def ranges(points: NDArray[np.float64]) -> str:
    """Return from where to where points lie, as text."""
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return f"x from {x0:.10g} to {x1:.10g}, y from {y0:.10g} to {y1:.10g}"
