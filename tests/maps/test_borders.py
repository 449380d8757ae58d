"""The border correction: a ridge regression, and the places it is learnt from."""

from itertools import islice

import numpy as np
import pytest
import torch

from closeness import assert_close
from edaphos_bridge.maps.borders import BorderCorrection, sample_count, sample_windows


def draws(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_it_is_the_ridge_regression_with_a_thousandth_of_the_mean_variance_as_penalty():
    x, y = draws(40, 6) * torch.arange(1.0, 7) + 3, draws(40, 2, seed=2) - 5
    learnt = BorderCorrection.learn(x, y)
    # as least squares with rows added: sqrt(penalty) on the diagonal, and zeros to meet
    a, b = (part.double().numpy() for part in (x, y))
    centred = a - a.mean(axis=0)
    penalty = 1e-3 * np.square(centred).sum(axis=0).mean()
    rows = np.vstack([centred, np.sqrt(penalty) * np.eye(6)])
    meet = np.vstack([b - b.mean(axis=0), np.zeros((6, 2))])
    weight = np.linalg.lstsq(rows, meet, rcond=None)[0]
    new = draws(7, 6, seed=3)
    expected = (new.double().numpy() - a.mean(axis=0)) @ weight + b.mean(axis=0)
    assert_close(learnt.apply(new), expected, 1e-5, np.abs(expected).max())


def test_what_depends_linearly_is_found():
    x = draws(200, 5)
    y = x @ draws(5, 3, seed=2) + 1
    assert_close(BorderCorrection.learn(x, y).apply(x), y, 0.01, float(y.abs().max()))


def test_a_feature_that_never_varies_in_the_sample_counts_for_nothing():
    x, y = draws(50, 3), draws(50, 2, seed=2)
    x[:, 1] = 0
    learnt = BorderCorrection.learn(x, y)
    moved = x.clone()
    moved[:, 1] = 1e6
    assert_close(learnt.apply(moved), learnt.apply(x), 1e-6)


@pytest.mark.parametrize("n", [1, 2])
def test_of_samples_that_are_all_the_same_the_mean_is_left(n):
    learnt = BorderCorrection.learn(torch.full((n, 3), 2.0), torch.full((n, 2), 7.0))
    assert_close(learnt.apply(draws(4, 3)), torch.full((4, 2), 7.0), 1e-6)


@pytest.mark.parametrize(("height", "width", "side"), [(100, 300, 44), (44, 45, 44), (7, 9, 1)])
def test_sample_windows_lie_in_the_raster_evenly_and_the_same_each_time(height, width, side):
    windows = list(islice(sample_windows(height, width, side), 64))
    assert windows == list(islice(sample_windows(height, width, side), 64))
    for row, col, h, w in windows:
        assert (h, w) == (side, side)
        assert 0 <= row <= height - side
        assert 0 <= col <= width - side
    for starts, extent in ((0, height), (1, width)):
        share = np.array([window[starts] for window in windows]) / max(1, extent - side)
        assert np.histogram(share, bins=4, range=(0, 1))[0].min() >= (8 if extent > side + 4 else 0)


def test_windows_of_a_raster_that_is_smaller_reach_beyond_it_on_both_sides():
    row, col, _, _ = next(sample_windows(10, 50, 20))
    assert row == -5
    assert 0 <= col <= 30


def test_more_windows_are_taken_for_larger_maps_between_two_bounds():
    counts = [sample_count(n) for n in (1, 12 * 2048, 40 * 2048, 64 * 2048, 10**9)]
    assert counts == [12, 12, 40, 64, 64]
