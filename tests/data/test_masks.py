"""Masks: the class of each cell, in whatever a user has them, and those that have none."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from edaphos_bridge.data.masks import UNLABELLED, as_masks
from edaphos_bridge.errors import InputError

CODES = np.array([[[0, 1, 2], [2, 0, 0]], [[1, 1, 1], [0, 2, 1]]])
NAMES = np.array(["wood", "crop", "water"])  # the codes of sorted names are 2, 0, 1
HOLED = CODES.copy()
HOLED[0, 1, 2] = HOLED[1, 0, 0] = UNLABELLED


def objects(values, missing):
    out = values.astype(object)
    out[HOLED == UNLABELLED] = missing
    return out


@pytest.mark.parametrize(
    "masks",
    [
        CODES,
        CODES.astype(np.uint8),
        CODES.astype(np.float32),
        CODES.tolist(),
        torch.from_numpy(CODES),
        [torch.from_numpy(tile) for tile in CODES],
        CODES[:, None],
        CODES.astype(object),
    ],
)
def test_whole_numbers_are_classes_in_their_order(masks):
    found = as_masks(masks)
    assert found.codes.dtype == torch.int16
    assert found.codes.tolist() == CODES.tolist()
    assert found.classes == [0, 1, 2]
    assert len(found) == 2
    assert found.counts() == [4, 5, 3]


def test_whole_numbers_need_not_begin_at_0():
    found = as_masks(CODES * 10 - 10)
    assert found.codes.tolist() == CODES.tolist()
    assert found.classes == [-10, 0, 10]
    assert all(type(label) is int for label in found.classes)


@pytest.mark.parametrize(
    "masks", [NAMES[CODES], NAMES[CODES].tolist(), NAMES[CODES].astype(object)]
)
def test_text_is_sorted(masks):
    found = as_masks(masks)
    assert found.classes == ["crop", "water", "wood"]
    assert found.codes.tolist() == np.array([2, 0, 1])[CODES].tolist()


def test_bool_has_both_classes_even_where_one_does_not_occur():
    found = as_masks(CODES > 0)
    assert (found.classes, found.codes.tolist()) == (
        [False, True],
        (CODES > 0).astype(int).tolist(),
    )
    assert as_masks(np.ones((2, 3, 3), dtype=bool)).classes == [False, True]


@pytest.mark.parametrize("names", [["False", "True"], ["FALSE", "TRUE"]])
def test_truth_values_are_those_of_text_in_either_language(names):
    wanted = (CODES > 0).astype(int).tolist()
    text = np.array(names)[(CODES > 0).astype(int)]
    assert as_masks(text, classes=[False, True]).codes.tolist() == wanted
    assert as_masks(CODES > 0, classes=names).codes.tolist() == wanted
    both = as_masks(np.where(CODES > 0, "TRUE", "True"), classes=["True", "TRUE"])
    assert both.codes.tolist() == wanted


@pytest.mark.parametrize(
    ("masks", "arguments"),
    [
        (np.where(HOLED < 0, np.nan, HOLED), {}),
        (np.ma.masked_array(CODES, HOLED < 0), {}),
        ([np.ma.masked_array(*parts) for parts in zip(CODES, HOLED < 0, strict=True)], {}),
        (objects(CODES, None), {}),
        (objects(CODES, math.nan), {}),
        (objects(CODES, pd.NA), {}),
        (objects(CODES, None).tolist(), {}),
        (HOLED, {"unlabelled": -1}),
        (np.where(HOLED < 0, 255, HOLED).astype(np.uint8), {"unlabelled": 255}),
        (np.where(HOLED < 0, -9999.0, HOLED), {"unlabelled": -9999}),
    ],
)
def test_cells_without_a_class_are_unlabelled(masks, arguments):
    found = as_masks(masks, **arguments)
    assert found.codes.tolist() == HOLED.tolist()
    assert found.classes == [0, 1, 2]
    assert found.counts() == [3, 4, 3]


@pytest.mark.parametrize("missing", [None, math.nan, pd.NA, "", "unknown"])
def test_text_too_may_be_missing(missing):
    for masks in (objects(NAMES[CODES], missing), objects(NAMES[CODES], missing).tolist()):
        found = as_masks(masks, unlabelled=missing if isinstance(missing, str) else None)
        assert found.classes == ["crop", "water", "wood"]
        assert found.codes.tolist() == np.array([2, 0, 1, UNLABELLED])[HOLED].tolist()


def test_a_value_that_is_masked_everywhere_is_no_class():
    found = as_masks(np.ma.masked_equal(np.where(HOLED < 0, 9.5, HOLED), 9.5))
    assert (found.classes, found.codes.tolist()) == ([0, 1, 2], HOLED.tolist())


def test_classes_that_are_given_have_their_order_even_where_they_do_not_occur():
    order = ["water", "rock", "wood", "crop"]
    found = as_masks(NAMES[CODES], classes=order)
    assert found.classes == order
    assert found.codes.tolist() == np.array([2, 3, 0])[CODES].tolist()
    assert found.counts() == [3, 0, 4, 5]
    assert as_masks(CODES, classes=(2, 1, 0)).codes.tolist() == (2 - CODES).tolist()


def test_names_are_those_of_the_codes_of_whole_numbers():
    found = as_masks(HOLED, classes=["wood", "crop", "water"], unlabelled=-1)
    assert found.classes == ["wood", "crop", "water"]
    assert found.codes.tolist() == HOLED.tolist()


def test_numbers_as_text_are_no_names_of_codes():
    found = as_masks(CODES + 1, classes=["1", "2", "3"])  # as the levels of R's factor(1:3)
    assert (found.classes, found.codes.tolist()) == (["1", "2", "3"], CODES.tolist())


def test_one_class_that_occurs_is_enough_where_the_others_are_given():
    found = as_masks(np.zeros((1, 2, 2), dtype=int), classes=["land", "water"])
    assert (found.codes.sum(), found.counts()) == (0, [4, 0])


def test_what_is_given_is_not_written_to():
    masks = np.where(HOLED < 0, np.nan, HOLED)
    before = masks.copy()
    codes = as_masks(masks, unlabelled=2).codes
    codes += 1
    assert np.array_equal(masks, before, equal_nan=True)


@pytest.mark.parametrize(
    ("masks", "arguments", "says"),
    [
        (None, {}, "must be an array .N, H, W.*found 'NoneType'"),
        ("water", {}, "found 'str'"),
        (3, {}, "found 'int'"),
        ({"a": CODES}, {}, "found 'dict'"),
        (CODES[0], {}, r"found \[2, 3\]"),
        (np.stack([CODES, CODES], axis=1), {}, r"found \[2, 2, 2, 3\]"),
        ([[[0, 1], [1]]], {}, "found 'list'"),
        (CODES.astype(complex), {}, "found dtype"),
        (CODES.astype("datetime64[D]"), {}, "found dtype"),
        (objects(CODES, "water"), {}, "found 'mixed-integer'"),
        (CODES, {"shape": (2, 3, 2)}, r"3 x 2 cells for each of the 2 patches.*\[2, 2, 3\]"),
        (CODES, {"shape": (3, 2, 3)}, "each of the 3 patches"),
        (CODES + 0.5 * (CODES == 2), {}, "some numbers are not whole.*found 2.5"),
        (np.where(CODES == 2, np.inf, CODES), {}, "some numbers are infinite.*found inf"),
        (np.arange(600).reshape(2, 20, 15), {}, "at most 256 classes; found '600 values'"),
        (np.full((2, 3, 3), np.nan), {}, "label no cell. There is nothing to learn"),
        (np.full((2, 3, 3), None), {}, "label no cell"),
        (np.full((2, 3, 3), 7), {"unlabelled": 7}, "label no cell"),
        (np.ma.masked_all((2, 3, 3), dtype=int), {}, "label no cell"),
        (np.zeros((0, 3, 3), dtype=int), {}, "label no cell"),
        (np.full((2, 3, 3), 7), {}, r"at least two classes; found \[7\]. Give `classes`"),
        (np.full((2, 3, 3), "a\0b"), {}, "valid text"),
        (
            CODES,
            {"classes": [0, 1]},
            r"classes among 0, 1 \(first: 0, 1; counted from 0\); found 2",
        ),
        (HOLED, {"classes": ["a", "b", "c"]}, "classes among 0, 1, 2 .*found -1. Cells whose"),
        (NAMES[CODES], {"classes": ["crop", "wood"]}, "found 'water'"),
        (CODES > 0, {"classes": ["land", "water"]}, "among land, water .*found False"),
    ],
)
def test_anything_else_is_no_mask(masks, arguments, says):
    with pytest.raises(InputError, match=says) as caught:
        as_masks(masks, **arguments)
    assert caught.value.argument == "masks"


@pytest.mark.parametrize(
    "classes", ["ab", 3, [], ["a"], ["a", "a"], ["a", 1], [0.5, 1.5], [None, "a"], [[1], [2]]]
)
def test_classes_are_at_least_two_different_names(classes):
    with pytest.raises(InputError, match="at least two different names") as caught:
        as_masks(CODES, classes=classes)
    assert caught.value.argument == "classes"


@pytest.mark.parametrize(
    ("masks", "value", "says"),
    [
        (CODES, "255", "must be a number, as the values of `masks` are; found '255'"),
        (CODES, True, "must be a number"),
        (CODES, [0, 1], "must be a number"),
        (NAMES[CODES], 0, "must be text"),
        (CODES > 0, 0, "must be True or False"),
    ],
)
def test_a_value_that_no_cell_can_have_stands_for_nothing(masks, value, says):
    with pytest.raises(InputError, match=says) as caught:
        as_masks(masks, unlabelled=value)
    assert caught.value.argument == "unlabelled"


def test_a_value_that_does_not_occur_leaves_nothing_out():
    for value in (99, math.nan, np.uint8(255), 0.5):
        assert as_masks(CODES, unlabelled=value).codes.tolist() == CODES.tolist()
