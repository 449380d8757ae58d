"""Which way round an encoder learnt to see patches: an attribute of it, beside its normalisation.

edaphos transposes every patch that it cuts from a raster, so what it pretrained on tiles knows
transposed patches. Patches in arrays are taken as they are; what reads a raster asks here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.arguments import choice
from edaphos_bridge.errors import warn

ROWS_FIRST = "rows_first"
"""Patches ``[channel, row, column]``, as this package cuts them."""
TRANSPOSED = "transposed"
"""Patches ``[channel, column, row]``, as edaphos cuts them."""


def as_orientation(value: Any) -> str | None:
    """Return an orientation, or None for one that is not known; anything else is refused."""
    return None if value is None else choice("patch_orientation", value, (ROWS_FIRST, TRANSPOSED))


def orientation_of(module: object) -> str | None:
    """Return the orientation that an encoder carries; None is one that is not known."""
    try:
        known = getattr(module, "patch_orientation", ROWS_FIRST)
    except Exception:  # of an object that is no encoder of anybody's
        return ROWS_FIRST
    return as_orientation(known)


def orientation_to_read(module: object) -> str:
    """Return in which orientation a raster is read for an encoder.

    Warns `EdaphosWarning` if the encoder does not say; its patches are read with rows first.
    """
    known = orientation_of(module)
    if known is None:
        warn(
            "This encoder comes from a file of R torch, which cannot say how its patches lay. "
            "edaphos transposes the patches that it cuts from rasters: an encoder of its "
            "foundation_moco_pretrain_tiles() needs patch_orientation = 'transposed', one of its "
            "foundation_moco_pretrain() on an array of your own 'rows_first'. It gets rows first "
            "here; foundation_weights_load() has that argument."
        )
    return known or ROWS_FIRST


def turn(patches: NDArray[np.float32], orientation: str) -> NDArray[np.float32]:
    """Return patches ``(..., row, column)`` in an orientation, C-contiguous."""
    if orientation == TRANSPOSED:
        patches = patches.swapaxes(-1, -2)
    return np.ascontiguousarray(patches)
