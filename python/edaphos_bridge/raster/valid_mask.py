"""The mask of a tile dataset: where the centres of its patches may be."""

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

_HINT = "foundation_tile_align() brings both on one grid, the mask by the method 'nearest'."


def open_mask(valid_mask: Any, raster: Raster) -> Raster:
    """Return the raster that says where centres may be, or raise `InputError`."""
    if isinstance(valid_mask, torch.Tensor):
        valid_mask = tensor_as_numpy(valid_mask, "valid_mask")
    if len(getattr(valid_mask, "shape", ())) == 2 and not hasattr(valid_mask, "coords"):
        valid_mask = as_numpy(valid_mask, "valid_mask", "an array (H, W) of real numbers")[None]
    mask = open_raster(valid_mask, "valid_mask")
    found = [len(mask.bands), mask.height, mask.width]
    expected = [1, raster.height, raster.width]
    if found != expected:
        raise InputError(
            "valid_mask",
            f"must have one band and the height and width of `stack`, {expected}",
            found=found,
            hint="" if found[1:] == expected[1:] else _HINT,
        )
    both = None not in (mask.cell_size, raster.cell_size)
    if (both and not same_grid(raster.transform, mask.transform, *expected[1:])) or not same_crs(
        raster.crs, mask.crs
    ):
        raise InputError(
            "valid_mask",
            f"must lie on the grid of `stack`, {list(raster.transform)} in {raster.crs}",
            found=f"{list(mask.transform)} in {mask.crs}",
            hint=_HINT,
        )
    return mask
