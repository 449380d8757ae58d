"""Maps of what a model makes of the patch around each cell."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.basics.ambient import plain_torch, use_threads
from edaphos_bridge.encoders.features import batch_size_for
from edaphos_bridge.maps.block_function import BlockFunction, GoOn
from edaphos_bridge.maps.block_patches import PatchReader, Strip
from edaphos_bridge.maps.grid import MapGrid
from edaphos_bridge.maps.layers import Layers
from edaphos_bridge.maps.row_values import RowValues
from edaphos_bridge.raster.raster import Raster, Window

# Of a cell of a window: raw, known, normalised.
_BYTES_A_CELL = 8 + 1 + 4


@dataclass(frozen=True)
class ValuesOfPatches(BlockFunction):
    """A map whose cells have what `values` makes of the patches around them, strip by strip.

    Attributes
    ----------
    reader : PatchReader
    values : RowValues
    """

    reader: PatchReader
    values: RowValues
    method: ClassVar[str]

    @property
    def grid(self) -> MapGrid:  # type: ignore[override]
        """Where the cells lie."""
        return self.reader.grid

    @property
    def layers(self) -> Layers:  # type: ignore[override]
        """What the values are."""
        return self.values.layers

    def compute(self, raster: Raster, block: Window, go_on: GoOn) -> NDArray[Any]:
        """Return the layers of a block; cells without data in any band have none."""
        use_threads()
        result = self.layers.empty(block.height, block.width)
        row = 0
        with plain_torch():
            for strip in self.reader.strips(raster, block):
                go_on()
                height = len(strip.rows)
                if strip.known.any():
                    place = (block.row + row, block.col)
                    found = self._of_strip(strip, go_on, place)
                    result[:, row : row + height][:, strip.known] = found.T
                row += height
        return result

    @abstractmethod
    def _of_strip(self, strip: Strip, go_on: GoOn, place: tuple[int, ...]) -> NDArray[Any]:
        """Return the layers ``(n, L)`` of the n known patches; `place` is where they begin."""

    def bytes_for(self, height: int, width: int) -> int:
        """Return what windows and values take."""
        cells = self.reader.strip_cells(height, width) * len(self.reader.order)
        return cells * _BYTES_A_CELL + height * width * self.values.bytes_a_row()

    def identity(self) -> dict[str, Any]:
        """Return what patches are read and what becomes of them."""
        return {"method": self.method, **self.reader.identity(), **self.values.identity()}


class PatchValues(ValuesOfPatches):
    """By the exact way: every patch goes through the encoder."""

    method = "exact"

    def _of_strip(self, strip: Strip, go_on: GoOn, place: tuple[int, ...]) -> NDArray[Any]:
        shape = (1, strip.window.shape[0], strip.patch_size, strip.patch_size)
        size = batch_size_for(shape, self.values.device.type, self.values.encoders[0])

        def batches() -> Iterator[tuple[slice, torch.Tensor]]:
            for batch in strip.batches(size):
                go_on()
                yield batch

        with self.values.alone():
            return self.values.of(int(np.count_nonzero(strip.known)), batches(), place)
