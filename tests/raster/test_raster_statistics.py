"""Statistics of bands: those of the valid cells, however the raster is cut into blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from closeness import assert_close
from edaphos_bridge.errors import EdaphosWarning, InputError
from edaphos_bridge.raster.sources import open_raster
from edaphos_bridge.raster.statistics import band_statistics


def check(found, array):
    flat = array.reshape(len(array), -1)
    size = np.nanmean(np.abs(flat), axis=1)
    assert_close(found.means, np.nanmean(flat, axis=1), 1e-12, size)
    assert_close(found.sds, np.nanstd(flat, axis=1, ddof=1), 1e-12, 0)
    assert found.complete == np.isfinite(array).all(axis=0).sum()


@given(st.integers(1, 2000), st.integers(0, 2**32), st.floats(0, 0.9))
def test_blocks_of_any_size_give_mean_and_sample_sd_of_the_valid_cells(limit, seed, holes):
    rng = np.random.default_rng(seed)
    array = rng.normal(size=(3, 20, 17)) + np.array([10, 1e4, -7])[:, None, None]
    array[rng.random(array.shape) < holes] = np.nan
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edaphos_bridge.raster.raster._BLOCK_VALUES", limit)
        check(band_statistics(open_raster(array)), array)


@pytest.mark.parametrize("profile", [{}, {"tiled": True, "blockxsize": 16, "blockysize": 16}])
def test_a_file_gives_the_statistics_of_its_valid_cells(write_tif, image, small_blocks, profile):
    image = (image * 100).round()
    integers = np.where(np.isnan(image), -32768, image / 4).astype(np.int16)
    with open_raster(write_tif("one.tif", integers, nodata=-32768, **profile)) as raster:
        check(band_statistics(raster), np.where(np.isnan(image), np.nan, integers))


def test_a_small_spread_around_a_large_mean_is_kept(small_blocks):
    small = np.random.default_rng(1).integers(0, 4, size=(1, 40, 40)).astype(float)
    found = band_statistics(open_raster(small + 1e12))
    assert_close(found.sds[0], small.std(ddof=1), 1e-12, 0)
    assert_close(found.means[0] - 1e12, small.mean(), 1e-3)


def test_a_band_without_valid_cell_is_an_error_that_names_it(write_tif, image):
    image[1] = np.nan
    path = write_tif("one.tif", image, names=("red", "nir", "swir"))
    with open_raster(path) as raster, pytest.raises(InputError, match="`x` must") as caught:
        band_statistics(raster, argument="x")
    assert caught.value.found == "none in nir"


def test_a_constant_band_and_a_single_valid_cell_have_sd_1_with_a_warning(small_blocks):
    array = np.random.default_rng(1).normal(size=(3, 30, 30))
    array[0] = 0.1  # sums of it are not exact
    array[2] = np.nan
    array[2, 29, 29] = 7
    with pytest.warns(EdaphosWarning, match="band_1, band_3 all have one value") as caught:
        found = band_statistics(open_raster(array))
    assert len(caught) == 1
    assert (found.sds[0], found.sds[2]) == (1, 1)
    assert (found.means[0], found.means[2]) == (0.1, 7)
    assert_close(found.sds[1], array[1].std(ddof=1), 1e-12)


def test_values_too_large_to_be_squared_are_an_error_that_names_the_band():
    array = np.random.default_rng(1).normal(size=(2, 5, 5))
    array[1, 2, 2] = -1.7e308  # a nodata value that the file does not declare
    with pytest.raises(InputError, match="Declare the value that stands for nodata") as caught:
        band_statistics(open_raster(array))
    assert caught.value.found == "some in band_2"


@given(st.integers(1, 9), st.integers(1, 500), st.integers(0, 2**32))
def test_centres_are_counted_where_all_bands_are_valid_and_the_patch_fits(size, limit, seed):
    rng = np.random.default_rng(seed)
    array = rng.normal(size=(2, 13, 11))
    array[rng.random(array.shape) < 0.2] = np.nan
    naive = sum(
        bool(np.isfinite(array[:, row, col]).all())
        for row in range(13)
        for col in range(11)
        if row - size // 2 >= 0 and row - size // 2 + size <= 13
        if col - size // 2 >= 0 and col - size // 2 + size <= 11
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edaphos_bridge.raster.raster._BLOCK_VALUES", limit)
        found = band_statistics(open_raster(array), size)
    assert found.centres.total == naive
