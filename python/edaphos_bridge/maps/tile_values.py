"""Maps of what a model gives for every cell of a tile: overlapping tiles, blended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.ambient import plain_torch, use_threads
from edaphos_bridge.maps.blending import BlendedTiles
from edaphos_bridge.maps.block_function import BlockFunction, GoOn
from edaphos_bridge.maps.block_patches import PatchReader
from edaphos_bridge.maps.grid import MapGrid
from edaphos_bridge.maps.layers import Layers
from edaphos_bridge.raster.raster import Raster, Window


@dataclass(frozen=True)
class TileValues(BlockFunction):
    """A map on the grid of a raster.

    Attributes
    ----------
    reader : PatchReader
        How cells become tiles for the model; of stride 1. Its `patch_size` is that of a tile.
    layers : Layers
    predict : callable
        Values ``(1, K, t, t)`` of a tile ``(1, C, t, t)``, float32. It can be pickled.
    finish : callable
        Layers ``(L, h, w)`` of blended values ``(K, h, w)``, such as the class of each cell.
    overlap : int
        Cells that neighbouring tiles share.
    blending : {"linear", "cosine"}
    settings : mapping
        JSON values that tell the model from others; ``n_values`` is K.
    """

    reader: PatchReader
    layers: Layers
    predict: Callable[[NDArray[Any]], NDArray[Any]]
    finish: Callable[[NDArray[np.float64]], NDArray[Any]]
    overlap: int
    blending: str
    settings: Mapping[str, Any]

    @property
    def grid(self) -> MapGrid:  # type: ignore[override]
        """Where the cells lie."""
        return self.reader.grid

    def compute(self, raster: Raster, block: Window, go_on: GoOn) -> NDArray[Any]:
        """Return the layers of a block; cells without data in any band have none."""
        use_threads()

        def read(window: Window) -> NDArray[np.float32]:
            go_on()
            return self.reader.cells(raster, window)[0].numpy()

        tiles = BlendedTiles(
            raster.height,
            raster.width,
            self.reader.normalisation.patch_size,
            self.overlap,
            read,
            self.predict,
            self.blending,
        )
        with plain_torch():
            layers = self.finish(tiles.block(block))
        known = self.reader.cells(raster, block)[1]
        result = self.layers.empty(block.height, block.width)
        result[:, known] = layers[:, known]
        return result

    def bytes_for(self, height: int, width: int) -> int:
        """Return what a block takes in double precision, with its tiles."""
        reach = 2 * self.reader.normalisation.patch_size
        n_values = int(self.settings["n_values"])
        return 8 * n_values * (3 * height * width + (height + reach) * (width + reach) // 2)

    def identity(self) -> dict[str, Any]:
        """Return what tells the model, its tiles and its layers from others."""
        return {
            **self.settings,
            **self.reader.identity(),
            "overlap": self.overlap,
            "blending": self.blending,
            "layers": self.layers.to_dict(),
        }
