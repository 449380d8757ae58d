"""Patches that R in this process names but does not hold: files and tile data sets."""

import numpy as np
import pytest
import rasterio
import rpy2.robjects as ro

from edaphos_bridge import foundation_encoder, foundation_moco_embed, foundation_tile_dataset
from edaphos_bridge.interop.rpy2 import install


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
