"""The bound that all tests share."""

import re

import numpy as np
import pandas as pd
import pytest
import torch

from closeness import assert_close, size_of


def refused(*arguments, says="cells are not within"):
    with pytest.raises(AssertionError, match=re.escape(says)):
        assert_close(*arguments)


def test_the_bound_is_relative_to_what_is_expected_and_absolute_below_1():
    assert_close(1000.0009, 1000, 1e-6)
    refused(1000.0011, 1000, 1e-6)
    assert_close(1e-9 + 0.9e-6, 1e-9, 1e-6)
    refused(1e-9 + 1.1e-6, 1e-9, 1e-6)


def test_size_is_that_of_the_terms_of_a_sum_or_0_for_strictly_relative():
    sums = torch.tensor([43.0, 1e-3])
    assert_close(sums + torch.tensor([0.0, 4e-5]), sums, 1e-6, size_of(sums))
    refused(sums + torch.tensor([0.0, 5e-5]), sums, 1e-6, size_of(sums))
    refused(1.1e-9, 1e-9, 1e-6, 0)
    assert_close([0.0, 1.05e-9], [0.0, 1e-9], 0.1, 0)
    assert_close([[1.2, 10.9]], [[1, 10]], 0.1, [[2, 10]])


def test_the_worst_cell_is_named():
    expected = np.ones((2, 3))
    found = expected.copy()
    found[0, 1], found[1, 2] = 1.1, 1.5
    refused(found, expected, 1e-3, says="2 of 6 cells are not within 0.001; the worst at (1, 2)")


@pytest.mark.parametrize("as_kind", [list, np.array, torch.tensor, pd.Series])
def test_numbers_come_in_any_container(as_kind):
    assert_close(as_kind([1.0, 2.0]), [1.0, 2.0 + 1e-9], 1e-8)
    refused(as_kind([1.0, 2.0]), [1.0, 2.0 + 1e-7], 1e-8)


def test_mappings_are_compared_by_name():
    assert_close({"a": 1.0}, {"a": torch.tensor(1.0)}, 1e-6)
    refused({"a": 1.0}, {"b": 1.0}, 1e-6, says="['a'], not ['b']")
    refused({"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 2.1}, 1e-6, says="b: 1 of 1")


def test_shapes_and_the_types_of_tensors_are_equal():
    refused([1.0], 1.0, 1e-6, says="shape (1,), not ()")
    refused(torch.ones(1), torch.ones(1).double(), 1e-6, says="torch.float32, not torch.float64")


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_stand_in_the_same_cells(odd):
    assert_close([odd, 1.0], [odd, 1.0], 1e-6)
    refused([odd, 1.0], [1.0, 1.0], 1e-6)
    refused([1.0, 1.0], [odd, 1.0], 1e-6)


def test_there_may_be_no_cells():
    assert_close(np.empty((0, 3)), torch.empty(0, 3), 0)
