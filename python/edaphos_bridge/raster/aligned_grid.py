"""The one grid on which rasters of different grids are brought."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from edaphos_bridge.basics.arguments import number
from edaphos_bridge.data.as_numpy import as_numpy
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.crs import as_crs, crs_text, same_crs
from edaphos_bridge.raster.geometries import geometries_of
from edaphos_bridge.raster.moved import Box, moved, moved_box
from edaphos_bridge.raster.raster import Raster
from edaphos_bridge.raster.transform import Transform, is_turned

# A box that passes the edge of a cell by less does not take in the cell behind it.
_TOLERANCE = 0.01
_MOST_CELLS = 2**31 - 1  # on a side, by GDAL


class Grid(NamedTuple):
    """Where cells lie: rows from north to south, columns from west to east."""

    transform: Transform
    height: int
    width: int
    crs: Any

    @property
    def box(self) -> Box:
        """The rectangle that the cells cover."""
        a, _, c, _, e, f = self.transform
        return Box(c, f + e * self.height, c + a * self.width, f)


def grid_for(sources: Sequence[Raster], target_res: Any, target_crs: Any, aoi: Any) -> Grid:
    """Return the grid of the arguments of `foundation_tile_align`, or raise `InputError`."""
    crs = _checked_crs(sources, target_crs)
    size = None if target_res is None else _two_sizes(target_res)
    given = None if aoi is None else _box_of(aoi, crs)
    first = sources[0]
    area = _common_area(sources, crs, given)
    if size is not None:
        _refuse_larger(size, area)
    is_kept = same_crs(crs, first.crs) and not is_turned(first.transform)
    if size is None:
        size = _size_there(first, area, crs)
    own = first.cell_size
    is_kept = is_kept and own is not None and _are_equal(size, own)
    return _grid(area, size, first.transform if is_kept else None, crs)


def box_of(raster: Raster) -> Box:
    """Return the rectangle around a raster's corners, in its own CRS."""
    a, b, c, d, e, f = raster.transform
    corners = [(0, 0), (0, raster.width), (raster.height, 0), (raster.height, raster.width)]
    x, y = ([p * col + q * row + r for row, col in corners] for p, q, r in ((a, b, c), (d, e, f)))
    return Box(min(x), min(y), max(x), max(y))


def _checked_crs(sources: Sequence[Raster], target_crs: Any) -> Any:
    """Return the CRS of the grid; None where no source has one and none is asked for."""
    without = [row for row, raster in enumerate(sources) if raster.cell_size is None]
    if without:
        raise InputError(
            "sources",
            "must say where their cells lie: every one needs a transform",
            rows=without,
            hint="Files and xarray.DataArrays have one; a bare array counts its cells.",
        )
    wanted = as_crs(target_crs)
    if target_crs is not None and wanted is None:
        raise InputError(
            "target_crs",
            "must be a coordinate reference system: a code ('EPSG:32723'), a PROJ string or WKT",
            found=target_crs,
        )
    known = [raster.crs is not None for raster in sources]
    if not all(known) and (any(known) or wanted is not None):
        raise InputError(
            "sources",
            "must all have a coordinate reference system",
            rows=[row for row, is_known in enumerate(known) if not is_known],
            hint="Assign it to the file: terra::crs(raster) <- in R, rasterio.open(path, 'r+').crs"
            " in Python.",
        )
    return sources[0].crs if wanted is None else wanted


