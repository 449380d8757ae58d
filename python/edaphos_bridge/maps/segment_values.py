"""Maps of segmenters: overlapping tiles, each of the size of the patches of training, blended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.data.orientation import TRANSPOSED
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.maps.block_patches import PatchReader
from edaphos_bridge.maps.fit_values import FitValues
from edaphos_bridge.maps.tile_values import TileValues


def segment_values(
    fits: Sequence[FoundationFit], reader: PatchReader, values: FitValues
) -> TileValues:
    """Return what computes a map of a segmenter, or of the members of an ensemble.

    Neighbouring tiles share half of their cells, and weigh linearly.
    """
    n_values = len(fits) * len(fits[0].columns or ())
    tiles = TilesOfFit(values, reader.orientation == TRANSPOSED, len(fits))
    return TileValues(
        reader,
        values.layers,
        tiles.predict,
        tiles.finish,
        overlap=reader.normalisation.patch_size // 2,
        blending="linear",
        settings={**values.identity(), "n_values": n_values},
    )


@dataclass(frozen=True)
class TilesOfFit:
    """What `TileValues` asks of a fit.

    Attributes
    ----------
    transposed : bool
        Whether its encoder sees patches with columns first.
    n_members : int
    """

    values: FitValues
    transposed: bool
    n_members: int

    def predict(self, tile: NDArray[Any]) -> NDArray[Any]:
        """Return values ``(1, S * K, t, t)`` of a tile ``(1, C, t, t)`` by each member."""
        cells = torch.from_numpy(tile)
        found = self.values.of_tile(cells.transpose(2, 3) if self.transposed else cells)
        found = found.swapaxes(2, 3) if self.transposed else found
        return found.reshape(1, -1, *found.shape[2:])

    def finish(self, values: NDArray[np.float64]) -> NDArray[Any]:
        """Return layers ``(L, h, w)`` of blended values ``(S * K, h, w)``."""
        height, width = values.shape[1:]
        each = values.reshape(self.n_members, -1, height * width).swapaxes(1, 2)
        return self.values.layers_of(each).T.reshape(-1, height, width)
