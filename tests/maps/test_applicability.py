"""Dissimilarity index, threshold and local point density as the R package CAST defines them."""

import math

import numpy as np
import pytest

from closeness import assert_close
from edaphos_bridge.data.folds import read_folds
from edaphos_bridge.data.predictors import Predictors
from edaphos_bridge.maps.applicability import FoundationApplicability, applicability_of


@pytest.fixture
def train():
    return np.random.default_rng(1).normal(size=(40, 5)) * [1, 10, 0.1, 3, 1] + 7


@pytest.fixture
def new():
    return np.random.default_rng(2).normal(size=(30, 5)) * [2, 20, 0.3, 3, 1] + 7


WEIGHTS = np.array([1.0, 0.5, 2.0, 0.0, 3.0])


def naive_applicability(train, new, weights, trains_beside):
    """CAST's trainDI() and aoa(), a distance at a time.

    ``scale()`` centres and divides by the sd (N - 1), weights multiply; trainDist_avrgmean is the
    mean of each row's mean distance to all others; trainDI its least distance to `trains_beside`
    it, over that; the threshold is ``min(quantile(.75) + 1.5 IQR, max)`` of these.
    """
    n, n_columns = train.shape
    means = [sum(train[:, k]) / n for k in range(n_columns)]
    sds = [
        math.sqrt(sum((v - means[k]) ** 2 for v in train[:, k]) / (n - 1)) for k in range(n_columns)
    ]

    def scaled(row):
        return [weights[k] * (row[k] - means[k]) / sds[k] for k in range(n_columns)]

    a, b = [scaled(row) for row in train], [scaled(row) for row in new]
    averages = [sum(math.dist(a[i], a[j]) for j in range(n) if j != i) / (n - 1) for i in range(n)]
    unit = sum(averages) / n
    beside = [[math.dist(a[i], a[j]) / unit for j in trains_beside(i)] for i in range(n)]
    train_di = np.array([min(distances, default=np.nan) for distances in beside])
    known = sorted(train_di[~np.isnan(train_di)])

    def quantile(q):  # type 7, as R's
        place = q * (len(known) - 1)
        low = math.floor(place)
        high = min(low + 1, len(known) - 1)
        return known[low] + (place - low) * (known[high] - known[low])

    threshold = min(quantile(0.75) + 1.5 * (quantile(0.75) - quantile(0.25)), known[-1])
    to_all = [[math.dist(row, other) / unit for other in a] for row in b]
    return {
        "mean_distance": unit,
        "train_di": train_di,
        "threshold": threshold,
        "train_lpd": [
            sum(d < threshold * (1 + 1e-12) for d in row) if row else np.nan for row in beside
        ],
        "di": [min(row) for row in to_all],
        "inside": [min(row) <= threshold for row in to_all],
        "lpd": [sum(d <= threshold for d in row) for row in to_all],
    }


FOLDS = {
    "none": None,
    "of numbers": np.arange(40) // 8,
    "of rows, some in none": [range(0, 10), range(10, 25)],
    "of pairs": [(range(20, 40), range(0, 10)), (range(0, 15), range(18, 40))],
}


@pytest.mark.parametrize("folds", FOLDS)
@pytest.mark.parametrize("weights", [np.ones(5), WEIGHTS])
def test_all_are_as_cast_defines_them(train, new, folds, weights):
    parted = None if FOLDS[folds] is None else read_folds(FOLDS[folds], 40)

    def trains_beside(i):
        if parted is None:
            return [j for j in range(40) if j != i]
        return next((fold.train.tolist() for fold in parted if i in fold.test), [])

    expected = naive_applicability(train, new, weights, trains_beside)
    model = applicability_of(Predictors(train, None), parted, weights)
    found = model.measure(new)
    for name in ("mean_distance", "train_di", "threshold", "train_lpd"):
        assert_close(getattr(model, name), expected[name], 1e-9)
    assert_close(found.di, expected["di"], 1e-9)
    assert found.inside.tolist() == expected["inside"]
    assert found.lpd.tolist() == expected["lpd"]
    assert 0 < found.inside.sum() < 30
    assert model.by == ("rows" if parted is None else "folds")


def test_an_outlier_among_the_training_rows_does_not_make_the_area_larger(train):
    far = train.copy()
    far[0] += 100
    model = applicability_of(Predictors(far, None), None, np.ones(5))
    assert model.threshold < model.train_di[0]
    assert not model.as_table()["inside"][0]
    assert model.train_lpd[0] == 0


@pytest.fixture
def model(train):
    return applicability_of(Predictors(train, None), read_folds(np.arange(40) % 5, 40), WEIGHTS)


def test_a_training_row_is_at_exactly_no_distance_from_itself(model, train):
    shifted = applicability_of(Predictors(train + 1e8, None), None, np.ones(5))
    for known, rows in ((model, train), (shifted, train + 1e8)):
        assert known.di(rows).tolist() == [0.0] * 40
        assert (known.lpd(rows) >= 1).all()


def test_a_case_is_inside_exactly_where_a_training_row_is_within_the_threshold(model, new):
    many = np.concatenate([new, np.random.default_rng(3).normal(size=(2000, 5)) * 4 + 7])
    found = model.measure(many)
    np.testing.assert_array_equal(found.inside, found.lpd >= 1)
    np.testing.assert_array_equal(model.inside(many), found.inside)
    np.testing.assert_array_equal(model.di(many), found.di)
    np.testing.assert_array_equal(model.lpd(many), found.lpd)


def test_each_row_has_the_same_bits_whatever_it_stands_among(model, new):
    whole = model.measure(new)
    for row in range(len(new)):
        assert model.di(new[[row]])[0] == whole.di[row]


def test_a_row_that_lacks_a_value_is_of_no_known_dissimilarity(model, new):
    expected = model.measure(new)
    new[3, 1], new[5, 3], new[7, 0] = np.nan, np.nan, np.inf
    found = model.measure(new)
    lacking = [3, 5, 7]
    assert np.flatnonzero(np.isnan(found.di)).tolist() == lacking
    assert np.flatnonzero(np.isnan(found.lpd)).tolist() == lacking
    assert not found.inside[lacking].any()
    rest = np.delete(np.arange(30), lacking)
    np.testing.assert_array_equal(found.di[rest], expected.di[rest])


def test_only_the_ratios_of_weights_matter(model, train, new):
    for factor in (1e-300, 4.0, 1e300):
        folds = read_folds(np.arange(40) % 5, 40)
        other = applicability_of(Predictors(train, None), folds, WEIGHTS * factor)
        assert_close(other.di(new), model.di(new), 1e-12)
        assert_close(other.mean_distance / factor, model.mean_distance, 1e-12)


def test_it_is_made_again_from_its_values(model, new):
    values = model.to_dict()
    values["train"] = np.asfortranarray(values["train"])  # as R has it
    again = FoundationApplicability.from_dict(values)
    np.testing.assert_array_equal(again.di(new), model.di(new))
    np.testing.assert_array_equal(again.lpd(new), model.lpd(new))
    assert repr(again) == repr(model)
    assert again.as_table().equals(model.as_table())


def test_printing_says_what_was_learnt_from(model):
    lines = repr(model).splitlines()
    assert lines[0] == "<edaphos_foundation_applicability>"
    assert "40, each compared with those of other folds" in lines[1]
    assert "5, 4 of them used" in lines[2]
    assert f"{model.threshold:.4g}" in lines[4]
    n_inside = int((model.train_di <= model.threshold).sum())
    assert f"{n_inside} of 40 training rows" in lines[5]
    assert len(model) == 40
