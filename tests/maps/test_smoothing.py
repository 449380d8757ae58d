"""Majority filter and Bayesian smoothing, cell by cell as their definitions say."""

import math
from collections import Counter

import numpy as np
import pytest

from closeness import assert_close
from edaphos_bridge.maps import smoothing
from edaphos_bridge.maps.smoothing import bayesian, halo_of, majority, most_probable

SMOOTHNESS = np.array([20.0, 5.0, 40.0])


@pytest.fixture
def codes():
    return np.random.default_rng(1).integers(1, 5, size=(13, 11))


@pytest.fixture
def valid():
    return np.random.default_rng(2).random((13, 11)) > 0.2


@pytest.fixture
def probabilities():
    """A map of three classes in which every fifth cell has no data."""
    random = np.random.default_rng(3)
    drawn = np.moveaxis(random.dirichlet(np.full(3, 0.4), size=(13, 11)), -1, 0).copy()
    drawn[:, 0, :3] = np.eye(3)  # certain, one after the other
    drawn[:, random.random((13, 11)) < 0.2] = np.nan
    return drawn


def window_of(row, column, shape, window):
    """The places of a window that are on the map."""
    half = window // 2
    return [
        (i, j)
        for i in range(row - half, row + half + 1)
        for j in range(column - half, column + half + 1)
        if 0 <= i < shape[0] and 0 <= j < shape[1]
    ]


# --- majority --------------------------------------------------------------------------------


def naive_majority(codes, window, valid):
    smoothed = codes.copy()
    for row, column in np.argwhere(valid):
        around = window_of(row, column, codes.shape, window)
        votes = Counter(codes[place] for place in around if valid[place])
        first = [code for code, n in votes.items() if n == max(votes.values())]
        own = codes[row, column]
        smoothed[row, column] = own if own in first else min(first)
    return smoothed


@pytest.mark.parametrize("window", [1, 3, 5, 9, 27])
def test_the_most_frequent_class_of_the_window_wins(window, codes, valid):
    found = majority(codes, window, valid)
    np.testing.assert_array_equal(found, naive_majority(codes, window, valid))
    assert found.dtype == codes.dtype


def test_of_equally_frequent_classes_the_cells_own_wins_else_the_lowest():
    everywhere = np.ones((1, 3), dtype=bool)
    own = majority(np.array([[1, 2, 3]]), 3, everywhere)
    assert own.tolist() == [[1, 2, 3]]
    block = np.array([[3, 3, 2], [2, 7, 3], [2, 8, 9]])
    assert majority(block, 3, np.ones((3, 3), dtype=bool))[1, 1] == 2


def test_cells_without_data_neither_vote_nor_change():
    codes = np.array([[1, 9, 9], [9, 2, 9], [9, 9, 9]], dtype="uint8")
    found = majority(codes, 3, codes != 9)
    assert found.tolist() == codes.tolist()  # one vote for each of 1 and 2: both keep their own
    assert found.dtype == np.uint8
    assert majority(codes, 3, np.zeros((3, 3), dtype=bool)).tolist() == codes.tolist()


def test_the_most_probable_class_is_counted_from_1_and_0_without_data(probabilities):
    found = most_probable(probabilities)
    for row, column in np.ndindex(found.shape):
        cell = probabilities[:, row, column].tolist()
        expected = 0 if math.isnan(cell[0]) else 1 + cell.index(max(cell))
        assert found[row, column] == expected


# --- Bayesian --------------------------------------------------------------------------------


def naive_bayesian(probabilities, window, neigh_fraction, smoothness):
    def logit(p):
        p = min(max(p, 1e-6), 1 - 1e-6)
        return math.log(p / (1 - p))

    smoothed = np.full(probabilities.shape, np.nan)
    shape = probabilities.shape[1:]
    known = ~np.isnan(probabilities[0])
    for row, column in np.argwhere(known):
        around = [place for place in window_of(row, column, shape, window) if known[place]]
        for k, layer in enumerate(probabilities):
            logits = sorted((logit(layer[place]) for place in around), reverse=True)
            n = max(2, math.ceil(round(neigh_fraction * len(logits), 9)))
            x = logit(layer[row, column])
            if len(logits) > 1:
                highest = logits[:n]
                m = sum(highest) / n
                s2 = sum((value - m) ** 2 for value in highest) / (n - 1)
                w = s2 / (s2 + smoothness[k])
                x = w * x + (1 - w) * m
            smoothed[k, row, column] = 1 / (1 + math.exp(-x))
    return smoothed / smoothed.sum(axis=0)


