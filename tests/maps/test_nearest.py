"""Distances to a bank of rows: exact, though found by products of matrices."""

import math

import numpy as np
import pytest

from closeness import assert_close
from edaphos_bridge.maps import nearest as module
from edaphos_bridge.maps.nearest import count_within, mean_distance, nearest


@pytest.fixture
def rows():
    """Points and a bank of 6 columns; some points are rows of the bank, some are near ones."""
    random = np.random.default_rng(1)
    bank = random.normal(size=(40, 6))
    points = random.normal(size=(25, 6))
    points[:5] = bank[3:8]
    points[5:8] = bank[0] * (1 + 1e-13)
    return points, bank


def naive_distances(points, bank):
    return np.array([[math.dist(a, b) for b in bank.tolist()] for a in points.tolist()])


def far_away(rows, offset):
    """The same rows far from the origin, where the products lose all their digits."""
    points, bank = rows
    return points + offset, bank + offset


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e7, 1e10])
def test_the_nearest_distance_is_that_of_a_double_loop(rows, offset):
    points, bank = far_away(rows, offset)
    expected = naive_distances(points, bank).min(axis=1)
    assert_close(nearest(points, bank), expected, 1e-12, size=0)
    assert nearest(points, bank)[:5].tolist() == [0.0] * 5  # rows of the bank


@pytest.mark.parametrize("offset", [0.0, 1e7, 1e10])
@pytest.mark.parametrize("radius", [0.0, 1.5, 3.0])
def test_rows_within_a_radius_are_counted_as_a_double_loop_does(rows, offset, radius):
    points, bank = far_away(rows, offset)
    expected = (naive_distances(points, bank) <= radius).sum(axis=1)
    assert count_within(points, bank, radius).tolist() == expected.tolist()


def test_a_row_at_the_radius_counts(rows):
    points, bank = rows
    radius = nearest(points, bank)  # its own bits
    for row in range(8, 25):
        assert count_within(points[[row]], bank, radius[row]).tolist() == [1]
        assert count_within(points[[row]], bank, np.nextafter(radius[row], 0)).tolist() == [0]


@pytest.mark.parametrize("offset", [0.0, 1e7])
def test_the_mean_distance_is_that_of_all_pairs(rows, offset):
    bank = rows[1] + offset
    bank[7:12] = bank[7]
    distances = naive_distances(bank, bank)
    expected = distances[~np.eye(len(bank), dtype=bool)].mean()
    assert_close(mean_distance(bank), expected, 1e-10, size=0)


def test_only_what_is_allowed_counts(rows):
    points, bank = rows
    allowed = np.random.default_rng(2).random((25, 40)) > 0.6
    allowed[4] = False
    distances = np.where(allowed, naive_distances(points, bank), np.inf)
    assert_close(nearest(points, bank, lambda rows: allowed[rows]), distances.min(axis=1), 1e-12)
    found = count_within(points, bank, 3.0, lambda rows: allowed[rows])
    assert found.tolist() == (distances <= 3).sum(axis=1).tolist()


def test_what_is_beyond_any_double_is_infinitely_far(rows):
    points, bank = rows
    points[9] = 1e200
    assert nearest(points, bank)[9] == np.inf
    assert count_within(points, bank, 3.0)[9] == 0
    assert np.isfinite(np.delete(nearest(points, bank), 9)).all()


@pytest.mark.parametrize("pairs", [1, 50, 333])
def test_chunks_of_any_size_have_the_same_bits(rows, pairs, monkeypatch):
    points, bank = rows
    whole, counts = nearest(points, bank), count_within(points, bank, 2.0)
    monkeypatch.setattr(module, "_PAIRS", pairs)
    np.testing.assert_array_equal(nearest(points, bank), whole)
    np.testing.assert_array_equal(count_within(points, bank, 2.0), counts)
    for row in range(len(points)):
        np.testing.assert_array_equal(nearest(points[[row]], bank), whole[[row]])


def test_no_points_have_no_distances(rows):
    assert nearest(np.empty((0, 6)), rows[1]).shape == (0,)
    assert count_within(np.empty((0, 6)), rows[1], 1.0).shape == (0,)
