"""Transforms: coordinates to cells and back, and grids that are the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from closeness import assert_close
from edaphos_bridge.raster.transform import IDENTITY, is_usable, same_grid, to_cells

NORTH_UP = (10.0, 0.0, 500.0, 0.0, -10.0, 900.0)
TURNED = (3.0, 1.0, 7.0, -1.0, 2.0, 5.0)


@pytest.mark.parametrize("transform", [IDENTITY, NORTH_UP, TURNED])
@given(row=st.floats(-100, 100), column=st.floats(-100, 100))
def test_the_position_of_a_place_is_where_it_was_put(transform, row, column):
    a, b, c, d, e, f = transform
    found = to_cells(transform, a * column + b * row + c, d * column + e * row + f)
    assert_close(found, (row, column), 1e-9)


def test_arrays_of_places_give_arrays_of_positions():
    rows, columns = to_cells(NORTH_UP, np.array([500.0, 525.0]), np.array([900.0, 885.0]))
    assert rows.tolist() == [0, 1.5]
    assert columns.tolist() == [0, 2.5]


def test_grids_are_the_same_up_to_a_hundredth_of_a_cell_at_every_corner():
    assert same_grid(NORTH_UP, NORTH_UP, 50, 60)
    assert same_grid(NORTH_UP, (10, 0, 500.05, 0, -10, 900), 50, 60)
    assert not same_grid(NORTH_UP, (10, 0, 500.5, 0, -10, 900), 50, 60)
    assert not same_grid(NORTH_UP, (10.01, 0, 500, 0, -10, 900), 50, 60)  # 0.06 cells at the end
    assert same_grid(NORTH_UP, (10.01, 0, 500, 0, -10, 900), 50, 5)


@pytest.mark.parametrize("transform", [(0,) * 6, (1, 2, 0, 2, 4, 0), (1, 0, np.nan, 0, 1, 0)])
def test_a_transform_that_cannot_be_inverted_is_not_usable(transform):
    assert not is_usable(transform)
    assert is_usable(TURNED)
