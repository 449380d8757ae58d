"""Conversion to float32 with several threads: the bits and the check of one."""

import numpy as np
import pytest
import torch

from edaphos_bridge.float32 import convert

SHAPE = (1001, 9, 16, 16)  # enough cells for threads, in shares of unequal size


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def x():
    return np.asfortranarray(np.random.default_rng(1).normal(size=SHAPE))


def test_an_array_of_r_becomes_what_numpy_makes_of_it(x, threads):
    out = np.full(SHAPE, np.nan, dtype=np.float32)
    assert convert(x, out)
    np.testing.assert_array_equal(out, x.astype(np.float32))


@pytest.mark.parametrize("row", [0, 500, 1000])
@pytest.mark.parametrize("value", [np.nan, np.inf, -1e300])
def test_a_cell_that_is_not_finite_is_found_in_any_share(x, threads, row, value):
    broken = x.copy(order="F")
    broken[row, 8, 15, 3] = value
    assert not convert(broken, np.empty(SHAPE, dtype=np.float32))


def test_sums_that_overflow_are_finite_cells(threads):
    large = np.full(SHAPE, 3e38, order="F")
    assert convert(large, np.empty(SHAPE, dtype=np.float32))
