"""Opening whatever a user calls a raster: a file, several files, or an array."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from edaphos_bridge.basics.arguments import whole
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.array_raster import ArrayRaster
from edaphos_bridge.raster.crs import as_crs
from edaphos_bridge.raster.data_array import DataArrayRaster, is_data_array
from edaphos_bridge.raster.file_part import FileBands, raster_path
from edaphos_bridge.raster.file_raster import FileRaster
from edaphos_bridge.raster.raster import Raster
from edaphos_bridge.raster.transform import Transform


def open_raster(stack: Any, argument: str = "stack") -> Raster:
    """Return a raster to read window by window; nothing is loaded yet.

    Raises `InputError` if `stack` is none of what is said below, or its files are not aligned.
    Raises `EdaphosError` if it is a file and rasterio is not installed.

    Parameters
    ----------
    stack : path, sequence of paths, array or mapping
        A file, or another name, that rasterio opens; several on the same grid, whose bands
        follow each other; an array, masked array or tensor ``(C, H, W)`` where NaN, infinite
        and masked cells have no data; an xarray.DataArray, see `DataArrayRaster`; or what
        `Raster.describe` gave: ``files`` (each with ``path`` and ``bands``, counted from 1),
        and optionally ``names``, ``transform`` and ``crs``.

    Notes
    -----
    Nodata values, masks, and the scale and offset of bands are respected. A band that is
    marked as alpha is a band like the others and hides none of their cells, as in terra. Rows
    run from north to south and columns from west to east, whatever their order in a file.
    """
    if isinstance(stack, str | os.PathLike):
        return FileRaster([FileBands(raster_path(argument, stack))], None, None, argument)
    if hasattr(stack, "data_vars"):
        raise InputError(
            argument,
            "must not be a data set of several variables",
            found=list(stack.data_vars),
            hint="stack.to_dataarray() makes one array of them, stack[name] takes one.",
        )
    if isinstance(stack, Mapping):
        return _from_mapping(stack, argument)
    if isinstance(stack, list | tuple) and stack:
        if all(isinstance(path, str | os.PathLike) for path in stack):
            paths = [raster_path(argument, path) for path in stack]
            return FileRaster([FileBands(path) for path in paths], None, None, argument)
    elif is_data_array(stack):
        return DataArrayRaster(stack, argument)
    elif isinstance(stack, np.ndarray | torch.Tensor) or hasattr(stack, "__array__"):
        return ArrayRaster(stack, argument)
    raise InputError(
        argument,
        "must be the path of a raster, a list of paths, or an array (C, H, W)",
        found=stack if isinstance(stack, list | tuple) else type(stack).__name__,
    )


def reopen(described: Mapping[str, Any], argument: str = "stack") -> Raster:
    """Return the raster that `Raster.describe` described, with files opened for this caller."""
    return _from_mapping(described, argument, again=True)


def _from_mapping(stack: Mapping[str, Any], argument: str, *, again: bool = False) -> Raster:
    names, transform, crs = (stack.get(key) for key in ("names", "transform", "crs"))
    try:
        files = [
            FileBands(
                str(file["path"]),
                [whole(argument, band) for band in _several(file["bands"])],
                None if file.get("data") is None else bytes(file["data"]),
                str(file.get("shown", "")),
            )
            for file in stack["files"]
        ]
        names = None if names is None else [str(name) for name in _several(names)]
        transform = None if transform is None else _six(transform)
        crs = as_crs(crs)
    except InputError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            argument,
            "must have `files`, each with `path` and `bands`, and may have `names`, a "
            "`transform` of six numbers and a `crs`",
            found=dict(stack),
        ) from error
    if not files:
        raise InputError(argument, "must have at least one file", found=[])
    return FileRaster(files, names, transform, argument, crs, again=again)


def _several(values: Any) -> list[Any]:
    """Return a list; a single value, which is what R makes of one, is one."""
    if isinstance(values, str) or np.ndim(values) == 0:
        return [values]
    return list(values)


def _six(transform: Any) -> Transform:
    a, b, c, d, e, f = (float(number) for number in transform)
    return a, b, c, d, e, f
