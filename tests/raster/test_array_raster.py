"""An array or a tensor as a raster: its cells, which are left where they are."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edaphos_bridge.raster.sources import open_raster
from raster_cells import whole


@pytest.mark.parametrize("dtype", ["?", "u1", ">i2", "i8", "f2", ">f4", "f8", "g"])
def test_an_array_of_any_real_dtype_is_a_raster(dtype):
    array = np.arange(2 * 3 * 4).reshape(2, 3, 4).astype(dtype)
    assert np.array_equal(whole(array), array.astype(np.float64))
    with open_raster(array) as raster:
        assert raster.bands == ["band_1", "band_2"]
        assert (raster.height, raster.width) == (3, 4)
        assert raster.transform == (1, 0, 0, 0, 1, 0)


def test_nan_infinite_and_masked_cells_of_an_array_are_no_data_and_the_array_is_left_alone():
    array = np.ma.masked_array(np.arange(24.0).reshape(2, 3, 4), mask=False)
    array[0, 0, 0] = np.ma.masked
    array[0, 0, 1], array[0, 0, 2] = np.nan, np.inf
    data, mask = array.data.tobytes(), array.mask.tobytes()
    array.data.flags.writeable = False
    expected = np.arange(24.0).reshape(2, 3, 4)
    expected[0, 0, :3] = np.nan
    assert np.array_equal(whole(array), expected, equal_nan=True)
    assert (array.data.tobytes(), array.mask.tobytes()) == (data, mask)


def test_an_array_is_not_copied_when_it_is_opened():
    array = np.zeros((1, 3, 4))
    raster = open_raster(array)
    array[0, 1, 1] = 5
    assert raster.read(1, 1, 1, 1)[0] == 5


@pytest.mark.parametrize("dtype", [torch.float64, torch.int16, torch.bfloat16])
def test_a_tensor_is_a_raster(dtype):
    x = torch.arange(24).reshape(2, 3, 4).to(dtype)
    assert np.array_equal(whole(x), np.arange(24.0).reshape(2, 3, 4))


@given(st.integers(-9, 12), st.integers(-9, 12), st.integers(1, 14), st.integers(1, 14))
def test_a_window_may_reach_beyond_the_raster_where_there_are_no_data(row, col, height, width):
    array = np.random.default_rng(1).normal(size=(2, 6, 7))
    padded = np.pad(array, ((0, 0), (30, 30), (30, 30)), constant_values=np.nan)
    expected = padded[:, row + 30 : row + 30 + height, col + 30 : col + 30 + width]
    values, valid = open_raster(array).read(row, col, height, width)
    assert np.array_equal(valid, ~np.isnan(expected))
    assert np.array_equal(np.where(valid, values, np.nan), expected, equal_nan=True)
    assert (values[~valid] == 0).all()


def test_an_array_is_not_described():
    assert open_raster(np.zeros((1, 2, 2))).describe() is None
