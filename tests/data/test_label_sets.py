"""Several labels a patch: every form that a user has them in, and what they must not be."""

import numpy as np
import pandas as pd
import pytest
import torch

from edaphos_bridge.data.label_sets import as_label_sets
from edaphos_bridge.errors import InputError

TABLE = [[True, False], [True, True], [False, False]]
LISTS = [["crop"], ["water", "crop"], []]


@pytest.mark.parametrize(
    "y",
    [
        TABLE,
        np.array(TABLE),
        np.array(TABLE, dtype=int),
        np.asfortranarray(TABLE, dtype=float),
        torch.tensor(TABLE),
        torch.tensor(TABLE).float(),
        [[1, 0], [1, 1], [0, 0]],
    ],
)
def test_a_table_has_a_label_in_each_column(y):
    sets = as_label_sets(y)
    assert sets.labels == ["label1", "label2"]
    assert sets.held.dtype == bool
    assert sets.held.tolist() == TABLE


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(TABLE, columns=["water", "crop"]),
        pd.DataFrame(TABLE, columns=["water", "crop"]).astype(int),
        pd.DataFrame(TABLE, columns=["water", "crop"]).astype({"crop": "boolean"}),
    ],
)
def test_columns_of_a_data_frame_name_the_labels_in_their_order(frame):
    sets = as_label_sets(frame)
    assert sets.labels == ["water", "crop"]
    assert sets.held.tolist() == TABLE


@pytest.mark.parametrize(
    "y",
    [
        LISTS,
        tuple(LISTS),
        [set(row) for row in LISTS],
        pd.Series(LISTS),
        [np.array(row, dtype=str) for row in LISTS],
        [[*row, *row] for row in LISTS],
    ],
)
def test_lists_of_names_are_sorted_labels(y):
    sets = as_label_sets(y)
    assert sets.labels == ["crop", "water"]
    assert sets.held.tolist() == [[True, False], [True, True], [False, False]]


def test_one_label_is_a_label():
    assert as_label_sets([["crop"], []]).held.tolist() == [[True], [False]]


@pytest.mark.parametrize(
    "y",
    [
        np.array([[1, np.nan], [0, 1], [np.nan, 0]]),
        pd.DataFrame({"a": [True, False, None], "b": [None, True, True]}).astype("boolean"),
        np.ma.masked_array([[1, 0]] * 3, mask=[[0, 1], [0, 0], [1, 0]]),
    ],
)
def test_missing_cells_are_an_error_that_names_the_rows(y):
    with pytest.raises(InputError) as caught:
        as_label_sets(y)
    assert "`y` holds missing values in 2 of 3 rows (first: 0, 2;" in str(caught.value)


def test_other_numbers_are_an_error_that_names_the_rows():
    with pytest.raises(InputError) as caught:
        as_label_sets([[1, 0], [0.5, 1], [0, 2]])
    for text in ("must hold 0 and 1 only; 2 of 3 rows", "(first: 1, 2;", "found 0.5"):
        assert text in str(caught.value)


@pytest.mark.parametrize(
    ("y", "found"),
    [
        (None, "'NoneType'"),
        ("crop", "'str'"),
        (1, "'int'"),
        ({"crop": [True]}, "'dict'"),
        ([True, False], "[2]"),
        (np.zeros((2, 0)), "[2, 0]"),
        (np.zeros((2, 2, 2)), "[2, 2, 2]"),
        (["crop", "water"], "dtype('<U5')"),
        ([[], []], "[2, 0]"),
        ([["crop"], [1]], ""),
        ([["crop"], None], "'list'"),
        (pd.DataFrame({"crop": [True], "soil": ["a"]}), f"'{pd.Series(['a']).dtype}'"),
    ],
)
def test_anything_else_is_an_error_that_says_what_was_found(y, found):
    with pytest.raises(InputError) as caught:
        as_label_sets(y)
    assert caught.value.argument == "y"
    assert "must be a table (N, L) of true and false" in str(caught.value)
    assert found in str(caught.value)


def test_two_labels_of_one_name_are_an_error():
    with pytest.raises(InputError, match=r"one name for each label; found \['crop'\]"):
        as_label_sets(pd.DataFrame(TABLE, columns=["crop", "crop"]))
