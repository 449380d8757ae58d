"""A look at a raster before a map begins: whether its cells are what the encoder learnt from."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from edaphos_bridge.data.input_scale import warn_about_scale
from edaphos_bridge.maps.block_patches import PatchReader
from edaphos_bridge.raster.crs import crs_text
from edaphos_bridge.raster.raster import Raster, Window

# Places in each direction that are looked at.
_PLACES = 5


def warn_of_other_input(raster: Raster, reader: PatchReader, argument: str = "stack") -> None:
    """Warn if cells have another size, CRS or scale than those that the encoder learnt from.

    The scale is that of patches that are spread over the raster.
    """
    known, grid = reader.normalisation, reader.grid
    known.warn_of_other_cells(argument, raster.cell_size, crs_text(raster.crs))
    rows, cols = (
        np.unique(np.linspace(0, extent - 1, _PLACES + 2).astype(int)[1:-1]).tolist()
        for extent in (grid.height, grid.width)
    )
    found = []
    for row, col in itertools.product(rows, cols):
        for strip in reader.strips(raster, Window(row, col, 1, 1)):
            found += [patches for _, patches in strip.batches(1)]
    if found:
        hint = "Are its cells in the same units?"
        warn_about_scale(torch.cat(found), known, argument, training=False, hint=hint)
