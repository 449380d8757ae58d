"""Labels: codes and an ordered list of classes, the order of the factor's levels."""

from decimal import Decimal

import dask.array
import numpy as np
import pandas as pd
import pytest
import torch
import xarray
from hypothesis import given
from hypothesis import strategies as st

from edaphos_bridge.data.labels import as_labels, codes_and_classes, codes_where_known
from edaphos_bridge.errors import EdaphosWarning, InputError


def test_the_order_of_categories_is_kept_and_unused_ones_are_dropped():
    y = pd.Categorical(
        ["wet", "dry", "wet"], categories=["wet", "unused", "moist", "dry"], ordered=True
    )
    labels = as_labels(y)
    assert labels.classes == ["wet", "dry"]
    assert labels.codes.tolist() == [0, 1, 0]
    assert labels.codes.dtype == torch.int64
    assert len(labels) == 3


def test_counts_follow_the_order_of_the_classes():
    y = pd.Categorical(["wet", "dry", "wet", "wet"], categories=["unused", "wet", "dry"])
    assert as_labels(y).counts() == [3, 1]


STRINGS = ["b", "a", "c", "a"]
MASKED = np.ma.masked_array([2, 1, 2], mask=[False, False, False])


@pytest.mark.parametrize(
    ("y", "classes", "codes"),
    [
        (STRINGS, ["a", "b", "c"], [1, 0, 2, 0]),
        (tuple(STRINGS), ["a", "b", "c"], [1, 0, 2, 0]),
        (np.array(STRINGS), ["a", "b", "c"], [1, 0, 2, 0]),
        (np.array(STRINGS, dtype=object), ["a", "b", "c"], [1, 0, 2, 0]),
        (pd.Series(STRINGS, index=[9, 9, 3, 1]), ["a", "b", "c"], [1, 0, 2, 0]),
        (pd.Series(STRINGS, dtype="string"), ["a", "b", "c"], [1, 0, 2, 0]),
        (pd.Index(STRINGS), ["a", "b", "c"], [1, 0, 2, 0]),
        (pd.Series(STRINGS, dtype="category"), ["a", "b", "c"], [1, 0, 2, 0]),
        ((label for label in STRINGS), ["a", "b", "c"], [1, 0, 2, 0]),
        ([10, 2, 10], [2, 10], [1, 0, 1]),
        (np.array([10, 2, -1], dtype=">i2"), [-1, 2, 10], [2, 1, 0]),
        (pd.Series([10, 2, 10], dtype="Int64"), [2, 10], [1, 0, 1]),
        (torch.tensor([10, 2, 10]), [2, 10], [1, 0, 1]),
        (torch.tensor([10, 2, 10], dtype=torch.uint16), [2, 10], [1, 0, 1]),
        (MASKED, [1, 2], [1, 0, 1]),
        (dask.array.from_array([10, 2, 10]), [2, 10], [1, 0, 1]),
        (xarray.DataArray([10, 2, 10], dims="row"), [2, 10], [1, 0, 1]),
        ([2**62, 1], [1, 2**62], [1, 0]),
        ([True, False, True], [False, True], [1, 0, 1]),
        (np.array([True, False]), [False, True], [1, 0]),
        (pd.Series([True, False], dtype="boolean"), [False, True], [1, 0]),
        (pd.Categorical([3, 1], categories=[3, 2, 1]), [3, 1], [0, 1]),
        (pd.Categorical([True, False], categories=[True, False]), [True, False], [0, 1]),
        (["NA", "nan", ""], ["", "NA", "nan"], [1, 2, 0]),
        (["Z", "a", "é"], ["Z", "a", "é"], [0, 1, 2]),
    ],
)
def test_labels_of_many_kinds_give_sorted_classes_of_their_own_type(y, classes, codes):
    labels = as_labels(y)
    assert labels.classes == classes
    assert [type(value) for value in labels.classes] == [type(value) for value in classes]
    assert labels.codes.tolist() == codes


@pytest.mark.filterwarnings("ignore:.*nearly every class a single row")
@given(st.lists(st.integers(-5, 5) | st.integers(), min_size=2).filter(lambda y: len(set(y)) > 1))
def test_a_code_is_the_position_of_the_label_in_the_classes(y):
    labels = as_labels(y)
    assert labels.classes == sorted(set(y))
    assert [labels.classes[code] for code in labels.codes.tolist()] == y


