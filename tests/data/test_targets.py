"""Numbers to be learnt: every form that a user has them in, and what they must not be."""

import datetime

import numpy as np
import pandas as pd
import pytest
import torch

from edaphos_bridge.data.targets import as_targets
from edaphos_bridge.errors import InputError

CLAY = [12.0, 30.5, 44.0]
TABLE = [[12.0, 1.0], [30.5, 2.0], [44.0, 3.0]]


@pytest.mark.parametrize(
    "y",
    [
        CLAY,
        tuple(CLAY),
        np.array(CLAY),
        np.array(CLAY, dtype=">f8"),
        torch.tensor(CLAY),
        pd.Series(CLAY, index=[5, 7, 9]),
        pd.Series(CLAY, dtype="Float64"),
        pd.array(CLAY, dtype="Float32"),
        pd.Index(CLAY),
        np.ma.masked_array(CLAY, mask=False),
    ],
    ids=lambda y: type(y).__name__,
)
def test_one_number_a_patch_has_no_name(y):
    targets = as_targets(y)
    assert targets.names is None
    assert targets.values.dtype == np.float64
    assert targets.values.tolist() == [[value] for value in CLAY]


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (TABLE, ["y1", "y2"]),
        (np.asfortranarray(TABLE), ["y1", "y2"]),
        (torch.tensor(TABLE), ["y1", "y2"]),
        (pd.DataFrame(TABLE, columns=["clay", "zinc"]), ["clay", "zinc"]),
        (pd.DataFrame(TABLE).astype({1: "Int64"}), ["0", "1"]),
    ],
)
def test_a_table_has_a_target_in_each_column(y, names):
    targets = as_targets(y)
    assert targets.names == names
    assert targets.values.tolist() == TABLE


def test_a_table_of_one_column_is_a_table():
    assert as_targets(pd.DataFrame({"clay": CLAY})).names == ["clay"]
    assert as_targets(np.array(CLAY)[:, None]).names == ["y1"]


def test_whole_numbers_are_numbers():
    assert as_targets([1, 2, 2]).values.tolist() == [[1.0], [2.0], [2.0]]


def test_what_is_given_is_not_changed():
    y = np.array(TABLE)
    before = y.tobytes()
    as_targets(y).values[0] = 0
    assert y.tobytes() == before


MISSING = [
    np.array([1, np.nan, 3, np.inf]),
    torch.tensor([1, -torch.inf, 3, torch.nan]),
    pd.Series([1, None, 3, None], dtype="Int64"),
    np.ma.masked_array([1.0, 2.0, 3.0, 4.0], mask=[False, True, False, True]),
    pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [1.0, np.nan, 3.0, -np.inf]}),
]


@pytest.mark.parametrize("y", MISSING, ids=lambda y: type(y).__name__)
def test_missing_and_infinite_targets_are_an_error_that_names_the_rows(y):
    with pytest.raises(InputError) as caught:
        as_targets(y)
    assert "`y` holds missing or infinite values in 2 of 4 rows (first: 1, 3;" in str(caught.value)


@pytest.mark.parametrize(
    ("y", "found"),
    [
        (None, "'NoneType'"),
        (3.5, "'float'"),
        ("clay", "'str'"),
        ({"clay": CLAY}, "'dict'"),
        (["12", "30"], "dtype('<U2')"),
        ([True, False], "dtype('bool')"),
        (pd.Series([True, False]), "'bool'"),
        (pd.Series(["a", "b"], dtype="category"), "'category'"),
        (pd.DataFrame({"clay": CLAY, "soil": ["a", "b", "c"]}), f"'{pd.Series(['a']).dtype}'"),
        (np.array([1j, 2j]), "dtype('complex128')"),
        (np.zeros((3, 2, 1)), "[3, 2, 1]"),
        (np.zeros((3, 0)), "[3, 0]"),
        ([datetime.date(2020, 1, 1)], "dtype('O')"),
        ([[1.0], [1.0, 2.0]], "'list'"),
    ],
)
def test_anything_else_is_an_error_that_says_what_was_found(y, found):
    with pytest.raises(InputError) as caught:
        as_targets(y)
    assert caught.value.argument == "y"
    assert "must be a number for each patch, or a table (N, T)" in str(caught.value)
    assert found in str(caught.value)


def test_two_targets_of_one_name_are_an_error():
    with pytest.raises(InputError, match=r"one name for each column; found \['clay'\]"):
        as_targets(pd.DataFrame(TABLE, columns=["clay", "clay"]))
