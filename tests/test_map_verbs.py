"""`foundation_smooth()` and `foundation_uncertainty()` of arrays."""

import numpy as np
import pandas as pd
import pytest
import torch

from edaphos_bridge import foundation_smooth, foundation_uncertainty
from edaphos_bridge.errors import InputError
from edaphos_bridge.maps.smoothing import bayesian, majority, most_probable
from edaphos_bridge.maps.uncertainty import MEASURES
from small_fits import quick


@pytest.fixture
def probabilities():
    drawn = np.random.default_rng(1).dirichlet(np.ones(3), size=(9, 8))
    layers = np.moveaxis(drawn, -1, 0).copy()
    layers[:, 2, 3] = np.nan
    return layers


@pytest.fixture
def codes():
    return np.random.default_rng(1).integers(1, 4, size=(9, 8)).astype("uint8")


# --- smoothing -------------------------------------------------------------------------------


def test_the_defaults_are_those_of_sits(probabilities):
    expected = bayesian(probabilities, 9, 0.5, np.full(3, 20.0))
    np.testing.assert_array_equal(foundation_smooth(probabilities), expected)
    np.testing.assert_array_equal(foundation_smooth(torch.from_numpy(probabilities)), expected)


def test_smoothness_may_be_one_for_each_class(probabilities):
    found = foundation_smooth(probabilities, window=3, neigh_fraction=1, smoothness=[1, 20, 30])
    expected = bayesian(probabilities, 3, 1.0, np.array([1.0, 20.0, 30.0]))
    np.testing.assert_array_equal(found, expected)


def test_a_cell_that_lacks_one_class_has_no_data(probabilities):
    probabilities[1, 4, 4] = np.nan
    found = foundation_smooth(probabilities)
    assert np.isnan(found[:, 4, 4]).all()
    assert np.isnan(found[0]).sum() == 2


def test_the_majority_of_codes_keeps_their_type_and_what_is_no_data(codes):
    codes[0, 0], codes[5, 5] = 0, 9
    found = foundation_smooth(codes, "majority", window=3)
    np.testing.assert_array_equal(found, majority(codes, 3, codes != 0))
    assert found.dtype == np.uint8
    other = foundation_smooth(codes, "majority", window=3, nodata=9)
    np.testing.assert_array_equal(other, majority(codes, 3, codes != 9))
    every = foundation_smooth(codes, "majority", window=3, nodata=None)
    np.testing.assert_array_equal(every, majority(codes, 3, np.ones((9, 8), dtype=bool)))


def test_masked_cells_and_nan_among_codes_have_no_data(codes):
    valid = np.random.default_rng(2).random((9, 8)) > 0.3
    expected = majority(codes, 3, valid)
    masked = foundation_smooth(np.ma.masked_array(codes, ~valid), "majority", window=3)
    np.testing.assert_array_equal(np.ma.getmaskarray(masked), ~valid)
    np.testing.assert_array_equal(masked.data[valid], expected[valid])
    with_nan = np.where(valid, codes, np.nan)
    found = foundation_smooth(with_nan, "majority", window=3)
    np.testing.assert_array_equal(found, np.where(valid, expected, np.nan))


def test_the_majority_of_probabilities_is_that_of_the_most_probable_classes(probabilities):
    found = foundation_smooth(probabilities, "majority", window=5)
    classes = most_probable(probabilities)
    np.testing.assert_array_equal(found, majority(classes, 5, classes > 0))
    assert found[2, 3] == 0


