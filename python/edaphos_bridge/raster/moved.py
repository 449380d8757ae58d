"""Places moved from one coordinate reference system to another, and boxes around them."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.interrupts import imported
from edaphos_bridge.raster.crs import same_crs

Numbers: TypeAlias = NDArray[np.float64]

# Places along each side of a box that are moved to know where all of it goes.
_STEPS = 32


class Box(NamedTuple):
    """A rectangle in the units of a CRS."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float

    def meets(self, other: Box) -> Box | None:
        """Return what two boxes of one CRS have in common, None if that is no area."""
        found = Box(
            max(self.xmin, other.xmin),
            max(self.ymin, other.ymin),
            min(self.xmax, other.xmax),
            min(self.ymax, other.ymax),
        )
        return found if found.xmin < found.xmax and found.ymin < found.ymax else None

    def lattice(self) -> tuple[Numbers, Numbers]:
        """Return the places x and y, each (33, 33), at equal steps from edge to edge."""
        x = np.linspace(self.xmin, self.xmax, _STEPS + 1)
        y = np.linspace(self.ymax, self.ymin, _STEPS + 1)
        found_x, found_y = np.meshgrid(x, y)
        return found_x, found_y


def moved(x: Numbers, y: Numbers, source: Any, target: Any, within: float) -> tuple[Numbers, ...]:
    """Return places in another CRS, NaN where it has none.

    A place has one if it comes back to where it was, but for `within`, in the units of `source`:
    beyond the area that a projection is made for, many give numbers that mean another place.
    Longitudes that differ by whole turns are one place.
    """
    if same_crs(source, target):
        return x.astype(np.float64), y.astype(np.float64)
    shape, x, y = x.shape, x.ravel(), y.ravel()
    there = _transformed(source, target, x, y)
    back_x, back_y = _transformed(target, source, *there)
    off = back_x - x
    if source.is_geographic:
        off = (off + 180) % 360 - 180
    with np.errstate(invalid="ignore"):
        lost = ~((np.abs(off) <= within) & (np.abs(back_y - y) <= within))
    return tuple(np.where(lost, np.nan, values).reshape(shape) for values in there)


def moved_box(box: Box, source: Any, target: Any) -> Box | None:
    """Return the box in another CRS around all of `box` that lies there; None if nothing does.

    Across the 180th meridian longitudes go on beyond 180.
    """
    if same_crs(source, target):
        return box
    step = max(box.xmax - box.xmin, box.ymax - box.ymin) / _STEPS
    x, y = moved(*box.lattice(), source, target, within=step / 2)
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return None
    x, y = x[known], y[known]
    if target.is_geographic:
        x = around(x, float(x[len(x) // 2]))
    return Box(float(x.min()), float(y.min()), float(x.max()), float(y.max()))


def around(longitudes: Numbers, middle: float) -> Numbers:
    """Return longitudes as at most half a turn from `middle`."""
    return middle + (longitudes - middle + 180) % 360 - 180


def _transformed(source: Any, target: Any, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
    """Return places as PROJ gives them, NaN where it has none: one such fails all of a call."""
    found = np.full((2, len(x)), np.nan)
    usable = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    parts = [usable] if len(usable) else []
    while parts:
        part = parts.pop()
        try:
            found[:, part] = imported("rasterio.warp").transform(
                source, target, x[part].tolist(), y[part].tolist()
            )
        except Exception:  # GDAL's own, of a class that rasterio does not export
            if len(part) > 1:
                parts += [part[: len(part) // 2], part[len(part) // 2 :]]
    return found[0], found[1]