@pytest.mark.parametrize(
    "y",
    [
        ["a", None, "b", None],
        ["a", float("nan"), "b", float("nan")],
        np.array(["a", None, "b", np.nan], dtype=object),
        [1, None, 2, pd.NA],
        pd.Series(["a", pd.NA, "b", pd.NA], dtype="string"),
        pd.Series([1, pd.NA, 2, pd.NA], dtype="Int64"),
        pd.Categorical(["a", None, "b", None]),
        pd.Categorical.from_codes([0, -1, 1, -1], categories=["a", "b"]),
        np.ma.masked_array([1, 2, 3, 4], mask=[False, True, False, True]),
        [True, None, False, None],
        ["a", np.ma.masked, "b", np.ma.masked],
        dask.array.ma.masked_array(dask.array.arange(4), mask=[False, True, False, True]),
        xarray.DataArray([1, -9999, 2, -9999], attrs={"_FillValue": -9999}),
        xarray.DataArray([1, -9999, 2, -9999], attrs={"nodata": -9999}).chunk(),
    ],
)
def test_missing_labels_are_an_error_that_counts_them_and_says_where(y):
    with pytest.raises(InputError, match="`y` holds NA in 2 of 4 labels") as caught:
        as_labels(y)
    assert caught.value.rows == (1, 3)


def test_only_missing_labels_are_an_error_about_missing_labels():
    with pytest.raises(InputError, match="holds NA in 3 of 3 labels"):
        as_labels([None, None, None])


@pytest.mark.parametrize(
    "y", [["a", "a"], [1, 1], pd.Categorical(["a"], categories=["a", "b"]), [], np.array([], str)]
)
def test_fewer_than_two_classes_are_an_error(y):
    with pytest.raises(InputError, match="`y` must have at least two classes"):
        as_labels(y)


@pytest.mark.parametrize(
    "y",
    [
        np.array([1.0, 2.0]),
        [b"a", b"b"],
        ["a", 1],
        [True, 1],
        [object(), object()],
        pd.Series(pd.to_datetime(["2020-01-01", "2021-01-01"])),
        pd.Categorical([0.5, 1.5]),
        torch.tensor([1.0, 2.0]),
        [1 + 2j, 3 + 0j],
        [("a", "b"), ("c", "d")],
    ],
)
def test_labels_that_are_no_str_int_or_bool_are_an_error(y):
    with pytest.raises(InputError, match="`y` must be a Categorical or a sequence of str, int"):
        as_labels(y)


@pytest.mark.parametrize(
    "y",
    [
        *(None, "abc", b"abc", 3, 2.5, True, {"a": 1}, object(), len),
        pd.DataFrame({"y": [1, 2]}),
        pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]),
        np.array([("a", 1), ("b", 2)], dtype=[("name", "U1"), ("code", int)]),
    ],
)
def test_something_that_is_no_sequence_of_labels_is_an_error(y):
    with pytest.raises(InputError, match="`y` must be a sequence of labels, one a patch"):
        as_labels(y)


@pytest.mark.parametrize(
    "y",
    [
        np.array([["a", "b"], ["c", "d"]]),
        np.array(["a"])[:, None],
        torch.ones(2, 2, dtype=torch.int64),
        torch.ones(2, 1),
        np.matrix([1, 2]),
        dask.array.ones((2, 1), dtype=int),
        np.ma.masked_array([[1, 2]]),
    ],
)
def test_labels_in_two_dimensions_are_an_error(y):
    with pytest.raises(InputError, match="`y` must be one-dimensional"):
        as_labels(y)


@pytest.mark.parametrize("y", [[["a", "b"], ["c", "d"]], [["a"], ["b"]], np.array(3)])
def test_nested_lists_and_single_values_are_an_error_too(y):
    with pytest.raises(InputError, match="`y` must be"):
        as_labels(y)


def test_the_labels_given_are_not_changed():
    series = pd.Series(pd.Categorical(["b", "a"], categories=["c", "b", "a"]))
    masked = np.ma.masked_array([1, 2], mask=[False, False])
    as_labels(series)
    as_labels(masked)
    assert series.cat.categories.tolist() == ["c", "b", "a"]
    assert masked.tolist() == [1, 2]


def test_missing_labels_are_named_before_the_type_of_the_others():
    with pytest.raises(InputError, match=r"holds NA in 1 of 3 labels \(first: 1"):
        as_labels([1.5, float("nan"), 2.5])


@pytest.mark.parametrize(
    "y",
    [
        [0.25, 1.0, 2.0],
        np.array([0.25, 1, 2], dtype=np.float32),
        torch.tensor([0.25, 1, 2], dtype=torch.bfloat16),
        pd.Series([0.25, 1, 2], dtype="Float64"),
        [0.25, 1, 2],
        [Decimal("0.25"), Decimal(1), Decimal(2)],
        [0.25, float("inf"), -3.0],
    ],
)
def test_measured_numbers_are_no_classes(y):
    with pytest.raises(InputError, match="`y` must hold classes; 1 of 3 numbers are not") as caught:
        as_labels(y)
    assert caught.value.rows == (0,)
    assert caught.value.found == 0.25


