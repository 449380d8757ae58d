"""Polygons and points that say what lies where: their corners, in the cells of a raster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.errors import InputError, warn
from edaphos_bridge.raster.crs import as_crs, crs_text
from edaphos_bridge.raster.moved import moved
from edaphos_bridge.raster.raster import Raster
from edaphos_bridge.raster.transform import to_cells

# How far a place may come back from another CRS, in degrees and in units of projections.
_WITHIN = {True: 1e-5, False: 1.0}
_KINDS = ("Polygon", "MultiPolygon", "Point", "MultiPoint")


@dataclass(frozen=True)
class Shapes:
    """N polygons or points, also of several parts and with holes.

    Attributes
    ----------
    corners : numpy.ndarray, shape (V, 2), float64
        x and y, ring after ring. A ring of one corner is a point.
    ring : numpy.ndarray, shape (V,), int64
        The ring of each corner, ascending from 0.
    shape : numpy.ndarray, shape (R,), int64
        The shape of each ring, ascending. Some may have no ring, and lie nowhere.
    labels : array-like, shape (N,)
        What each of them is called.
    crs : object of `edaphos_bridge.raster.crs.as_crs`, or text
        None where it is not known.
    """

    corners: NDArray[np.float64]
    ring: NDArray[np.int64]
    shape: NDArray[np.int64]
    labels: Any
    crs: Any = None

    def in_crs_of(self, raster: Raster, argument: str) -> Shapes:
        """Return them in the CRS of a raster, corner by corner: edges stay straight.

        Those without a CRS are taken to be in it, as numbers are. Raises `InputError` if the CRS is
        of no known kind, or none of them has a place in that of the raster. Warns `EdaphosWarning`
        if the raster has none, and of shapes that are left out because corners have no place there.
        """
        x, y = self.corners.T
        if self.crs is not None and not raster.crs:
            name = getattr(self.crs, "name", str(self.crs)[:60])
            warn(
                f"`{argument}` has a coordinate reference system ({name}) and `stack` has none. "
                "They are taken to be the same."
            )
        elif self.crs is not None:
            own = as_crs(self.crs)
            if own is None:
                raise InputError(
                    argument,
                    "must be in a coordinate reference system that GDAL knows",
                    found=str(self.crs)[:60],
                )
            x, y = moved(x, y, own, raster.crs, within=_WITHIN[bool(own.is_geographic)])
        return replace(self, corners=np.stack([x, y], axis=1))._without_nowhere(argument)

    def _without_nowhere(self, argument: str) -> Shapes:
        lost = np.unique(self.shape[self.ring[~np.isfinite(self.corners).all(axis=1)]])
        if not len(lost):
            return self
        if len(lost) == len(np.unique(self.shape)):
            raise InputError(
                argument,
                "must have a place in the coordinate reference system of `stack`",
                found=crs_text(as_crs(self.crs)),
                hint="Are their coordinates in the system that they say?",
            )
        warn(
            f"{len(lost)} of the {len(self.labels)} shapes of `{argument}` have corners without a "
            "place in the coordinate reference system of `stack`, and label nothing."
        )
        rings = ~np.isin(self.shape, lost)
        corners = rings[self.ring]
        number = np.cumsum(rings) - 1
        return replace(
            self,
            corners=self.corners[corners],
            ring=number[self.ring[corners]],
            shape=self.shape[rings],
        )

    def in_cells_of(self, raster: Raster) -> NDArray[np.float64]:
        """Return the row and column of each corner, with fractions, (V, 2)."""
        return np.stack(to_cells(raster.transform, *self.corners.T), axis=1)


def shapes_of(geometries: Any, labels: Any, argument: str) -> Shapes:
    """Return geometries of geopandas as shapes; missing and empty ones lie nowhere.

    Raises `InputError` if they are anything else than polygons and points.
    """
    corners: list[NDArray[np.float64]] = []
    shape: list[int] = []
    others: dict[int, str] = {}
    for row, geometry in enumerate(geometries):
        if geometry is None or geometry.is_empty:
            continue
        if geometry.geom_type not in _KINDS:
            others[row] = str(geometry.geom_type)
            continue
        for ring in _rings(geometry.__geo_interface__):
            corners.append(np.asarray(ring, dtype=np.float64)[:, :2])  # some have heights
            shape.append(row)
    if others:
        raise not_areas(argument, list(others), sorted(set(others.values())), len(geometries))
    sizes = [len(ring) for ring in corners]
    return Shapes(
        np.concatenate([np.empty((0, 2)), *corners]),
        np.repeat(np.arange(len(sizes)), sizes),
        np.array(shape, dtype=np.int64),
        labels,
        geometries.crs,
    )


def not_areas(argument: str, rows: list[int], kinds: list[str], n: int) -> InputError:
    """Return the error for shapes that are neither polygons nor points."""
    return InputError(
        argument,
        f"must be polygons or points; {len(rows)} of {n} are not",
        rows=rows,
        found=", ".join(kinds),
        hint="A buffer makes polygons of lines; collections have to be taken apart.",
    )


def _rings(described: Any) -> Iterator[Any]:
    """Yield the corners of each ring of a geometry in GeoJSON's words; a point is one corner."""
    kind, coordinates = described["type"], described["coordinates"]
    if kind == "Point":
        yield [coordinates]
    elif kind == "MultiPoint":
        yield from ([point] for point in coordinates)
    else:
        for polygon in [coordinates] if kind == "Polygon" else coordinates:
            yield from polygon
