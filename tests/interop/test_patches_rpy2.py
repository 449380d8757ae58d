"""Patches that R in this process names but does not hold: files and tile data sets."""

import dask.array
import numpy as np
import pytest
import rasterio
import rpy2.robjects as ro
import torch
import xarray
import zarr

from edaphos_bridge import foundation_encoder, foundation_moco_embed, foundation_tile_dataset
from edaphos_bridge.errors import InputError
from edaphos_bridge.interop.rpy2 import converter, install


@pytest.fixture
def r():
    install()
    ro.r("encoder <- foundation_encoder('moco', in_channels = 3, seed = 1)")
    return ro.r


@pytest.fixture
def encoder():
    return foundation_encoder("moco", in_channels=3, seed=1)


def test_the_path_of_a_file_stands_for_its_patches(r, encoder, tmp_path):
    x = np.random.default_rng(1).normal(size=(20, 3, 5, 5))
    np.save(tmp_path / "x.npy", x)
    ro.globalenv["path"] = str(tmp_path / "x.npy")
    features = np.array(r("foundation_moco_embed(encoder, path)"))
    assert np.array_equal(features, foundation_moco_embed(encoder, x))
    settings = "rep(c('a', 'b'), 10), epochs = 2, seed = 1"
    r(f"fit <- foundation_fit_classifier(encoder, path, {settings})")
    assert tuple(r("dim(predict(fit, path, type = 'prob'))")) == (20, 2)


def test_a_tile_data_set_stands_for_its_patches(r, encoder, tmp_path):
    stack = np.random.default_rng(1).normal(size=(3, 30, 40))
    profile = {
        "driver": "GTiff", "count": 3, "height": 30, "width": 40, "dtype": "float64",
        "transform": rasterio.Affine(10, 0, 500, 0, -10, 900),
    }  # fmt: skip
    with rasterio.open(tmp_path / "stack.tif", "w", **profile) as file:
        file.write(stack)
    ro.globalenv["path"] = str(tmp_path / "stack.tif")
    r("tiles <- foundation_tile_dataset(path, patch_size = 5, n_patches = 30, seed = 2)")
    tiles = foundation_tile_dataset(tmp_path / "stack.tif", patch_size=5, n_patches=30, seed=2)
    features = np.array(r("foundation_moco_embed(encoder, tiles)"))
    assert np.array_equal(features, foundation_moco_embed(encoder, tiles))


def test_a_path_of_nothing_is_an_input_error(r):
    code = "tryCatch(foundation_moco_embed(encoder, 'gone.npy'), error = identity)"
    condition = r(code)
    assert "edaphosbridge_input_error" in condition.rclass
    assert "`patches` names no file" in condition[0][0]


def in_r(value):
    with converter.context():
        ro.globalenv["value"] = value


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int32", "int64", "bool"])
@pytest.mark.parametrize("shape", [(20, 3, 5, 5), (6, 2), (7,)])
def test_masked_cells_are_na_in_r(r, dtype, shape):
    cells = np.random.default_rng(1).integers(0, 2, shape).astype(dtype)
    mask = np.random.default_rng(2).random(shape) < 0.3
    in_r(np.ma.masked_array(cells, mask))
    found = np.array(r("as.vector(is.na(value))"), dtype=bool)
    assert np.array_equal(found, mask.ravel(order="F"))
    known = np.array(r("as.numeric(value[!is.na(value)])"))
    assert np.array_equal(known, cells.ravel(order="F")[~found])


def test_masked_labels_are_na_in_r(r):
    in_r(np.ma.masked_array(["a", "b", "c"], [False, True, False]))
    assert r("identical(as.vector(value), c('a', NA, 'c'))")[0]
    with pytest.raises(InputError, match="must not be masked in R"):
        in_r(np.ma.masked_array([1j, 2j], [True, False]))


def test_r_does_not_train_on_what_lies_under_a_mask(r):
    x = np.random.default_rng(1).normal(size=(20, 3, 5, 5))
    x[7, 1, 2, 2] = -9999
    in_r(np.ma.masked_equal(x, -9999))
    code = "foundation_fit_classifier(encoder, value, rep(c('a', 'b'), 10))"
    condition = r(f"tryCatch({code}, error = identity)")
    assert "edaphosbridge_input_error" in condition.rclass
    assert "holds NA, NaN or infinite values in 1 of 20 patches (first: 8;" in condition[0][0]


OTHER_ARRAYS = {
    "xarray": lambda x: xarray.DataArray(x, attrs={"_FillValue": -9999}),
    "zarr": lambda x: zarr.array(x, fill_value=-9999, store={}),
    "dask": lambda x: dask.array.ma.masked_equal(dask.array.from_array(x), -9999),
}


@pytest.mark.parametrize("kind", OTHER_ARRAYS)
def test_cells_that_other_arrays_call_missing_are_na_in_r(r, kind):
    x = np.arange(24.0).reshape(2, 3, 2, 2)
    x[1, 2, 0, 1] = -9999
    in_r(OTHER_ARRAYS[kind](x))
    assert r("sum(is.na(value)) == 1L && is.na(value[2, 3, 1, 2])")[0]
    found = np.array(r("ifelse(is.na(value), -9999, value)"))
    assert np.array_equal(found, x)


def test_tensors_cross_as_their_numbers_or_not_at_all(r):
    numbers = torch.arange(6.0).reshape(2, 3)
    for tensor in (numbers.bfloat16(), torch.complex(numbers, -numbers).conj().imag):
        in_r(tensor)
        assert r("identical(value, matrix(c(0, 3, 1, 4, 2, 5), 2))")[0]
    with pytest.raises(InputError, match=r"must be a dense array .* \.to_dense\(\) makes it dense"):
        in_r(numbers.to_sparse())


def test_an_ordered_factor_comes_back_ordered(r):
    x = np.random.default_rng(1).normal(size=(20, 3, 5, 5))
    in_r(x)
    r("grades <- factor(rep(c('low', 'high'), 10), c('low', 'high'), ordered = TRUE)")
    r("fit <- foundation_fit_classifier(encoder, value, grades, epochs = 1, seed = 1)")
    assert r("is.ordered(predict(fit, value)) && all(predict(fit, value) >= 'low')")[0]
    with converter.context():
        fit = ro.globalenv["fit"]
        ro.globalenv["again"] = fit
    assert fit.ordered
    assert fit.predict(x).ordered
    assert r("is.ordered(predict(again, value))")[0]


def test_r_refuses_labels_that_are_measured_or_no_text(r):
    in_r(np.random.default_rng(1).normal(size=(20, 3, 5, 5)))
    for labels, says in {
        "c(0.5, 2:20)": "`y` must hold classes; 1 of 20 numbers are not whole (first: 1;",
        "rep(c('caf\\xe9', 'b'), 10)": "`y` must hold labels of valid text",
        "factor(rep(1:2, 10), labels = c('caf\\xe9', 'b'))": "`y` must hold labels of valid text",
    }.items():
        code = f"foundation_fit_classifier(encoder, value, {labels})"
        condition = r(f"tryCatch({code}, error = identity)")
        assert "edaphosbridge_input_error" in condition.rclass
        assert says in condition[0][0]
