"""Where the cells of a map lie: every so many cells of a raster, and in which blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.raster.raster import Raster, Window
from edaphos_bridge.raster.transform import Transform


@dataclass(frozen=True)
class MapGrid:
    """The grid of a map with a cell for every `stride` x `stride` cells of a raster.

    A cell of the map has the value of the raster cell in its middle (of an even stride the one
    below and to the right of it). Where the raster ends in the middle of a cell of the map, that
    cell reaches beyond, as of ``terra::aggregate()``, and its value is at most that of the last
    row or column.

    Attributes
    ----------
    raster_height, raster_width : int
        Extents of the raster in its own cells.
    raster_transform : tuple of six floats
        See `edaphos_bridge.raster.transform`.
    stride : int
    """

    raster_height: int
    raster_width: int
    raster_transform: Transform
    stride: int

    @classmethod
    def of(cls, raster: Raster, stride: int) -> MapGrid:
        """Return the grid of a map of `raster`."""
        return cls(raster.height, raster.width, raster.transform, stride)

    @property
    def height(self) -> int:
        """Rows of the map."""
        return -(-self.raster_height // self.stride)

    @property
    def width(self) -> int:
        """Columns of the map."""
        return -(-self.raster_width // self.stride)

    @property
    def transform(self) -> Transform:
        """From cells of the map to coordinates."""
        a, b, c, d, e, f = self.raster_transform
        n = self.stride
        return a * n, b * n, c, d * n, e * n, f

    def rows(self, block: Window) -> NDArray[np.int64]:
        """Return the rows of the raster in which the values of a block lie."""
        return self._middles(block.row, block.height, self.raster_height)

    def cols(self, block: Window) -> NDArray[np.int64]:
        """Return the columns of the raster in which the values of a block lie."""
        return self._middles(block.col, block.width, self.raster_width)

    def _middles(self, first: int, extent: int, whole: int) -> NDArray[np.int64]:
        middles = np.arange(first, first + extent, dtype=np.int64) * self.stride + self.stride // 2
        return np.minimum(middles, whole - 1)

    def blocks(self, size: int) -> Iterator[Window]:
        """Yield windows of at most `size` x `size` cells that cover the map once, row by row."""
        for row in range(0, self.height, size):
            for col in range(0, self.width, size):
                yield Window(row, col, min(size, self.height - row), min(size, self.width - col))
