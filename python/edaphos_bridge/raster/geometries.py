"""Points of geopandas, known by what they can do: their numbers in a raster's CRS."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.errors import InputError, warn
from edaphos_bridge.raster.crs import as_crs


def geometries_of(coords: Any) -> Any | None:
    """Return the geometries of a GeoDataFrame, a GeoSeries or its array; None of anything else."""
    try:
        found = getattr(coords, "geometry", coords)
    except Exception:  # a GeoDataFrame without geometry says so in several ways
        return None
    usable = all(hasattr(found, name) for name in ("geom_type", "crs", "__len__"))
    return found if usable else None


def in_crs(geometries: Any, crs: Any, argument: str, stack: str | None) -> NDArray[np.float64]:
    """Return points as an array ``(N, 2)`` in the CRS of a raster; missing ones are NaN.

    Parameters
    ----------
    geometries : as of `geometries_of`
        Points, or multipoints of one point each. Where they have no CRS they are taken to be in
        that of the raster, as numbers are.
    crs : rasterio.crs.CRS or None
        Of the raster.
    argument, stack : str
        What the caller's function calls points and raster, for errors; None where there is no
        raster, and they stay in their own CRS.

    Raises
    ------
    InputError
        If they are anything else than points, or cannot be transformed.

    Warns
    -----
    EdaphosWarning
        If they have a CRS and the raster has none.
    """
    singles = [_only_point(geometry) for geometry in geometries]
    others = [row for row, point in enumerate(singles) if point is False]
    if others:
        kinds = sorted({str(list(geometries)[row].geom_type) for row in others})
        raise InputError(
            argument,
            f"must be points, one a row; {len(others)} of {len(singles)} are not",
            rows=others,
            found=", ".join(kinds),
            hint="Take one point of each first, for example its centroid.",
        )
    own = geometries.crs if stack is not None else None
    if own is not None and not crs:
        warn(
            f"`{argument}` has a coordinate reference system ({getattr(own, 'name', own)}) and "
            f"`{stack}` has none. They are taken to be the same."
        )
    elif own is not None and as_crs(own) != crs:
        try:
            moved = geometries.to_crs(crs.to_wkt())
        except Exception as error:  # pyproj's errors, or those of a stand-in
            raise InputError(
                argument,
                f"cannot be transformed to the coordinate reference system of `{stack}` ({error})",
                found=str(own)[:60],
            ) from error
        singles = [_only_point(geometry) for geometry in moved]
    points = np.full((len(singles), 2), np.nan)
    for row, point in enumerate(singles):
        if point is not None:
            points[row] = point.x, point.y
    return points


def _only_point(geometry: Any) -> Any:
    """Return the point that a geometry is; None where it is missing, False where it is no point."""
    if geometry is None or geometry.is_empty:
        return None
    if geometry.geom_type == "MultiPoint" and len(geometry.geoms) == 1:
        return geometry.geoms[0]
    return geometry if geometry.geom_type == "Point" else False
