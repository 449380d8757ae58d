"""Polygons and points as a raster: centres of cells, in any window, and the last one counts."""

from itertools import pairwise

import numpy as np
import pytest
import rasterio.features
from hypothesis import given
from hypothesis import strategies as st

from edaphos_bridge.raster.array_raster import ArrayRaster
from edaphos_bridge.raster.raster import Raster
from edaphos_bridge.raster.shape_raster import ShapeRaster
from edaphos_bridge.raster.shapes import shapes_of
from raster_shapes import Geometries, cells_in, multi, point, polygon, square

HEIGHT, WIDTH = 14, 18
GRIDS = {
    "cells": (1, 0, 0, 0, 1, 0),
    "north up": (10, 0, 500, 0, -10, 900),
    "south up": (10, 0, 500, 0, 10, 760),
    "degrees": (1 / 3600, 0, -43.2, 0, -1 / 3600, -22.9),
    "turned": (8, 3, 500, 2, -9, 900),
    "mirrored": (-7, 0, 620, 0, -4, 90),
}


class Grid(ArrayRaster):
    """Cells without anything in them, at a place."""

    def __init__(self, transform=GRIDS["cells"], height=HEIGHT, width=WIDTH):
        super().__init__(np.zeros((1, height, width)), "stack")
        self.transform = transform


def raster_of(geometries, numbers=None, grid=None):
    numbers = np.arange(len(geometries)) if numbers is None else np.array(numbers)
    shapes = shapes_of(Geometries(geometries, None), numbers, "labels")
    return ShapeRaster(shapes, numbers, Grid() if grid is None else grid)


def numbers_in(raster, *window):
    values, valid = raster.read(*(window or (0, 0, raster.height, raster.width)))
    return np.where(valid[0], values[0], -1)


def at(transform, places):
    """x and y of places (column, row)."""
    a, b, c, d, e, f = transform
    return [(a * col + b * row + c, d * col + e * row + f) for col, row in places]


def stars(rng, transform, n):
    """Polygons whose edges cross each other, with a ring inside."""
    for _ in range(n):
        rings = [rng.uniform((-3, -3), (WIDTH + 3, HEIGHT + 3), (size, 2)) for size in (7, 3)]
        yield polygon(*(at(transform, ring.tolist()) for ring in rings))


@pytest.mark.parametrize("name", GRIDS)
def test_a_polygon_holds_the_cells_whose_centres_it_holds_on_any_grid(name):
    transform = GRIDS[name]
    one, other, third = stars(np.random.default_rng(1), transform, 3)
    for geometry in (one, other, multi(one, third)):
        expected = cells_in(geometry, transform, HEIGHT, WIDTH)
        assert 0 < expected.sum() < expected.size
        found = numbers_in(raster_of([geometry], grid=Grid(transform)))
        assert np.array_equal(found == 0, expected)


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_several_polygons_and_points_are_as_gdal_burns_them(seed, n):
    rng = np.random.default_rng(seed)
    geometries = list(stars(rng, GRIDS["cells"], n))
    geometries += [point(*rng.uniform(-2, 20, 2).tolist()) for _ in range(3)]
    numbers = rng.integers(0, 4, n + 3)
    expected = rasterio.features.rasterize(
        list(zip(geometries, numbers.tolist(), strict=True)),
        out_shape=(HEIGHT, WIDTH), fill=-1, dtype="int16",
    )  # fmt: skip
    assert np.array_equal(numbers_in(raster_of(geometries, numbers)), expected)


@given(st.integers(0, 2**32), st.integers(-9, 16), st.integers(-9, 20), st.integers(1, 20))
def test_a_cell_is_the_same_in_any_window(seed, row, col, size):
    rng = np.random.default_rng(seed)
    halves = np.round(rng.uniform(-6, 46, (3, 5, 2))) / 2  # corners in the centres of cells
    raster = raster_of([polygon(ring) for ring in halves.tolist()])
    whole = np.pad(numbers_in(raster), 30, constant_values=-1)
    expected = whole[row + 30 : row + 30 + size, col + 30 : col + 30 + size]
    assert np.array_equal(numbers_in(raster, row, col, size, size), expected)


