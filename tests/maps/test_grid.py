"""Where the cells of a map lie."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphos_bridge.maps.grid import MapGrid
from edaphos_bridge.raster.raster import Window


@pytest.mark.parametrize(
    ("stride", "rows", "cols"),
    [(1, range(5), range(7)), (2, [1, 3, 4], [1, 3, 5, 6]), (3, [1, 4], [1, 4, 6]), (9, [4], [4])],
)
def test_a_cell_has_the_value_in_its_middle_and_none_lies_beyond_the_raster(stride, rows, cols):
    grid = MapGrid(5, 7, (10, 0, 100, 0, -10, 50), stride)
    whole = Window(0, 0, grid.height, grid.width)
    assert grid.rows(whole).tolist() == list(rows)
    assert grid.cols(whole).tolist() == list(cols)
    assert grid.transform == (10 * stride, 0, 100, 0, -10 * stride, 50)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 9), st.integers(1, 25))
def test_blocks_cover_a_map_once_row_by_row(height, width, stride, size):
    grid = MapGrid(height, width, (1, 0, 0, 0, 1, 0), stride)
    seen = np.zeros((grid.height, grid.width), dtype=int)
    rows = []
    for row, col, down, right in grid.blocks(size):
        assert 0 < down <= size
        assert 0 < right <= size
        seen[row : row + down, col : col + right] += 1
        rows.append((row, col))
    assert (seen == 1).all()
    assert rows == sorted(rows)
