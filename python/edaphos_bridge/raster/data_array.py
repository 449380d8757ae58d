"""A raster in an xarray.DataArray: read window by window, where its coordinates say it lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.data.as_numpy import fill_values, read_slice
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.crs import as_crs
from edaphos_bridge.raster.raster import Raster, Window, only_finite
from edaphos_bridge.raster.transform import IDENTITY, Transform, is_usable, north_up, same_grid

_NAMES = {
    "X": ("x", "lon", "longitude", "long", "easting", "col", "column"),
    "Y": ("y", "lat", "latitude", "northing", "row"),
}
# Coordinates may be off the regular ones by this part of a cell.
_TOLERANCE = 0.01


def is_data_array(stack: Any) -> bool:
    """Return whether `stack` is an xarray.DataArray, without importing xarray."""
    return all(hasattr(stack, name) for name in ("dims", "coords", "attrs", "variable"))


class DataArrayRaster(Raster):
    """Bands of a DataArray, which is neither copied nor changed.

    Its dimensions are taken by name: ``x`` or ``lon``, ``y`` or ``lat``, or what the attribute
    ``axis`` of a coordinate says; the one left holds the bands, and without one there is one band.
    Dimensions without any such name and without coordinates are ``(C, H, W)``, as in an array.
    Bands are named by the coordinate of their dimension if it holds texts, or by ``long_name``.

    Coordinates are those of the centres of cells, at regular steps up or down. Without them x is
    the column and y the row. Cells equal to ``_FillValue``, ``missing_value`` or ``nodata`` of
    the attributes have no data; ``scale_factor`` and ``add_offset`` there are applied. The CRS is
    that of rioxarray and the CF conventions.

    Raises `InputError` if it holds no real numbers, has other dimensions, or irregular coordinates.

    Parameters
    ----------
    array : xarray.DataArray, of a real dtype
        In memory, or read from a file or computed by dask in parts.
    """

    def __init__(self, array: Any, argument: str) -> None:
        if np.dtype(array.dtype).kind not in "biuf":
            raise InputError(argument, "must hold real numbers", found=array.dtype)
        band, y, x = _dimensions(array, argument)
        self._has_bands = band is not None
        self._cells = array.variable.transpose(*([band] if self._has_bands else []), y, x)
        height, width = (int(extent) for extent in self._cells.shape[-2:])
        channels = int(self._cells.shape[0]) if self._has_bands else 1
        if 0 in (channels, height, width):
            raise InputError(argument, "must not be empty", found=dict(array.sizes))
        reference = _reference(array)
        own = _transform(array, y, x, reference, argument)
        own = None if own == IDENTITY else own  # columns and rows, as without coordinates
        used = IDENTITY if own is None else north_up(own, height, width)
        if own is not None:
            rows, columns = (1 if used[i] == own[i] else -1 for i in (4, 0))
            self._cells = self._cells[..., ::rows, ::columns]
        self._argument = argument
        self._source = array.encoding.get("source")
        self._fills = fill_values(array)
        self._scale, self._offset = _scaling(array.attrs, channels, argument)
        super().__init__(
            _bands(array, band, channels),
            height,
            width,
            used,
            block_shape=(1, width),
            crs=_crs(array, reference),
            georeferenced=own is not None,
            fits_float32=np.can_cast(array.dtype, np.float32)
            and bool(np.all(self._scale == 1) and np.all(self._offset == 0)),
        )

    def describe(self) -> None:
        """Return None: an array has no name by which it could be found again."""

    def files(self) -> list[str]:
        """Return the file that the array was opened from, as xarray notes it."""
        return [self._source] if isinstance(self._source, str) else []

    def _read(self, window: Window) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        row, col, height, width = window
        place = np.s_[..., row : row + height, col : col + width]
        found = read_slice(self._cells, place, self._argument)
        if not self._has_bands:
            found = found[None]
        raw, valid = np.ma.getdata(found), ~np.ma.getmaskarray(found)
        if self._fills:
            valid &= ~np.isin(raw, self._fills)
        with np.errstate(over="ignore", invalid="ignore"):
            values = raw.astype(np.float64, order="C")
            values[~valid] = 0  # whatever stands for nodata may be too large to scale
            values = values * self._scale + self._offset
        return only_finite(values, valid)


def _dimensions(array: Any, argument: str) -> tuple[Any, Any, Any]:
    """Return the names of the dimensions of bands (or None), y and x."""
    dims = list(array.dims)
    found = {axis: [name for name in dims if _is_axis(array, name, axis)] for axis in "YX"}
    unnamed = not (found["X"] or found["Y"] or any(name in array.coords for name in dims[1:]))
    if unnamed and len(dims) == 3:
        return dims[0], dims[1], dims[2]
    left = [name for name in dims if name not in found["X"] + found["Y"]]
    if len(found["X"]) != 1 or len(found["Y"]) != 1 or len(left) > 1:
        raise InputError(
            argument,
            "must have the dimensions y and x (or lat and lon), and one of bands",
            found=[str(name) for name in dims],
            hint="isel() takes one of a dimension, rename() gives it another name.",
        )
    return (left[0] if left else None), found["Y"][0], found["X"][0]


def _is_axis(array: Any, name: Any, axis: str) -> bool:
    attrs = array.coords[name].attrs if name in array.coords else {}
    return str(name).lower() in _NAMES[axis] or attrs.get("axis") == axis


def _bands(array: Any, band: Any, channels: int) -> list[str]:
    names = [array.attrs.get("long_name")] if channels == 1 else array.attrs.get("long_name")
    if band is not None and band in array.coords and array.coords[band].dtype.kind in "UO":
        names = array.coords[band].values.tolist()
    names = list(names) if isinstance(names, list | tuple) else []
    if len(names) == channels and all(isinstance(name, str) and name for name in names):
        return names
    return [f"band_{number}" for number in range(1, channels + 1)]


# --- where it lies ---------------------------------------------------------------------------


def _reference(array: Any) -> Mapping[str, Any]:
    """Return the attributes of the variable that holds the georeference, empty without one."""
    named = array.encoding.get("grid_mapping") or array.attrs.get("grid_mapping")
    for name in (named, "spatial_ref", "crs"):
        if name is not None and name in array.coords:
            return array.coords[name].attrs
    return {}


def _crs(array: Any, reference: Mapping[str, Any]) -> Any:
    for attrs in (reference, array.attrs):
        for key in ("crs_wkt", "spatial_ref", "crs"):
            if attrs.get(key):
                return as_crs(attrs[key])
    return None


def _transform(
    array: Any, y: Any, x: Any, reference: Mapping[str, Any], argument: str
) -> Transform | None:
    """Return the transform of the cells in their order, or None without coordinates."""
    stated = _stated(reference)
    if y not in array.coords and x not in array.coords:
        if stated is None and any(
            {y, x} <= set(coordinate.dims) for coordinate in array.coords.values()
        ):
            raise InputError(
                argument,
                "must not have coordinates of two dimensions, which lie on no regular grid",
                found=[str(name) for name in array.coords],
                hint="Resample it to a regular grid first.",
            )
        return stated
    sizes = array.sizes[y], array.sizes[x]
    steps = (None, None) if stated is None or stated[1] or stated[3] else (stated[4], stated[0])
    top, e = _axis(array, y, steps[0], argument)
    left, a = _axis(array, x, steps[1], argument)
    found = (a, 0.0, left, 0.0, e, top)
    # What the file said has no rounding; but after a selection it is another raster's.
    return stated if stated is not None and same_grid(stated, found, *sizes) else found


def _axis(array: Any, name: Any, stated: float | None, argument: str) -> tuple[float, float]:
    """Return where the first cell begins on an axis and its extent, negative if they go down."""
    if name not in array.coords:
        raise InputError(
            argument, f"must have coordinates on {name} as on its other axis", found="none"
        )
    given = array.coords[name].values
    if given.ndim != 1 or given.dtype.kind not in "iuf":
        raise InputError(argument, f"must have numbers as coordinates on {name}", found=given.dtype)
    centres = given.astype(np.float64)
    step = stated if len(centres) == 1 else (centres[-1] - centres[0]) / (len(centres) - 1)
    if step is None:
        raise InputError(
            argument,
            f"must have more than one cell on {name}, or a GeoTransform, for the size of cells "
            "to be known",
            found=centres.tolist(),
        )
    off = np.abs(centres - (centres[0] + step * np.arange(len(centres))))
    digits = np.finfo(given.dtype).eps if given.dtype.kind == "f" else 0.0
    allowed = _TOLERANCE * abs(step) + 2 * digits * np.abs(centres).max()
    if step == 0 or not (off <= allowed).all():  # NaN is not
        raise InputError(
            argument,
            f"must have regular coordinates on {name}",
            found=f"steps from {np.diff(centres).min():g} to {np.diff(centres).max():g}",
            hint="Resample it to a regular grid first, for example with interp().",
        )
    return float(centres[0] - step / 2), float(step)


def _stated(reference: Mapping[str, Any]) -> Transform | None:
    """Return the GeoTransform that rioxarray keeps, which GDAL orders in its own way."""
    try:
        c, a, b, f, d, e = (float(number) for number in str(reference["GeoTransform"]).split())
    except (KeyError, ValueError):
        return None
    return (a, b, c, d, e, f) if is_usable((a, b, c, d, e, f)) else None


# --- what its numbers mean ---------------------------------------------------------------------


def _scaling(
    attrs: Mapping[str, Any], channels: int, argument: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return factors and summands of bands, ``(C, 1, 1)`` or ``(1, 1, 1)``."""
    result = []
    for one, several, neutral in (("scale_factor", "scales", 1.0), ("add_offset", "offsets", 0.0)):
        given = attrs.get(one, attrs.get(several, neutral))
        try:
            numbers = np.ravel(given).astype(np.float64)
        except (TypeError, ValueError):
            numbers = np.array([np.nan])
        if len(numbers) not in (1, channels) or not np.isfinite(numbers).all():
            raise InputError(argument, f"must have numbers as its attribute {one}", found=given)
        result.append(numbers[:, None, None])
    return result[0], result[1]
