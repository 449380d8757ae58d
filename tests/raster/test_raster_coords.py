"""Points: from arrays and tables to cells, and what counts as outside."""

import numpy as np
import pandas as pd
import pytest
import torch

from edaphos_bridge.errors import EdaphosWarning, InputError
from edaphos_bridge.raster.coords import cells_at, read_coords, warn_if_all_outside
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
        torch.tensor(POINTS, requires_grad=True),
        torch.tensor(POINTS, dtype=torch.float64).neg()._neg_view(),
        np.array([(895.0, "a", 505.0), (870.5, "b", 520.0)], "f8,U1,f8").view(
            [("Y", "f8"), ("id", "U1"), ("X", "f8")]
        ),
        pd.DataFrame({"X": [505, 520], "Y": [895.0, 870.5]}, dtype=object),
        pd.DataFrame({"Latitude": [895.0, 870.5], "Longitude": [505, 520], "y": 0}),
        pd.DataFrame({"NORTHING": [895.0, 870.5], "Easting": [505, 520], 7: "a"}),
    ],
)
def test_points_are_pairs_of_numbers_or_columns_of_a_table(coords):
    points = read_coords(coords)
    assert points.dtype == np.float64
    assert points.tolist() == POINTS


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_a_matrix_of_numpy_gives_an_array_like_any_other():
    points = read_coords(np.asmatrix(POINTS))
    assert type(points) is np.ndarray
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
        pd.DataFrame({"x": ["1"], "y": [2]}),
        pd.DataFrame({"x": [1j], "y": [2]}),
        pd.DataFrame({"x": pd.to_datetime(["2020-01-01"]), "y": [2]}),
        pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("x", 1), ("y", 1)])),
        np.zeros(2, dtype=[("a", "f8"), ("b", "f8")]),
        np.array([[1, 2]], dtype="timedelta64[s]"),
        torch.zeros(2, 2, dtype=torch.complex64),
        torch.zeros(2, 2).to_sparse(),
        torch.zeros(2, 2, device="meta"),
    ],
)
def test_something_else_is_an_error_that_names_the_argument(coords):
    with pytest.raises(InputError, match=r"^`points` must") as caught:
        read_coords(coords, "points")
    assert "; found " in str(caught.value)


@pytest.mark.parametrize(
    "columns", [["x", "y", "lon", "lat"], ["x", "X", "y"], ["x", "y", "Y"], ["x", "y", "x"]]
)
def test_several_pairs_of_columns_that_could_be_meant_are_an_error(columns):
    with pytest.raises(InputError, match="one such pair only") as caught:
        read_coords(pd.DataFrame([range(len(columns))], columns=columns))
    assert caught.value.found == columns


def test_an_array_that_cannot_be_read_is_an_error_that_keeps_the_cause():
    class Broken:
        def __array__(self, *args, **kwargs):
            raise OSError("the disk is gone")

    with pytest.raises(InputError, match="`coords` must be pairs") as caught:
        read_coords(Broken())
    assert isinstance(caught.value.__cause__, OSError)


def test_the_points_of_the_caller_are_not_written_to():
    given = np.ma.masked_equal([[1.0, 2.0], [3.0, 4.0]], 3)
    points = read_coords(given)
    points[:] = 7
    assert given.data.tolist() == [[1, 2], [3, 4]]


def test_points_that_all_lie_outside_are_a_warning_with_both_ranges(write_tif):
    path = write_tif("one.tif", np.zeros((1, 4, 5)))  # x 500 to 550, y 900 down to 860
    with open_raster(path) as raster:
        lonlat = np.array([[-47.5, -15], [-46, -14.25], [np.nan, 3]])
        with pytest.warns(EdaphosWarning) as caught:
            warn_if_all_outside(raster, lonlat, "coords", "x")
        assert str(caught[0].message) == (
            "All 2 points of `coords` lie outside `x`: x from -47.5 to -46, y from -15 to -14.25; "
            "the raster has x from 500 to 550, y from 860 to 900 (EPSG:32723). Are they in another "
            "coordinate reference system?"
        )
        with pytest.warns(EdaphosWarning, match="The only point .*exchanged, 1 of them"):
            warn_if_all_outside(raster, np.array([[880.0, 510.0]]), "coords", "x")
        # what could not be transformed
        with pytest.warns(
            EdaphosWarning, match=r"x from inf to inf.*no place in its coord"
        ):  # could not be transformed
            warn_if_all_outside(raster, np.full((1, 2), np.inf), "coords", "x")


def test_one_point_inside_or_none_that_is_known_is_no_warning(write_tif):
    with open_raster(write_tif("one.tif", np.zeros((1, 4, 5)))) as raster:
        for points in ([[505.0, 895.0], [0, 0]], np.full((2, 2), np.nan), np.empty((0, 2))):
            warn_if_all_outside(raster, np.array(points), "coords", "x")


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
