"""Cells that can be the centre of a patch, and a random choice of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.raster.raster import Raster, Window


def window_start(centre: NDArray[np.int64], patch_size: int) -> NDArray[np.int64]:
    """Return the first row (or column) of the patch around a centre, as in edaphos."""
    return centre - patch_size // 2


def eligible(
    valid: NDArray[np.bool_], block: Window, raster: Raster, patch_size: int
) -> NDArray[np.bool_]:
    """Return which cells ``(h, w)`` of a block can be centres.

    Every band has data there, and the whole patch lies inside the raster.
    """
    rows = _fits(block.row, block.height, raster.height, patch_size)
    columns = _fits(block.col, block.width, raster.width, patch_size)
    return valid.all(axis=0) & rows[:, None] & columns


def count_overlapping(cells: NDArray[np.int64], patch_size: int) -> int:
    """Return how many of the patches around `cells` ``(N, 2)`` share a cell with another."""
    squares, inverse = np.unique(cells // patch_size, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    members = np.bincount(inverse)
    shares = members[inverse] > 1  # two centres in a square of that size are that near
    order = np.argsort(inverse, kind="stable")
    ends = members.cumsum()
    index = {(row, col): place for place, (row, col) in enumerate(squares.tolist())}
    around = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right]
    for alone in np.flatnonzero(~shares):
        row, col = squares[inverse[alone]].tolist()
        for down, right in around:
            place = index.get((row + down, col + right))
            if place is not None:
                others = order[ends[place] - members[place] : ends[place]]
                near = np.abs(cells[others] - cells[alone]).max(axis=1) < patch_size
                if near.any():
                    shares[alone] = True
                    break
    return int(shares.sum())


class CentreCounts:
    """How many centres of patches of a size there are in each row of each block of a raster.

    Read row by row they say where the n-th centre of the raster is, in an order that does not
    depend on the blocks. With a `mask`, one band on the same cells, centres are only where that has
    data that are not 0; with `labels`, another such band, only where the patch has a cell with data
    there.
    """

    def __init__(
        self,
        raster: Raster,
        patch_size: int,
        mask: Raster | None = None,
        labels: Raster | None = None,
    ) -> None:
        self._raster = raster
        self._patch_size = patch_size
        self._mask = mask
        self._labels = labels
        self._columns = sorted({block.col for block in raster.blocks()})
        self._counts = np.zeros((raster.height, len(self._columns)), dtype=np.int64)

    @property
    def total(self) -> int:
        """Number of centres so far."""
        return int(self._counts.sum())

    def add(self, block: Window, valid: NDArray[np.bool_]) -> None:
        """Count those of a block."""
        rows = slice(block.row, block.row + block.height)
        centres = self._centres(block, valid)
        self._counts[rows, self._columns.index(block.col)] = centres.sum(axis=1)

    def draw(self, n_patches: int, seed: int) -> NDArray[np.int64]:
        """Return the rows and columns ``(n_patches, 2)`` of random centres, all equally likely.

        They are distinct where there are enough. Ranks among all centres are drawn first; then
        only the blocks that hold one are read, so no list of all centres is ever made.
        """
        generator = np.random.Generator(np.random.PCG64(seed % 2**64))
        ranks = generator.choice(self.total, n_patches, replace=n_patches > self.total)
        ends = self._counts.cumsum()
        places = np.searchsorted(ends, ranks, side="right")
        ranks -= ends[places] - self._counts.ravel()[places]  # now among those of row and block
        rows, columns = np.divmod(places, len(self._columns))
        cells = np.stack([rows, columns], axis=1)
        for block in self._raster.blocks():
            below = rows - block.row
            here = (below >= 0) & (below < block.height)
            here &= columns == self._columns.index(block.col)
            if here.any():
                valid = self._raster.read(*block)[1]
                centres = self._centres(block, valid)
                found = np.flatnonzero(centres) % block.width
                before = centres.sum(axis=1).cumsum() - centres.sum(axis=1)
                cells[here, 1] = block.col + found[before[below[here]] + ranks[here]]
        return cells

    def _centres(self, block: Window, valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
        centres = eligible(valid, block, self._raster, self._patch_size)
        if self._mask is not None and centres.any():
            values, known = self._mask.read(*block)
            centres &= known[0] & (values[0] != 0)
        if self._labels is not None and centres.any():
            centres &= _any_around(self._labels, block, self._patch_size)
        return centres


def _any_around(labels: Raster, block: Window, size: int) -> NDArray[np.bool_]:
    """Return whether the patches around the cells ``(h, w)`` of a block hold a cell with data."""
    row, col = window_start(np.array([block.row, block.col]), size).tolist()
    known = labels.read(row, col, block.height + size - 1, block.width + size - 1)[1][0]
    sums = np.pad(known.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    sums = sums[size:] - sums[:-size]
    return sums[:, size:] > sums[:, :-size]


def _fits(first: int, extent: int, whole: int, patch_size: int) -> NDArray[np.bool_]:
    starts = window_start(np.arange(first, first + extent), patch_size)
    return (starts >= 0) & (starts + patch_size <= whole)
