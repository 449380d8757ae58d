"""Conversion to float32 with several threads: the bits and the check of one."""

import numpy as np
import pytest
import torch
from torch import nn

from edaphos_bridge.data.float32 import ReusedMemory, convert

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


def test_memory_is_used_again_when_its_tensor_is_gone():
    memory = ReusedMemory()
    tensor = memory.empty((4, 5))
    place = tensor.data_ptr()
    assert tensor.shape == (4, 5)
    assert tensor.dtype == torch.float32
    assert place % 64 == 0
    del tensor
    assert memory.empty((2, 5)).data_ptr() == place


@pytest.mark.parametrize(
    "hold",
    [
        lambda tensor: tensor,
        lambda tensor: tensor[1:, 2],
        lambda tensor: tensor.numpy(),
        lambda tensor: tensor.untyped_storage(),
        lambda tensor: nn.Parameter(tensor),
    ],
)
def test_memory_that_somebody_holds_is_left_alone(hold):
    memory = ReusedMemory()
    tensor = memory.empty((4, 5)).fill_(1)
    place, held = tensor.data_ptr(), hold(tensor)
    del tensor
    others = [memory.empty((4, 5)).fill_(2) for _ in range(5)]
    assert place not in [other.data_ptr() for other in others]
    assert len({other.data_ptr() for other in others}) == 5
    del held


def test_a_larger_tensor_gets_other_memory():
    memory = ReusedMemory()
    memory.empty((2, 5))
    assert memory.empty((4, 5)).fill_(3).sum() == 60
