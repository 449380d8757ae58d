"""`foundation_embed_raster()`: a map of embeddings holds those of the patch around each cell."""

import numpy as np
import pytest
import rasterio
import torch

from closeness import assert_close, size_of
from edaphos_bridge import (
    foundation_embed_at_coords,
    foundation_embed_raster,
    foundation_encoder,
)
from edaphos_bridge.errors import InputError
from mapped import as_layers, at_centres, cells, encoder, tiles


@pytest.mark.parametrize("name", ["moco", "simclr"])
@pytest.mark.parametrize("stride", [1, 4, 8])
def test_embeddings_are_those_of_the_patches(name, stride):
    found = foundation_embed_raster(encoder(name), cells(), stride=stride, block_size=16)
    expected = foundation_embed_at_coords(encoder(name), at_centres(stride), cells())
    assert found.band.values.tolist() == [f"e{number}" for number in range(1, 9)]
    assert_close(found.values, as_layers(expected, stride), 1e-5, size=size_of(expected))


def test_projections_are_unit_vectors():
    found = foundation_embed_raster(encoder(), cells(), stride=8, projection=True).values
    expected = foundation_embed_at_coords(encoder(), at_centres(8), cells(), projection=True)
    assert_close(found, as_layers(expected, 8), 1e-5)
    length = np.sqrt((found**2).sum(axis=0))
    assert_close(length[np.isfinite(length)], np.ones(np.isfinite(length).sum(), np.float32), 1e-5)


def test_patches_of_another_size_are_read_if_asked_for():
    found = foundation_embed_raster(encoder(), cells(), stride=8, patch_size=5).values
    expected = foundation_embed_at_coords(encoder(), at_centres(8), cells(), patch_size=5)
    assert_close(found, as_layers(expected, 8), 1e-5, size=size_of(expected))


def test_an_encoder_without_normalisation_takes_that_of_a_data_set():
    bare = foundation_encoder("moco", 4, feature_dim=8, proj_dim=4, seed=1)
    found = foundation_embed_raster(bare, cells(), stride=8, dataset=tiles())
    known = foundation_embed_raster(encoder(), cells(), stride=8)
    assert np.array_equal(found.values, known.values, equal_nan=True)
    with pytest.raises(InputError, match="`encoder` does not know the means"):
        foundation_embed_raster(bare, cells())


def test_a_transposed_encoder_sees_transposed_patches():
    turned = foundation_encoder("moco", 4, feature_dim=8, proj_dim=4, seed=1)
    turned.normalisation, turned.patch_orientation = tiles().normalisation, "transposed"
    found = foundation_embed_raster(turned, cells(), stride=8)
    expected = foundation_embed_at_coords(turned, at_centres(8), cells())
    assert_close(found.values, as_layers(expected, 8), 1e-5, size=size_of(expected))


def test_a_file_of_embeddings_names_its_layers(write_tif, tmp_path):
    path = write_tif("in.tif", cells(), nodata=np.nan)
    out = foundation_embed_raster(encoder(), path, tmp_path / "e.tif", stride=4, block_size=16)
    plain = foundation_embed_raster(encoder(), cells(), stride=4, block_size=16)
    with rasterio.open(out) as file:
        assert file.descriptions == tuple(f"e{number}" for number in range(1, 9))
        assert file.dtypes == ("float32",) * 8
        assert np.array_equal(file.read(), plain.values, equal_nan=True)


def test_features_that_are_not_finite_are_an_error(tmp_path):
    class Breaks(torch.nn.Module):
        normalisation = tiles().normalisation

        def forward(self, x):
            return x.mean(dim=(2, 3)) / torch.zeros(1)

    with pytest.raises(InputError, match="gives NaN or infinite features"):
        foundation_embed_raster(Breaks(), cells(), tmp_path / "e.tif")
    assert not (tmp_path / "e.tif").exists()


BAD = {
    "projection": (
        {"encoder": torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())},
        "`projection` needs an encoder",
    ),
    "stride": ({"stride": 2.5}, "`stride` must be a positive whole number"),
    "patch_size": ({"patch_size": 1}, "`patch_size` must be a whole number of at least 2"),
    "huge patches": ({"patch_size": 10**9}, "`patch_size`"),
    "bands": ({"stack": cells()[:2]}, "`stack` must have 4 bands"),
    "encoder": ({"encoder": "moco"}, "`encoder` must be a fit"),
    "device": ({"device": "tpu"}, "`device` must be one of"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name):
    changes, message = BAD[name]
    arguments = {"encoder": encoder(), "stack": cells(), "dataset": tiles(), **changes}
    if name == "projection":
        arguments["projection"] = True
    with pytest.raises(InputError, match=message):
        foundation_embed_raster(**arguments)
