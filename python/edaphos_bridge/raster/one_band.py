"""A raster of one band on the cells of another one: a mask, or the labels of its cells."""

from __future__ import annotations

from typing import Any

import torch

from edaphos_bridge.data.as_numpy import as_numpy
from edaphos_bridge.data.tensors import tensor_as_numpy
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.crs import same_crs
from edaphos_bridge.raster.raster import Raster
from edaphos_bridge.raster.sources import open_raster
from edaphos_bridge.raster.transform import same_grid

_HINT = "foundation_tile_align() brings both on one grid, this one by the method 'nearest'."


def open_one_band(given: Any, raster: Raster, argument: str) -> Raster:
    """Return a raster, or an array ``(H, W)``, opened, or raise `InputError`.

    `raster` is what the caller's function calls `stack`, on whose grid it must lie.
    """
    if isinstance(given, torch.Tensor):
        given = tensor_as_numpy(given, argument)
    if len(getattr(given, "shape", ())) == 2 and not hasattr(given, "coords"):
        given = as_numpy(given, argument, "an array (H, W) of real numbers")[None]
    opened = open_raster(given, argument)
    found = [len(opened.bands), opened.height, opened.width]
    expected = [1, raster.height, raster.width]
    if found != expected:
        raise InputError(
            argument,
            f"must have one band and the height and width of `stack`, {expected}",
            found=found,
            hint="" if found[1:] == expected[1:] else _HINT,
        )
    both = None not in (opened.cell_size, raster.cell_size)
    if (both and not same_grid(raster.transform, opened.transform, *expected[1:])) or not same_crs(
        raster.crs, opened.crs
    ):
        raise InputError(
            argument,
            f"must lie on the grid of `stack`, {list(raster.transform)} in {raster.crs}",
            found=f"{list(opened.transform)} in {opened.crs}",
            hint=_HINT,
        )
    return opened
