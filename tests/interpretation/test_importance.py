"""What is lost with each band: all of the score, or nothing."""

import numpy as np
import pytest

from closeness import assert_close
from edaphos_bridge import foundation_band_importance
from edaphos_bridge.errors import InputError
from interpreted import BandMeans, classifier_of_means, fit_with, numbers


@pytest.fixture
def x():
    return np.random.default_rng(1).normal(size=(50, 3, 4, 4))


@pytest.fixture
def second_band(x):
    """A classifier and its patches' classes, which the second band alone tells."""
    fit = classifier_of_means([[0, 0, 0], [0, 1, 0]], classes=("low", "high"), size=(4, 4))
    return fit, np.where(x[:, 1].mean(axis=(1, 2)) > 0, "high", "low")


def test_only_the_band_that_is_used_matters(x, second_band):
    found = foundation_band_importance(second_band[0], x, second_band[1], seed=1)
    table = found.as_table()
    assert found.score == 1.0
    assert table["importance"][[0, 2]].tolist() == [0.0, 0.0]
    # by chance as many are right as have the other's class by chance
    assert table["importance"][1] > 0.3
    assert table["band"].tolist() == ["band 0", "band 1", "band 2"]
    assert_close(table["sd"], found.losses.std(axis=1, ddof=1), 1e-12)


def test_of_a_regressor_the_rise_of_rmse_is_told(x):
    fit = fit_with(numbers(), BandMeans(), [[0.0, 0.0, 2.0]], size=(4, 4))
    y = 2 * x[:, 2].mean(axis=(1, 2))
    found = foundation_band_importance(fit, x, y, seed=1, n_repeats=200)
    table = found.as_table()
    assert found.metric == "rmse"
    assert_close(found.score, 0.0, 1e-5)
    assert_close(table["importance"][:2], [0.0, 0.0], 1e-5)
    # the mean squared difference of two independent draws is twice the variance
    assert_close(np.sqrt((found.losses[2] ** 2).mean()), np.sqrt(2) * y.std(), 0.05)


def test_the_seed_says_all_and_x_is_not_changed(x, second_band):
    before = x.copy()
    one, same, other = (
        foundation_band_importance(second_band[0], x, second_band[1], seed=seed, n_repeats=3)
        for seed in (-1, -1, 2)
    )
    np.testing.assert_array_equal(one.losses, same.losses)
    assert (one.losses != other.losses).any()
    np.testing.assert_array_equal(x, before)
    assert one.seed == -1
    drawn = foundation_band_importance(second_band[0], x, second_band[1], n_repeats=1)
    assert np.isnan(drawn.as_table()["sd"]).all()


def test_printing_shows_the_most_important_first(x, second_band):
    lines = foundation_band_importance(*_args(x, second_band), seed=1).describe()
    assert lines[1].split() == ["accuracy:", "1.000"]
    assert lines[3].split()[:2] == ["band", "1:"]


def _args(x, second_band):
    return second_band[0], x, second_band[1]


@pytest.mark.parametrize(
    ("changes", "argument"),
    [
        ({"y": ["high"] * 49}, "y"),
        ({"y": ["middle"] * 50}, "y"),
        ({"n_repeats": 0}, "n_repeats"),
        ({"seed": 0.5}, "seed"),
        ({"x": np.full((50, 3, 4, 4), np.nan)}, "x"),
        ({"fit": None}, "fit"),
    ],
)
def test_bad_input_is_refused(x, second_band, changes, argument):
    call = {"fit": second_band[0], "x": x, "y": second_band[1], **changes}
    with pytest.raises(InputError) as caught:
        foundation_band_importance(**call)
    assert caught.value.argument == argument
