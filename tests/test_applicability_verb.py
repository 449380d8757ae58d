"""`foundation_applicability()`: what it takes, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from edaphos_bridge import foundation_applicability, foundation_embed
from edaphos_bridge.errors import InputError, NoteWarning
from small_fits import quick


@pytest.fixture
def train():
    return np.random.default_rng(1).normal(size=(20, 3))


@pytest.fixture
def new():
    return np.random.default_rng(2).normal(size=(50, 3)) * 2


def test_of_patches_the_predictors_are_the_encoders_features(encoder, x, y):
    known = foundation_applicability(x, encoder, folds=np.arange(41) % 4)
    features = foundation_embed(encoder, x)
    of_features = foundation_applicability(features, folds=np.arange(41) % 4)
    assert known.threshold == of_features.threshold
    assert known.di(features).tolist() == [0.0] * 41
    of_fit = foundation_applicability(x, quick(encoder, x, y), folds=np.arange(41) % 4)
    assert of_fit.threshold == known.threshold


@pytest.mark.parametrize(
    "kind", [np.ndarray.tolist, torch.from_numpy, pd.DataFrame, np.asfortranarray]
)
def test_a_table_of_any_kind_is_read(train, new, kind):
    expected = foundation_applicability(train)
    found = foundation_applicability(kind(train))
    assert found.threshold == expected.threshold
    np.testing.assert_array_equal(found.di(kind(new)), expected.di(new))


def test_columns_with_names_are_found_by_them(train, new):
    known = foundation_applicability(pd.DataFrame(train, columns=["B2", "B3", "NDVI"]))
    assert known.names == ["B2", "B3", "NDVI"]
    table = pd.DataFrame({"NDVI": new[:, 2], "slope": 1.0, "B2": new[:, 0], "B3": new[:, 1]})
    np.testing.assert_array_equal(known.di(table), known.di(new))
    with pytest.raises(InputError, match="`x` must have the column 'B3'"):
        known.di(table.drop(columns="B3"))


def test_weights_with_names_are_those_of_the_columns(train):
    table = pd.DataFrame(train, columns=["B2", "B3", "NDVI"])
    weights = pd.Series({"NDVI": 3.0, "B2": 1.0, "B3": 0.5, "slope": 9.0})
    known = foundation_applicability(table, weights=weights)
    assert known.threshold == foundation_applicability(train, weights=[1, 0.5, 3]).threshold
    for wrong in (weights.drop("B3"), pd.concat([weights, weights[:1]])):
        with pytest.raises(InputError, match="`weights` must have one number for each column"):
            foundation_applicability(table, weights=wrong)


def test_missing_values_of_new_cases_have_no_index_and_masked_ones_are_missing(train, new):
    known = foundation_applicability(train)
    masked = np.ma.masked_array(new, np.zeros(new.shape, dtype=bool))
    masked[2, 1] = np.ma.masked
    table = pd.DataFrame(new, dtype="Float64")
    table.iloc[2, 1] = pd.NA
    for rows in (masked, table):
        assert np.flatnonzero(np.isnan(known.di(rows))).tolist() == [2]


def test_columns_with_one_value_are_left_out_and_said_so(train, new):
    alike = np.column_stack([train, np.full(20, 0.1), np.full(20, 3)])
    with pytest.warns(NoteWarning, match="2 of 5 columns have one value only"):
        known = foundation_applicability(alike)
    other = np.column_stack([new, new[:, :2]])
    np.testing.assert_array_equal(known.di(other), foundation_applicability(train).di(new))
    assert "5, 3 of them used" in repr(known)
    with pytest.warns(NoteWarning):
        foundation_applicability(alike, weights=np.ones(5))
    foundation_applicability(alike, weights=[1, 1, 1, 0, 0])  # nothing to say


def test_without_folds_each_row_is_compared_with_all_others(train):
    singly = foundation_applicability(train, folds=np.arange(20))
    known = foundation_applicability(train)
    np.testing.assert_array_equal(known.train_di, singly.train_di)
    assert (known.by, singly.by) == ("rows", "folds")


@pytest.mark.parametrize(
    ("changes", "argument", "says"),
    [
        ({"x": np.zeros(4)}, "x", r"table of numbers \(N, D\).*found \[4\]"),
        ({"x": np.zeros((3, 4, 5, 5))}, "x", r"foundation_embed\(\) makes a row"),
        ({"x": np.zeros((3, 0))}, "x", "found"),
        ({"x": [["a", "b"]]}, "x", "table of numbers"),
        ({"x": pd.DataFrame({"soil": ["a", "b"]})}, "x", "numbers in column 'soil'"),
        ({"x": pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"])}, "x", "one name for each"),
        ({"x": [[1.0, 2.0]]}, "x", "two rows or more; found 1"),
        ({"x": [[1.0, 2.0], [np.nan, 2.0]]}, "x", r"missing.*in 1 of 2 rows \(first: 1;"),
        ({"x": [[1.0, 2.0], [1.0, 2.0]]}, "x", "one value only in each column"),
        ({"folds": [0] * 20}, "folds", "at least two folds"),
        ({"folds": [0, 1]}, "folds", "one whole number for each"),
        ({"folds": [range(5), range(4, 9)]}, "folds", r"once at most.*\(first: 4;"),
        ({"weights": [1, 1]}, "weights", "each of the 3 columns; found 2"),
        ({"weights": [1, 1, -1]}, "weights", "0 or more; found -1.0"),
        ({"weights": [1, 1, np.nan]}, "weights", "finite"),
        ({"weights": [0, 0, 0]}, "weights", "above 0 for a column that varies"),
        ({"weights": np.ones((3, 1))}, "weights", r"a number for each column; found \[3, 1\]"),
        ({"object": "moco"}, "x", "four dimensions"),
        ({"x": np.zeros((20, 4, 5, 5)), "object": "moco"}, "object", "torch.nn.Module"),
    ],
)
def test_bad_input_is_refused(train, changes, argument, says):
    with pytest.raises(InputError, match=says) as caught:
        foundation_applicability(**{"x": train, **changes})
    assert caught.value.argument == argument


def test_folds_and_weights_are_read_before_the_encoder_runs(x):
    class Untouched(nn.Module):
        def forward(self, x):
            raise AssertionError("the encoder ran")

    for changes in ({"folds": [1, 2]}, {"folds": [[1], [1, 2]]}, {"weights": [-1.0]}):
        with pytest.raises(InputError) as caught:
            foundation_applicability(x, Untouched(), **changes)
        assert caught.value.argument in changes


def test_new_cases_with_other_columns_are_refused(train):
    known = foundation_applicability(train)
    for of in (known.di, known.inside, known.lpd, known.measure):
        with pytest.raises(InputError, match=r"`x` must have 3 columns.*; found 2"):
            of(np.zeros((4, 2)))
        with pytest.raises(InputError, match=r"foundation_embed\(\)"):
            of(np.zeros((4, 3, 5, 5)))


def test_columns_of_other_names_are_left_out_whatever_they_hold(train, new):
    known = foundation_applicability(pd.DataFrame(train, columns=["a", "b", "c"]))
    named = pd.DataFrame(new, columns=["a", "b", "c"])
    with_more = named.assign(id=[f"plot {row}" for row in range(len(named))])
    assert np.array_equal(known.di(with_more), known.di(named))
    with pytest.raises(InputError, match="numbers in column 'id'"):
        known.di(with_more.drop(columns="a"))
