"""Polygons and points as geopandas has them, in what is asked of it, and what they hold."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
from rasterio.crs import CRS


class Frame:
    """A GeoDataFrame: `geometries` are GeoJSON's mappings, or None."""

    def __init__(self, geometries, crs=None, **columns):
        self.geometry = Geometries(geometries, crs)
        self._columns = columns
        self.columns = [*columns, "geometry"]

    def __getitem__(self, name):
        return self.geometry if name == "geometry" else self._columns[name]


class Geometries:
    """A GeoSeries."""

    def __init__(self, geometries, crs):
        self._geometries = [None if g is None else shape(g) for g in geometries]
        self.crs = None if crs is None else CRS.from_user_input(crs)
        self.geom_type = [getattr(g, "geom_type", None) for g in self._geometries]

    def __len__(self):
        return len(self._geometries)

    def __iter__(self):
        return iter(self._geometries)


def shape(described):
    return SimpleNamespace(
        geom_type=described["type"],
        is_empty=not described["coordinates"],
        __geo_interface__=described,
    )


def polygon(*rings):
    """The rings as GeoJSON has them: closed."""
    return {"type": "Polygon", "coordinates": [[*map(tuple, r), tuple(r[0])] for r in rings]}


def multi(*polygons):
    return {"type": "MultiPolygon", "coordinates": [p["coordinates"] for p in polygons]}


def point(x, y):
    return {"type": "Point", "coordinates": (x, y)}


def square(left, bottom, side):
    right, top = left + side, bottom + side
    return polygon([(left, bottom), (right, bottom), (right, top), (left, top)])


def cells_in(described, transform, height, width):
    """Whether a polygon holds the centre of each cell: edges to the right of it, counted."""
    a, b, c, d, e, f = transform
    inside = np.zeros((height, width), dtype=bool)
    polygons = described["coordinates"]
    polygons = [polygons] if described["type"] == "Polygon" else polygons
    for row in range(height):
        for col in range(width):
            x = a * (col + 0.5) + b * (row + 0.5) + c
            y = d * (col + 0.5) + e * (row + 0.5) + f
            for ring in (ring for rings in polygons for ring in rings):
                for (x1, y1), (x2, y2) in pairwise(ring):
                    if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
                        inside[row, col] ^= True
    return inside
