"""Affine transforms as six floats ``(a, b, c, d, e, f)``, in the order of rasterio.

A place ``(column, row)`` in cells lies at ``x = a * column + b * row + c`` and
``y = d * column + e * row + f``. Cell (r, c) covers columns c to c + 1 and rows r to r + 1.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

Transform: TypeAlias = tuple[float, float, float, float, float, float]

IDENTITY: Transform = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

# Files of one grid may differ by rounding; a hundredth of a cell moves no patch.
_TOLERANCE = 0.01


def is_usable(transform: Transform) -> bool:
    """Return whether every place has one position in cells."""
    a, b, _, d, e, _ = transform
    return all(map(math.isfinite, transform)) and a * e != b * d


def to_cells(transform: Transform, x: Any, y: Any) -> tuple[Any, Any]:
    """Return the positions (row, column) of places, in cells with fractions."""
    a, b, c, d, e, f = transform
    x, y = x - c, y - f
    if b == d == 0:  # one division: a place on a cell's edge must not slip over it
        return y / e, x / a
    determinant = a * e - b * d
    return (a * y - d * x) / determinant, (e * x - b * y) / determinant


def is_turned(transform: Transform) -> bool:
    """Return whether rows and columns do not run along the axes of the coordinates."""
    return bool(transform[1] or transform[3])


def north_up(transform: Transform, height: int, width: int) -> Transform:
    """Return the transform of the same cells, rows from north to south, columns from west to east.

    One that is turned stays as it is.
    """
    a, b, c, d, e, f = transform
    if is_turned(transform):
        return transform
    if a < 0:
        a, c = -a, c + a * width
    if e > 0:
        e, f = -e, f + e * height
    return a, b, c, d, e, f


def cell_size(transform: Transform) -> tuple[float, float]:
    """Return the width and height of a cell in the units of the coordinates."""
    a, b, _, d, e, _ = transform
    return math.hypot(a, d), math.hypot(b, e)


def same_grid(one: Transform, other: Transform, height: int, width: int) -> bool:
    """Return whether the corners of a raster lie at the same places, up to rounding."""
    a, b, c, d, e, f = other
    for row, column in ((0, 0), (0, width), (height, 0), (height, width)):
        found = to_cells(one, a * column + b * row + c, d * column + e * row + f)
        if math.dist(found, (row, column)) > _TOLERANCE:
            return False
    return True