def _are_equal(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(abs(a - b) <= 1e-9 * b for a, b in zip(one, other, strict=True))


def _refuse_larger(size: tuple[float, float], area: Box) -> None:
    """Raise `InputError` if one cell is wider and higher than the area."""
    width, height = area.xmax - area.xmin, area.ymax - area.ymin
    if size[0] > width and size[1] > height:
        raise InputError(
            "target_res",
            f"must not be larger than the area, which is {width:g} x {height:g}",
            found=list(size),
            hint="It is in units of the coordinate reference system: metres, or degrees.",
        )


def _two_sizes(target_res: Any) -> tuple[float, float]:
    if isinstance(target_res, str):
        raise InputError(
            "target_res",
            "must be one or two positive numbers",
            found=target_res,
            hint="Several rasters are one list, `sources`.",
        )
    given = np.ravel(as_numpy(target_res, "target_res", "one or two positive numbers"))
    if len(given) not in (1, 2):
        raise InputError(
            "target_res",
            "must be the size of a cell: one number, or its width and its height",
            found=target_res,
        )
    sizes = [number("target_res", size.item(), above=0) for size in given]
    return sizes[0], sizes[-1]


# --- the area ----------------------------------------------------------------------------------


def _box_of(aoi: Any, crs: Any) -> Box:
    """Return the box of `aoi` in the CRS of the grid."""
    geometries, own = geometries_of(aoi), None
    if geometries is not None:
        bounds, own = getattr(geometries, "total_bounds", None), as_crs(geometries.crs)
    elif isinstance(aoi, Mapping):  # from R
        bounds, own = aoi.get("bounds"), as_crs(aoi.get("crs"))
    else:
        bounds = getattr(aoi, "bounds", aoi)  # of a geometry of shapely
    wanted = "a bounding box (xmin, ymin, xmax, ymax), or geometries of geopandas"
    found = np.ravel(as_numpy(bounds, "aoi", wanted)).astype(np.float64).tolist()
    if len(found) != 4 or not all(map(math.isfinite, found)):
        raise InputError("aoi", f"must be {wanted}", found=found)
    box = Box(*found)
    if not (box.xmin < box.xmax and box.ymin < box.ymax):
        raise InputError(
            "aoi",
            "must have xmin < xmax and ymin < ymax, in the order xmin, ymin, xmax, ymax",
            found=found,
        )
    if own is None or crs is None:
        return box
    there = moved_box(box, own, crs)
    if there is None:
        raise InputError(
            "aoi", f"has no place in the coordinate reference system {crs_text(crs)}", found=found
        )
    return there


def _common_area(sources: Sequence[Raster], crs: Any, area: Box | None) -> Box:
    """Return `area`, or what all sources have in common; every source has cells there."""
    is_given = area is not None
    for row, raster in enumerate(sources):
        if area is None:
            common = moved_box(box_of(raster), raster.crs, crs)
        else:
            common = _met_by(area, raster, crs)
        if common is None:
            shown = [round(edge, 6) for edge in box_of(raster)]
            where = "the others" if area is None else [round(edge, 6) for edge in area]
            raise InputError(
                "sources",
                f"must overlap {'`aoi`' if is_given else 'each other'}: one has no cell in "
                f"{where} ({crs_text(crs)})",
                rows=[row],
                found=f"{shown} ({crs_text(raster.crs)})",
            )
        if not is_given:
            area = common
    assert area is not None
    return area


def _met_by(area: Box, raster: Raster, crs: Any) -> Box | None:
    """Return the part of `area` that a raster covers.

    They are compared in the raster's CRS: that of the grid may have no place for all of a raster
    of the whole world.
    """
    own = box_of(raster)
    there = moved_box(area, crs, raster.crs)
    if there is None:
        return None
    if raster.crs is not None and raster.crs.is_geographic:  # longitudes to 180, or to 360
        turns = round((own.xmin + own.xmax - there.xmin - there.xmax) / 720)
        own = own._replace(xmin=own.xmin - 360 * turns, xmax=own.xmax - 360 * turns)
    common = own.meets(there)
    if common == there:
        return area
    back = None if common is None else moved_box(common, raster.crs, crs)
    return None if back is None else area.meets(back)


# --- the cells ---------------------------------------------------------------------------------


def _size_there(first: Raster, area: Box, crs: Any) -> tuple[float, float]:
    """Return the size of the first source's cells; in another CRS that of a square as large."""
    width, height = first.cell_size or (1.0, 1.0)
    if same_crs(crs, first.crs):
        return width, height
    x, y = np.array([(area.xmin + area.xmax) / 2]), np.array([(area.ymin + area.ymax) / 2])
    x, y = moved(x, y, crs, first.crs, within=max(area.xmax - area.xmin, area.ymax - area.ymin))
    corners = x + np.array([0, width, 0]), y + np.array([0, 0, height])
    x, y = moved(*corners, first.crs, crs, within=max(width, height))
    size = math.sqrt(abs((x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])))
    if not size > 0:
        raise InputError(
            "target_res", f"must be given for {crs_text(crs)}", found=None,
            hint="The first source's cells have no size there.",
        )  # fmt: skip
    return size, size


def _grid(area: Box, size: tuple[float, float], kept: Transform | None, crs: Any) -> Grid:
    """Return the cells of `size` that take in the area.

    They lie on those of `kept`, or begin at the upper left corner of the area.
    """
    width, height = size
    left, top = area.xmin, area.ymax
    if kept is not None:
        width, left, height, top = kept[0], kept[2], -kept[4], kept[5]
    first_col = math.floor((area.xmin - left) / width + _TOLERANCE)
    first_row = math.floor((top - area.ymax) / height + _TOLERANCE)
    n_cols = math.ceil((area.xmax - left) / width - _TOLERANCE) - first_col
    n_rows = math.ceil((top - area.ymin) / height - _TOLERANCE) - first_row
    n_cols, n_rows = max(n_cols, 1), max(n_rows, 1)
    if max(n_cols, n_rows) > _MOST_CELLS:
        raise InputError(
            "target_res",
            f"must give at most {_MOST_CELLS} rows and columns in an area of "
            f"{area.xmax - area.xmin:g} x {area.ymax - area.ymin:g}",
            found=list(size),
        )
    transform = (width, 0.0, left + first_col * width, 0.0, -height, top - first_row * height)
    return Grid(transform, n_rows, n_cols, crs)