def test_a_class_for_nearly_every_row_is_warned_about():
    with pytest.warns(EdaphosWarning, match="`y` has 13 classes in 24 rows"):
        as_labels([min(row, 12) for row in range(24)])


@pytest.mark.parametrize("y", [range(20), [row // 2 for row in range(24)]])
def test_few_rows_or_two_in_each_class_are_no_reason_to_warn(y, recwarn):
    as_labels(y)
    assert not recwarn


@pytest.mark.parametrize("text", ["a\0b", "caf\udce9"])
@pytest.mark.parametrize("kind", [list, np.array, pd.Categorical, pd.Index])
def test_text_that_another_language_would_read_differently_is_no_label(text, kind):
    with pytest.raises(InputError, match="`y` must hold labels of valid text"):
        as_labels(kind([text, "a", "b"]))


def test_an_order_that_means_something_is_kept():
    y = pd.Categorical(["wet", "dry"], categories=["wet", "dry"], ordered=True)
    assert as_labels(y).ordered
    assert as_labels(pd.Series(y)).ordered
    assert not as_labels(pd.Categorical(["wet", "dry"])).ordered


@pytest.mark.parametrize("kind", [torch.Tensor.to_sparse, lambda y: y.to("meta"), torch.complex])
def test_tensors_without_plain_numbers_are_an_error(kind):
    y = torch.tensor([1.0, 2.0])
    bad = torch.complex(y, y) if kind is torch.complex else kind(y)
    with pytest.raises(InputError, match="`y` must be a dense array of real numbers"):
        as_labels(bad)


def test_labels_that_refuse_to_be_read_keep_the_cause():
    class Refuses:
        shape, dtype = (2,), np.dtype(int)

        def __array__(self, dtype=None, copy=None):
            raise KeyError("gone")

    with pytest.raises(InputError, match=r"`y` must be a sequence of labels.*gone") as caught:
        as_labels(Refuses())
    assert isinstance(caught.value.__cause__, KeyError)


def test_numbers_that_were_cut_are_classes_in_their_order():
    labels = as_labels(pd.cut([0.5, 2.5, 1.5, 0.1], [0, 1, 2, 3]))
    assert labels.classes == ["(0, 1]", "(1, 2]", "(2, 3]"]
    assert labels.codes.tolist() == [0, 2, 1, 0]
    assert labels.ordered


# --- labels that may be missing -----------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (["wet", None, "dry", np.nan, "wet"], ["dry", "wet"]),
        ([7, None, 2, None, 7], [2, 7]),
        (np.array([7.0, np.nan, 2.0, np.nan, 7.0]), [2, 7]),
        (pd.Series([7, None, 2, None, 7], dtype="Int64"), [2, 7]),
        (
            pd.Categorical(["wet", None, "dry", None, "wet"], ["dry", "moist", "wet"]),
            ["dry", "wet"],
        ),
        (np.ma.masked_array([7, 0, 2, 0, 7], [0, 1, 0, 1, 0]), [2, 7]),
    ],
)
def test_a_label_that_is_missing_has_the_code_of_none(y, classes):
    codes, found = codes_where_known(y)
    assert codes.tolist() == [1, -1, 0, -1, 1]
    assert found == classes
    assert codes.dtype == np.int64


def test_without_missing_labels_codes_are_as_ever():
    y = ["b", "a", "c", "a"]
    codes, classes = codes_where_known(y)
    assert codes.tolist() == as_labels(y).codes.tolist()
    assert classes == as_labels(y).classes


@pytest.mark.parametrize(
    ("y", "problem"),
    [
        ([0.5, 1.25, np.nan], "not whole"),
        ([1.0, np.inf, np.nan], "must be a Categorical"),
        (np.array([0.0, 1.0]), "must be a Categorical"),
        ([None, None], "at least two classes"),
        (["a", None, "a"], "at least two classes"),
        ("ab", "must be a sequence"),
    ],
)
def test_what_are_no_classes_where_they_are_known_is_refused(y, problem):
    with pytest.raises(InputError, match=problem):
        codes_where_known(y)


@pytest.mark.parametrize("number", [np.inf, -np.inf, 1.5])
def test_numbers_that_are_not_whole_are_no_classes_of_cells(number):
    with pytest.raises(InputError, match="not whole"):
        codes_and_classes([1.0, number, np.nan], "labels")
