"""Maps of a function that gives values for all cells of a tile: overlapping tiles, blended.

A cell has the weighted mean of the tiles that it lies in, and a tile weighs less and less towards
its edges, where it knows least of what surrounds it. Where tiles lie follows from the raster alone,
and each tile is computed by itself, so a cell's bits do not depend on the block that is asked for.

References
----------
Ronneberger, O., Fischer, P. and Brox, T. (2015). U-Net: convolutional networks for biomedical
image segmentation. MICCAI 2015 (overlapping tiles).
Huang, B., Reichman, D., Collins, L. M., Bradbury, K. and Malof, J. M. (2018). Tiling and stitching
segmentation output for remote sensing. arXiv:1805.12219.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.arguments import choice, whole
from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.raster import Window

BLENDINGS = ("linear", "cosine")

# Of tiles that are kept for the next block, which lies beside the last one or below.
_KEPT_BYTES = 2**28


class BlendedTiles:
    """The map of a function of tiles, block by block.

    Parameters
    ----------
    height, width : int
        Extents of the raster.
    tile_size : int
        Height and width t of a tile.
    overlap : int
        Cells that neighbouring tiles share, less than `tile_size`. The last tile of a row or
        column is moved back so that it ends with the raster, and shares more.
    read : callable
        Cells ``(C, t, t)`` of a `Window`, as `predict` expects them. Only where the raster is
        smaller than a tile, the window reaches beyond it.
    predict : callable
        Values ``(B, K, t, t)`` of tiles ``(B, C, t, t)``, whose B is always 1.
    blending : {"linear", "cosine"}
        How weights rise over the overlap, from nearly 0 at a tile's edge.

    Raises
    ------
    InputError
        If a setting is of no use.
    """

    def __init__(
        self,
        height: int,
        width: int,
        tile_size: int,
        overlap: int,
        read: Callable[[Window], NDArray[Any]],
        predict: Callable[[NDArray[Any]], NDArray[Any]],
        blending: str = "linear",
    ) -> None:
        self._size = whole("tile_size", tile_size)
        self._overlap = whole("overlap", overlap, minimum=0)
        if self._overlap >= self._size:
            raise InputError(
                "overlap",
                f"must be less than tile_size, {self._size}",
                found=self._overlap,
            )
        ramp = ramp_of(self._size, self._overlap, choice("blending", blending, BLENDINGS))
        self._weights = ramp[:, None] * ramp
        self._tops = tile_starts(height, self._size, self._overlap)
        self._lefts = tile_starts(width, self._size, self._overlap)
        self._read, self._predict = read, predict
        self._kept: OrderedDict[tuple[int, int], NDArray[Any]] = OrderedDict()

    def block(self, block: Window) -> NDArray[np.float64]:
        """Return the values ``(K, height, width)`` of a block of cells of the raster."""
        total: NDArray[np.float64] | None = None
        weight = np.zeros((block.height, block.width))
        # always in this order: so is each cell's sum, in whichever block
        for top in _touching(self._tops, self._size, block.row, block.height):
            for left in _touching(self._lefts, self._size, block.col, block.width):
                rows, in_rows = _shared(top, self._size, block.row, block.height)
                cols, in_cols = _shared(left, self._size, block.col, block.width)
                weights = self._weights[in_rows, in_cols]
                values = self._tile(top, left)
                if total is None:
                    total = np.zeros((len(values), *weight.shape))
                total[:, rows, cols] += weights * values[:, in_rows, in_cols]
                weight[rows, cols] += weights
        assert total is not None, "the block lies outside of the raster"
        total /= weight
        return total

    def _tile(self, top: int, left: int) -> NDArray[Any]:
        """Return the values of a tile, computed or kept; the longest unused ones are let go."""
        found = self._kept.pop((top, left), None)
        if found is None:
            pause()
            cells = self._read(Window(top, left, self._size, self._size))
            found = np.array(self._predict(cells[None])[0])  # a copy: the memory may be used again
            assert found.shape[1:] == cells.shape[1:], "a tile has other extents than its values"
            while self._kept and (len(self._kept) + 1) * found.nbytes > _KEPT_BYTES:
                self._kept.popitem(last=False)
        self._kept[top, left] = found
        return found


def tile_starts(extent: int, size: int, overlap: int) -> list[int]:
    """Return where tiles start along one side of a raster.

    They follow each other by ``size - overlap``, and the last one ends with the raster. A raster
    that is smaller has one tile, which reaches beyond its end.
    """
    last = max(0, extent - size)
    return [*range(0, last, size - overlap), last]


def ramp_of(size: int, overlap: int, blending: str) -> NDArray[np.float64]:
    """Return the weights of a tile's cells along one side: they rise, are 1, and fall.

    Of two neighbours that share `overlap` cells, no more than half a tile, they sum to 1. None is
    0, so that a cell in one tile alone has that tile's value.
    """
    from_edge = np.minimum(np.arange(size), np.arange(size)[::-1]) + 0.5
    rise = np.minimum(1, from_edge / overlap) if overlap else np.ones(size)
    return rise if blending == "linear" else (1 - np.cos(np.pi * rise)) / 2


def _touching(starts: list[int], size: int, first: int, extent: int) -> list[int]:
    """Return the starts of tiles that share a cell with a block."""
    return [start for start in starts if first - size < start < first + extent]


def _shared(start: int, size: int, first: int, extent: int) -> tuple[slice, slice]:
    """Return the cells that a tile and a block share, in the block and in the tile."""
    begin, end = max(start, first), min(start + size, first + extent)
    return slice(begin - first, end - first), slice(begin - start, end - start)
