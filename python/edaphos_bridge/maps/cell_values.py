"""Maps of what a function makes of the cells of a raster and of those around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.maps.block_function import BlockFunction, GoOn
from edaphos_bridge.maps.grid import MapGrid
from edaphos_bridge.maps.layers import Layers
from edaphos_bridge.raster.raster import Raster, Window

Cells = NDArray[np.float64]


@dataclass(frozen=True)
class CellValues(BlockFunction):
    """A map on the grid of a raster.

    Attributes
    ----------
    grid : MapGrid
        Of stride 1.
    layers : Layers
    function : callable
        From cells ``(C, h, w)`` in double precision, NaN without data and beyond the raster, to
        layers ``(L, h, w)``; the second argument is asked now and then whether to go on. It can be
        pickled.
    halo : int
        How many cells in each direction a value depends on.
    settings : mapping
        JSON values that tell the function from others.
    """

    grid: MapGrid
    layers: Layers
    function: Callable[[Cells, GoOn], NDArray[Any]]
    halo: int
    settings: Mapping[str, Any]

    def compute(self, raster: Raster, block: Window, go_on: GoOn) -> NDArray[Any]:
        """Return the layers of a block."""
        halo = self.halo
        values, valid = raster.read(
            block.row - halo, block.col - halo, block.height + 2 * halo, block.width + 2 * halo
        )
        go_on()
        values[~valid] = np.nan
        inside = np.s_[:, halo : halo + block.height, halo : halo + block.width]
        return np.ascontiguousarray(self.function(values, go_on)[inside], dtype=self.layers.dtype)

    def bytes_for(self, height: int, width: int) -> int:
        """Return what windows and layers take, with a copy of each."""
        cells = (height + 2 * self.halo) * (width + 2 * self.halo)
        return 3 * 8 * cells * max(len(self.layers.names), self._bands)

    @property
    def _bands(self) -> int:
        return int(self.settings["bands"])

    def identity(self) -> dict[str, Any]:
        """Return the function's settings and its layers."""
        return {**self.settings, "halo": self.halo, "layers": self.layers.to_dict()}