@pytest.mark.parametrize(
    ("changes", "argument", "says"),
    [
        ({"method": "gaussian"}, "method", "'bayesian', 'majority'"),
        ({"window": 4}, "window", "must be odd.*found 4"),
        ({"window": 0}, "window", "positive whole number"),
        ({"neigh_fraction": 0}, "neigh_fraction", "greater than 0"),
        ({"neigh_fraction": 1.5}, "neigh_fraction", "between 0 and 1"),
        ({"smoothness": 0}, "smoothness", "greater than 0"),
        ({"smoothness": [1.0, 2.0]}, "smoothness", r"each of the 3 classes; found \[2\]"),
        ({"smoothness": [1.0, 2.0, -1.0]}, "smoothness", "greater than 0; found -1.0"),
        ({"smoothness": "much"}, "smoothness", "finite number"),
        ({"smoothness": [[1.0], [2.0, 3.0]]}, "smoothness", "each of the 3 classes; found 'list'"),
        ({"x": np.ones((9, 8), dtype=int)}, "x", r"\(K, H, W\).*found \[9, 8\]"),
        ({"x": np.ones((1, 9, 8))}, "x", "two classes or more"),
        ({"x": np.full((2, 9, 8), 50.0)}, "x", r"72 of 72 cells have not; found \[50.0, 50.0\]"),
        ({"x": np.full((2, 9, 8), 0.9)}, "x", "sum of 1"),
        ({"x": np.stack([np.full((9, 8), 1.5), np.full((9, 8), -0.5)])}, "x", "from 0 to 1"),
        ({"x": "map.tif"}, "x", "class probabilities"),
        ({"method": "majority", "x": np.ones(4)}, "x", r"codes of classes.*found \[4\]"),
        ({"method": "majority", "x": np.full((4, 4), 1.5)}, "x", "whole numbers.*found 1.5"),
        ({"method": "majority", "nodata": 0.5}, "nodata", "whole number"),
    ],
)
def test_bad_input_of_smoothing_is_refused(probabilities, changes, argument, says):
    with pytest.raises(InputError, match=says) as caught:
        foundation_smooth(**{"x": probabilities, **changes})
    assert caught.value.argument == argument


# --- uncertainty -----------------------------------------------------------------------------


@pytest.mark.parametrize("measure", MEASURES)
def test_maps_have_classes_first_and_tables_last(measure, probabilities):
    found = foundation_uncertainty(probabilities, measure)
    np.testing.assert_array_equal(found, MEASURES[measure](probabilities, 0))
    rows = probabilities.reshape(3, -1).T
    for table in (rows, pd.DataFrame(rows), rows.tolist()):
        np.testing.assert_array_equal(foundation_uncertainty(table, measure), found.ravel())


def test_a_missing_number_of_a_table_is_a_case_without_data():
    table = pd.DataFrame({"dry": [0.5, 1.0, 0.5], "wet": [0.5, 0.0, 0.5]}, dtype="Float64")
    table.loc[2, "wet"] = pd.NA
    np.testing.assert_array_equal(foundation_uncertainty(table), [1.0, 0.0, np.nan])


def test_what_float32_has_lost_is_made_good():
    rows = np.array([[1 + 1e-7, -1e-7], [0.3, 0.7 + 1e-6]], dtype=np.float32)
    for measure in MEASURES:
        found = foundation_uncertainty(rows, measure)
        assert found[0] == 0
        assert 0 < found[1] < 1


def test_it_takes_what_a_classifier_predicts(encoder, x, y):
    probabilities = quick(encoder, x, y).predict_proba(x)
    found = foundation_uncertainty(probabilities)
    assert found.shape == (41,)
    np.testing.assert_array_equal(found, MEASURES["entropy"](np.asarray(probabilities), 1))


@pytest.mark.parametrize(
    ("changes", "argument", "says"),
    [
        ({"measure": "variance"}, "measure", "'entropy', 'margin', 'least_confidence'"),
        ({"x": np.ones(3)}, "x", r"found \[3\]"),
        ({"x": np.ones((4, 1))}, "x", "two classes or more"),
        ({"x": [[0.4, 0.6], [0.9, 0.9]]}, "x", r"1 of 2 rows have not; found \[0.9, 0.9\]"),
        ({"x": pd.DataFrame({"a": ["x"], "b": ["y"]})}, "x", "numbers in column 'a'"),
    ],
)
def test_bad_input_of_uncertainty_is_refused(probabilities, changes, argument, says):
    with pytest.raises(InputError, match=says) as caught:
        foundation_uncertainty(**{"x": probabilities, **changes})
    assert caught.value.argument == argument


def test_rs_na_is_missing_without_a_warning_of_numpys():
    table = np.array([[0.5, 0.5], [0.5, 0.5]])
    table.view(np.uint64)[1, 0] = 0x7FF00000000007A2  # a signalling NaN
    with np.errstate(all="raise"):
        found = foundation_uncertainty(table)
    np.testing.assert_array_equal(found, [1.0, np.nan])
