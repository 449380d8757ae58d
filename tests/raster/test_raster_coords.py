"""Points: from arrays and tables to cells, and what counts as outside."""

import numpy as np
import pandas as pd
import pytest
import torch

from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.coords import cells_at, read_coords
from edaphos_bridge.raster.sources import open_raster

POINTS = [[505.0, 895.0], [520.0, 870.5]]


@pytest.mark.parametrize(
    "coords",
    [
        POINTS,
        np.array(POINTS, order="F"),
        np.array(POINTS, dtype=np.float32),
        torch.tensor(POINTS),
        pd.DataFrame(POINTS, columns=["x", "y"]),
        pd.DataFrame(POINTS, columns=["lon", "lat"]),
        pd.DataFrame({"id": ["a", "b"], "y": [895.0, 870.5], "x": [505.0, 520.0]}),
        pd.DataFrame({"x": [505, 520], "y": [895.0, 870.5], "lon": 0, "lat": 0}),
    ],
)
def test_points_are_pairs_of_numbers_or_columns_of_a_table(coords):
    points = read_coords(coords)
    assert points.dtype == np.float64
    assert points.tolist() == POINTS


@pytest.mark.parametrize("coords", [[], np.empty((0, 2)), pd.DataFrame({"x": [], "y": []})])
def test_there_may_be_no_points(coords):
    assert read_coords(coords).shape == (0, 2)


def test_missing_points_are_nan():
    table = pd.DataFrame({"x": pd.array([1, None], dtype="Int64"), "y": [None, 2.5]})
    assert np.isnan(read_coords(table)).tolist() == [[False, True], [True, False]]
    masked = np.ma.masked_equal([[1, 2], [3, 4]], 3)
    assert np.isnan(read_coords(masked)).tolist() == [[False, False], [True, False]]


@pytest.mark.parametrize(
    "coords",
    [
        None,
        "points",
        [1, 2],
        [[1, 2, 3]],
        [[1, 2], [3]],
        [["1", "2"]],
        np.zeros((2, 2), dtype=complex),
        np.zeros((1, 2, 2)),
        pd.DataFrame({"a": [1], "b": [2]}),
        pd.DataFrame({"x": [1], "lat": [2]}),
        pd.DataFrame({"x": ["a"], "y": [2]}),
    ],
)
def test_something_else_is_an_error_that_names_the_argument(coords):
    with pytest.raises(InputError, match=r"^`points` must") as caught:
        read_coords(coords, "points")
    assert "; found " in str(caught.value)


def test_a_point_lies_in_the_cell_that_covers_it_and_those_on_the_last_edges_in_the_last(write_tif):
    path = write_tif("one.tif", np.zeros((1, 4, 5)))  # x 500 to 550, y 900 down to 860
    points = {
        (500, 900): (0, 0),  # the first corner
        (509.99, 890.01): (0, 0),
        (510, 890): (1, 1),  # an inner corner belongs to the cell after it
        (549.99, 860.01): (3, 4),
        (550, 880): (2, 4),  # the right edge
        (520, 860): (3, 2),  # the lower edge
        (550, 860): (3, 4),
        (550.01, 880): None,
        (520, 859.99): None,
        (499.99, 880): None,
        (520, 900.01): None,
        (np.nan, 880): None,
        (520, np.nan): None,
        (np.inf, -np.inf): None,
        (1e300, 880): None,
    }
    with open_raster(path) as raster:
        cells, inside = cells_at(raster, np.array(list(points), dtype=float))
    assert inside.tolist() == [cell is not None for cell in points.values()]
    assert cells.dtype == np.int64
    assert [tuple(cell) for cell in cells[inside].tolist()] == [
        cell for cell in points.values() if cell is not None
    ]


def test_a_point_on_the_edge_between_cells_belongs_to_the_cell_after_it():
    raster = open_raster(np.zeros((1, 10, 10)))
    raster.transform = (0.125, 0.0, -60.0, 0.0, -0.125, 10.0)
    edges = np.arange(10)
    cells, inside = cells_at(raster, np.stack([-60 + edges * 0.125, 10 - edges * 0.125], axis=1))
    assert inside.all()
    assert cells.tolist() == [[edge, edge] for edge in edges]


def test_in_an_array_x_is_the_column_and_y_the_row():
    cells, inside = cells_at(open_raster(np.zeros((1, 4, 5))), np.array([[4.5, 0.5], [0.5, 4.5]]))
    assert inside.tolist() == [True, False]
    assert cells[0].tolist() == [0, 4]


def test_a_turned_raster_has_its_points_too():
    raster = open_raster(np.zeros((1, 20, 30)))
    raster.transform = (3.0, 1.0, 7.0, -1.0, 2.0, 5.0)
    rows, columns = (grid.ravel() for grid in np.mgrid[:20, :30])
    x = 3 * (columns + 0.5) + (rows + 0.5) + 7
    y = -(columns + 0.5) + 2 * (rows + 0.5) + 5
    cells, inside = cells_at(raster, np.stack([x, y], axis=1))
    assert inside.all()
    assert cells.tolist() == np.stack([rows, columns], axis=1).tolist()