@pytest.mark.parametrize(("window", "share"), [(3, 0.5), (5, 1.0), (9, 0.1), (25, 0.7), (1, 1.0)])
def test_the_posterior_is_that_of_the_normal_model_on_logits(window, share, probabilities):
    found = bayesian(probabilities, window, share, SMOOTHNESS)
    assert_close(found, naive_bayesian(probabilities, window, share, SMOOTHNESS), 1e-10)


def test_a_share_that_is_a_whole_number_of_neighbours_but_for_rounding_takes_no_further_one():
    assert 0.28 * 25 > 7
    layer = np.random.default_rng(4).random((5, 5))
    both = np.stack([layer, 1 - layer])
    found = [bayesian(both, 5, share, np.array([5.0, 5.0]))[0, 2, 2] for share in (0.27, 0.28)]
    assert found[0] == found[1]  # seven of 25


def test_probabilities_stay_probabilities_and_cells_without_data_stay_so(probabilities):
    found = bayesian(probabilities, 5, 0.5, SMOOTHNESS)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(probabilities))
    known = ~np.isnan(found[0])
    assert_close(found.sum(axis=0)[known], np.ones(known.sum()), 1e-12)


def test_an_odd_cell_is_drawn_to_neighbours_that_agree_and_a_border_stays():
    odd = np.full((7, 7), 0.95)
    odd[3, 3] = 0.4
    found = bayesian(np.stack([odd, 1 - odd]), 5, 0.5, np.array([20.0, 20.0]))
    assert found[0, 3, 3] > 0.9
    border = np.where(np.arange(8) < 4, 0.95, 0.05) * np.ones((8, 1))
    kept = bayesian(np.stack([border, 1 - border]), 5, 0.5, np.array([20.0, 20.0]))
    np.testing.assert_array_equal(kept.argmax(axis=0), (border < 0.5).astype(int))


def test_a_cell_alone_keeps_its_probability():
    alone = np.full((2, 5, 5), np.nan)
    alone[:, 2, 2] = [0.3, 0.7]
    found = bayesian(alone, 3, 0.5, np.array([20.0, 20.0]))
    assert_close(found[:, 2, 2], [0.3, 0.7], 1e-12)


def test_neighbours_that_are_all_the_same_leave_no_doubt():
    same = np.stack([np.full((3, 3), 0.8), np.full((3, 3), 0.2)])
    assert_close(bayesian(same, 3, 1.0, np.array([1.0, 1.0])), same, 1e-12)


# --- blocks ----------------------------------------------------------------------------------


def blocks_with_halo(layers, halo, fill, size=4):
    """Yield each block's place, and its cells with a halo, filled beyond the map."""
    beyond = [(0, 0)] * (layers.ndim - 2) + [(halo, halo)] * 2
    padded = np.pad(layers, beyond, constant_values=fill)
    height, width = layers.shape[-2:]
    for row in range(0, height, size):
        for column in range(0, width, size):
            rows, columns = min(size, height - row), min(size, width - column)
            place = np.s_[..., row : row + rows, column : column + columns]
            around = np.s_[..., row : row + rows + 2 * halo, column : column + columns + 2 * halo]
            yield place, padded[around].copy()


def inner(layers, halo):
    return layers[..., halo : layers.shape[-2] - halo, halo : layers.shape[-1] - halo]


@pytest.mark.parametrize("window", [3, 7, 9])
def test_a_block_with_its_halo_has_the_bits_of_the_whole_map(window, probabilities, codes, valid):
    halo = halo_of(window)
    whole = bayesian(probabilities, window, 0.5, SMOOTHNESS)
    for place, block in blocks_with_halo(probabilities, halo, np.nan):
        found = inner(bayesian(block, window, 0.5, SMOOTHNESS), halo)
        np.testing.assert_array_equal(found, whole[place])
    codes[~valid] = 0
    whole = majority(codes, window, codes > 0)
    for place, block in blocks_with_halo(codes, halo, 0):
        found = inner(majority(block, window, block > 0), halo)
        np.testing.assert_array_equal(found, whole[place])


@pytest.mark.parametrize("numbers", [1, 60, 700])
def test_windows_are_taken_a_few_at_a_time_with_the_same_bits(numbers, monkeypatch, probabilities):
    whole = bayesian(probabilities, 5, 0.5, SMOOTHNESS)
    monkeypatch.setattr(smoothing, "_NUMBERS", numbers)
    np.testing.assert_array_equal(bayesian(probabilities, 5, 0.5, SMOOTHNESS), whole)
