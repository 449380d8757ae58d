"""Opening whatever a user calls a raster: a file, several files, or an array."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from edaphos_bridge.arguments import whole
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.array_raster import ArrayRaster
from edaphos_bridge.raster.file_raster import FileBands, FileRaster
from edaphos_bridge.raster.raster import Raster
from edaphos_bridge.raster.transform import Transform


def open_raster(stack: Any, argument: str = "stack") -> Raster:
    """Return a raster to read window by window; nothing is loaded yet.

    Parameters
    ----------
    stack : path, sequence of paths, array or mapping
        A file that rasterio opens; several on the same grid, whose bands follow each other;
        an array, masked array or tensor ``(C, H, W)`` where NaN, infinite and masked cells
        have no data; or what `Raster.describe` gave: ``files`` (each with ``path`` and
        ``bands``, counted from 1), and optionally ``names`` and ``transform``.
    argument : str
        What the caller's function calls it, for errors.

    Raises
    ------
    InputError
        If it is none of these, or the files are not aligned.
    EdaphosError
        If it is a file and rasterio is not installed.

    Notes
    -----
    Nodata values, masks, and the scale and offset of bands are respected. A band that is
    marked as alpha is a band like the others and hides none of their cells, as in terra.
    """
    if isinstance(stack, str | os.PathLike):
        return FileRaster([FileBands(os.fspath(stack))], None, None, argument)
    if isinstance(stack, Mapping):
        return _from_mapping(stack, argument)
    if isinstance(stack, list | tuple) and stack:
        if all(isinstance(path, str | os.PathLike) for path in stack):
            return FileRaster([FileBands(os.fspath(path)) for path in stack], None, None, argument)
    elif isinstance(stack, np.ndarray | torch.Tensor) or hasattr(stack, "__array__"):
        return ArrayRaster(stack, argument)
    raise InputError(
        argument,
        "must be the path of a raster, a list of paths, or an array (C, H, W)",
        found=stack if isinstance(stack, list | tuple) else type(stack).__name__,
    )


def _from_mapping(stack: Mapping[str, Any], argument: str) -> Raster:
    names, transform = stack.get("names"), stack.get("transform")
    try:
        files = [(os.fspath(file["path"]), _several(file["bands"])) for file in stack["files"]]
        names = None if names is None else [str(name) for name in _several(names)]
        transform = None if transform is None else _six(transform)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            argument,
            "must have `files`, each with `path` and `bands`, and may have `names` and a "
            "`transform` of six numbers",
            found=dict(stack),
        ) from error
    if not files:
        raise InputError(argument, "must have at least one file", found=[])
    checked = [FileBands(path, [whole(argument, band) for band in bands]) for path, bands in files]
    return FileRaster(checked, names, transform, argument)


def _several(values: Any) -> list[Any]:
    """Return a list; a single value, which is what R makes of one, is one."""
    if isinstance(values, str) or np.ndim(values) == 0:
        return [values]
    return list(values)


def _six(transform: Any) -> Transform:
    a, b, c, d, e, f = (float(number) for number in transform)
    return a, b, c, d, e, f
