"""A file as a raster: its values and where it has none."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from rasterio import Affine

from edaphos_bridge.errors import EdaphosWarning, InputError
from edaphos_bridge.raster.sources import open_raster
from raster_cells import DTYPES, whole


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_file_of_any_real_dtype_gives_its_values_in_float64(write_tif, dtype):
    array = np.arange(4 * 6 * 5).reshape(4, 6, 5).astype(dtype)
    assert np.array_equal(whole(write_tif("one.tif", array)), array.astype(np.float64))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_nodata_value_is_no_data(write_tif, dtype):
    array = np.arange(2 * 6 * 5).reshape(2, 6, 5).astype(dtype)
    expected = np.where(array == 7, np.nan, array.astype(np.float64))
    assert np.array_equal(whole(write_tif("one.tif", array, nodata=7)), expected, equal_nan=True)


def test_nan_and_infinity_are_no_data_with_and_without_a_nodata_value(write_tif):
    array = np.arange(30, dtype=np.float32).reshape(1, 5, 6)
    array[0, 0, :3] = [np.nan, np.inf, -np.inf]
    expected = np.where(np.isfinite(array), array, np.nan)
    for nodata in (None, np.nan, -9999):
        path = write_tif("one.tif", array, nodata=nodata)
        assert np.array_equal(whole(path), expected, equal_nan=True)


def test_a_mask_band_is_no_data_in_every_band(write_tif):
    array = np.arange(2 * 5 * 6, dtype=np.uint8).reshape(2, 5, 6)
    mask = array[0] % 4 > 0
    expected = np.where(mask, array.astype(np.float64), np.nan)
    assert np.array_equal(whole(write_tif("one.tif", array, mask=mask)), expected, equal_nan=True)


def test_scale_and_offset_of_a_band_are_applied_to_its_values_but_not_to_nodata(write_tif):
    array = np.arange(2 * 5 * 6, dtype=np.int16).reshape(2, 5, 6)
    path = write_tif("one.tif", array, nodata=3, scales=(0.1, 1.0), offsets=(-2.0, 0.0))
    expected = array * np.array([0.1, 1.0])[:, None, None] + np.array([-2.0, 0])[:, None, None]
    expected[array == 3] = np.nan
    assert np.array_equal(whole(path), expected, equal_nan=True)


def test_a_nodata_value_too_large_to_scale_is_no_data(write_tif):
    array = np.full((1, 3, 3), -1.7e308)
    array[0, 0, 0] = 2
    path = write_tif("one.tif", array, nodata=-1.7e308, scales=(100.0,), offsets=(0.0,))
    assert np.nansum(whole(path)) == 200
    assert np.isfinite(whole(path)).sum() == 1


def test_tiled_and_compressed_files_give_the_same_cells(write_tif, image):
    image = image.astype(np.float32)
    for profile in (
        {"tiled": True, "blockxsize": 16, "blockysize": 32, "compress": "deflate"},
        {"tiled": False, "blockysize": 5, "compress": "lzw", "interleave": "band"},
        {"tiled": False, "blockysize": 37, "interleave": "pixel"},
    ):
        assert np.array_equal(whole(write_tif("one.tif", image, **profile)), image, equal_nan=True)


def test_a_window_of_a_file_may_reach_beyond_the_raster(write_tif, image):
    with open_raster(write_tif("one.tif", image)) as raster, open_raster(image) as expected:
        for window in ((-3, -2, 9, 8), (33, 48, 9, 9), (5, 5, 7, 7), (-9, 0, 3, 3), (99, 99, 2, 2)):
            for one, other in zip(raster.read(*window), expected.read(*window), strict=True):
                assert np.array_equal(one, other)


def test_a_damaged_file_is_an_error_that_names_it_when_it_is_read(write_tif, image):
    path = write_tif("one.tif", image, compress="deflate", tiled=True, blockxsize=16, blockysize=16)
    data = path.read_bytes()
    path.write_bytes(data[:2000] + bytes(len(data) - 2000))
    with open_raster(path) as raster, pytest.raises(InputError) as caught:
        raster.read(0, 0, 37, 53)
    assert caught.value.found == str(path)


def test_a_file_without_bands_is_an_error(tmp_path):
    path = tmp_path / "none.pix"
    with rasterio.open(
        path,
        "w",
        driver="PCIDSK",
        height=3,
        width=3,
        count=0,
        dtype="uint8",
        transform=Affine(10, 0, 500, 0, -10, 900),
    ):
        pass
    with pytest.raises(InputError, match="`stack` must have bands"):
        open_raster(path)


@pytest.mark.parametrize("dtype", ["complex64", "complex_int16"])
def test_complex_numbers_in_a_file_are_an_error(write_tif, dtype):
    array = np.zeros((1, 3, 3), dtype=np.complex64)
    with pytest.raises(InputError, match="must hold real numbers") as caught:
        open_raster(write_tif("one.tif", array, dtype=dtype))
    assert caught.value.found == dtype


def test_a_band_marked_as_alpha_is_data_and_a_warning_says_so(write_tif):
    array = np.arange(1, 4 * 5 * 6 + 1, dtype=np.uint8).reshape(4, 5, 6)
    array[3, 2, 2] = 0
    path = write_tif("rgba.tif", array, photometric="rgb", alpha="yes")
    with pytest.warns(EdaphosWarning, match="Band 4 of .*rgba.tif is marked as alpha"):
        found = whole(path)
    assert np.array_equal(found, array)


def test_another_thread_may_close_it_and_no_environment_of_gdals_changes(write_tif):
    path = write_tif("one.tif", np.ones((1, 5, 6)))
    described = {"path": "", "bands": [1], "data": path.read_bytes()}
    for stack in (path, {"files": [described]}):
        with ThreadPoolExecutor(2) as pool, rasterio.Env(GDAL_NUM_THREADS="2"):
            before = rasterio.env.getenv()
            opened = [open_raster(stack), *pool.map(open_raster, [stack] * 3)]
            assert all(raster.read(0, 0, 5, 6)[0].sum() == 30 for raster in opened)
            for raster in opened:
                raster.close()
            assert rasterio.env.getenv() == before
        assert not rasterio.env.hasenv()
        with open_raster(stack):
            assert not rasterio.env.hasenv()


def test_bands_of_several_types_are_read_as_numbers(write_tif, tmp_path):
    whole = np.arange(30, dtype=np.uint8).reshape(1, 5, 6)
    real = np.linspace(0, 1, 30, dtype=np.float32).reshape(1, 5, 6)
    paths = write_tif("a.tif", whole, nodata=7), write_tif("b.tif", real, nodata=-1)
    bands = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{band}"><NoDataValue>{nodata}</NoDataValue>'
        f"<SimpleSource><SourceFilename>{path}</SourceFilename><SourceBand>1</SourceBand>"
        f"</SimpleSource></VRTRasterBand>"
        for band, (kind, nodata, path) in enumerate(
            (("Byte", 7, paths[0]), ("Float32", -1, paths[1])), start=1
        )
    )
    both = tmp_path / "both.vrt"
    both.write_text(f'<VRTDataset rasterXSize="6" rasterYSize="5">{bands}</VRTDataset>')
    with open_raster(both) as raster:
        values, valid = raster.read(0, 0, 5, 6)
    assert np.array_equal(values[0][valid[0]], whole[0][whole[0] != 7])
    assert np.array_equal(values[1], real[0].astype(np.float64))
    assert valid.sum() == 59
