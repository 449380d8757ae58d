"""Patches of blocks are those that are cut one by one, and each cell is read once."""

import numpy as np
import pytest

from edaphos_bridge.data.orientation import ROWS_FIRST, TRANSPOSED
from edaphos_bridge.maps.block_patches import PatchReader
from edaphos_bridge.maps.grid import MapGrid
from edaphos_bridge.raster.patches_at import patches_at
from edaphos_bridge.raster.raster import Window
from edaphos_bridge.raster.sources import open_raster
from mapped import at_centres, cells, tiles


class Watched:
    """A raster that counts how often each cell is read."""

    def __init__(self, raster):
        self._raster = raster
        self.times = np.zeros((raster.height, raster.width), dtype=int)

    def read(self, row, col, height, width):
        self.times[max(row, 0) : row + height, max(col, 0) : col + width] += 1
        return self._raster.read(row, col, height, width)


@pytest.mark.parametrize("orientation", [ROWS_FIRST, TRANSPOSED])
@pytest.mark.parametrize("stride", [1, 3, 4, 8, 11])
def test_they_are_the_patches_around_the_points(stride, orientation):
    normalisation, points = tiles().normalisation, at_centres(stride)
    with open_raster(cells()) as raster:
        expected = np.full((len(points), 4, 8, 8), np.nan, dtype=np.float32)
        for rows, patches in patches_at(raster, points, normalisation, orientation):
            expected[rows] = patches
        grid = MapGrid.of(raster, stride)
        reader = PatchReader(grid, normalisation, (0, 1, 2, 3), orientation)
        found = np.full((grid.height, grid.width, 4, 8, 8), np.nan, dtype=np.float32)
        for block in grid.blocks(5):
            row = block.row
            for strip in reader.strips(raster, block):
                part = found[row : row + len(strip.rows), block.col : block.col + block.width]
                known = np.full((int(strip.known.sum()), 4, 8, 8), np.nan, dtype=np.float32)
                for rows, batch in strip.batches(7):
                    assert len(batch) <= 7
                    known[rows] = batch.numpy()
                part[strip.known] = known
                row += len(strip.rows)
    assert np.array_equal(found.reshape(expected.shape), expected, equal_nan=True)


def test_a_batch_has_memory_of_its_own():
    with open_raster(cells()) as raster:
        grid = MapGrid.of(raster, 1)
        reader = PatchReader(grid, tiles().normalisation, (0, 1, 2, 3), ROWS_FIRST)
        (strip,) = reader.strips(raster, Window(20, 0, 6, 6))
        before = strip.window.clone()
        for _, batch in strip.batches(4):
            batch.zero_()
        assert strip.window.equal(before)


@pytest.mark.parametrize(("stride", "most"), [(1, 1), (20, 1)])
def test_a_block_reads_no_cell_twice(stride, most):
    with open_raster(cells()) as raster:
        watched = Watched(raster)
        grid = MapGrid.of(raster, stride)
        reader = PatchReader(grid, tiles().normalisation, (0, 1, 2, 3), ROWS_FIRST)
        for block in [Window(0, 0, grid.height, grid.width)]:
            assert list(reader.strips(watched, block))
        assert watched.times.max() == most


def test_rows_between_patches_that_lie_apart_are_not_read():
    with open_raster(cells()) as raster:
        watched = Watched(raster)
        grid = MapGrid.of(raster, 20)
        reader = PatchReader(grid, tiles().normalisation, (0, 1, 2, 3), ROWS_FIRST)
        list(reader.strips(watched, Window(0, 0, grid.height, grid.width)))
    assert (
        watched.times.any(axis=1)
        == (np.isin(np.arange(41), [*range(6, 14), *range(26, 34), *range(36, 41)]))
    ).all()