@given(st.integers(0, 2**32))
def test_polygons_that_share_edges_share_no_cell_and_leave_none_out(seed):
    """Triangles around a corner, with edges through the centres of cells."""
    rng = np.random.default_rng(seed)
    middle = (rng.integers(2, 24, 2) / 2).tolist()
    corners = [(0, 0), (WIDTH, 0), (WIDTH, HEIGHT), (0, HEIGHT), (0, 0)]
    parts = [
        polygon([middle, one, other] if rng.random() < 0.5 else [other, one, middle])
        for one, other in pairwise(corners)
    ]
    raster = raster_of(parts)
    assert (numbers_in(raster) >= 0).all()
    assert raster.conflicts() == 0


def test_a_point_holds_the_cell_that_it_lies_in():
    corner, edge, outside = point(3, 5), point(17.99, 13.99), point(18.01, 3)
    found = numbers_in(raster_of([corner, edge, outside, point(7.2, 0.9)]))
    expected = np.full((HEIGHT, WIDTH), -1)
    expected[5, 3], expected[13, 17], expected[0, 7] = 0, 1, 3
    assert np.array_equal(found, expected)


def test_the_points_of_a_multipoint_are_one_shape():
    several = {"type": "MultiPoint", "coordinates": [(1, 1), (2, 3)]}
    found = numbers_in(raster_of([several, point(9, 9)]))
    assert np.argwhere(found == 0).tolist() == [[1, 1], [3, 2]]


def test_where_shapes_overlap_the_last_one_holds_the_cell():
    geometries = [square(0, 0, 6), square(4, 4, 6), square(4, 0, 6)]
    found = numbers_in(raster_of(geometries, [2, 0, 1]))
    expected = np.full((HEIGHT, WIDTH), -1)
    expected[0:6, 0:6] = 2
    expected[4:10, 4:10] = 0
    expected[0:6, 4:10] = 1
    assert np.array_equal(found, expected)


def test_cells_of_several_numbers_are_counted_once_and_those_of_one_are_not(monkeypatch):
    geometries = [square(0, 0, 6), square(4, 4, 6), square(0, 0, 6), square(2, 2, 6)]
    assert raster_of(geometries, [0, 1, 0, 0]).conflicts() == 4 + 12  # once each, 0 above 1 above 0
    monkeypatch.setattr("edaphos_bridge.raster.raster._BLOCK_VALUES", 20)
    assert raster_of(geometries, [0, 1, 0, 0]).conflicts() == 16
    assert raster_of(geometries, [3, 3, 3, 3]).conflicts() == 0


def test_a_shape_without_a_number_neither_holds_nor_hides_a_cell():
    raster = raster_of([square(0, 0, 6), square(4, 4, 6)], [1, -1])
    assert np.array_equal(numbers_in(raster), numbers_in(raster_of([square(0, 0, 6)], [1])))
    assert raster.conflicts() == 0


@pytest.mark.parametrize(
    "geometry",
    [
        square(2.6, 2.6, 0.8),  # between two centres
        polygon([(1, 1), (5, 5), (9, 9)]),  # without an area
        square(30, 30, 4),
        point(-0.01, 3),
        None,
        {"type": "Polygon", "coordinates": []},
    ],
)
def test_a_shape_that_holds_no_centre_holds_nothing(geometry):
    assert (numbers_in(raster_of([geometry])) == -1).all()


def test_corners_far_away_are_no_harm():
    found = numbers_in(raster_of([polygon([(-1e300, 5), (1e300, 5), (1e300, 9), (-1e300, 9)])]))
    assert (found[5:9] == 0).all()
    assert (found >= 0).sum() == 4 * WIDTH


def test_only_shapes_near_a_window_are_looked_at(monkeypatch):
    raster = raster_of([square(0, 0, 3), square(10, 8, 3)])
    seen = []
    original = ShapeRaster._inside
    monkeypatch.setattr(
        ShapeRaster, "_inside",
        lambda self, window: (seen.append(n) or (n, *rest) for n, *rest in original(self, window)),
    )  # fmt: skip
    raster.read(8, 10, 3, 3)
    assert seen == [1]


def test_it_lies_where_its_grid_lies():
    raster = raster_of([square(500, 850, 30)], grid=Grid(GRIDS["north up"]))
    assert isinstance(raster, Raster)
    assert (raster.bands, raster.transform) == (["labels"], GRIDS["north up"])
    assert np.argwhere(numbers_in(raster) == 0)[[0, -1]].tolist() == [[2, 0], [4, 2]]
    assert raster.describe() is None
