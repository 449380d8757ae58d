"""Embeddings at points: those of the normalised patches, row by row, NaN outside."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from closeness import assert_close
from edaphos_bridge import foundation_encoder, foundation_moco_embed, foundation_simclr_embed
from edaphos_bridge.embed_at_coords import foundation_embed_at_coords
from edaphos_bridge.errors import EdaphosWarning, InputError
from edaphos_bridge.patches_at_coords import foundation_patches_at_coords
from edaphos_bridge.tile_dataset import foundation_tile_dataset

pytestmark = pytest.mark.filterwarnings("ignore:.*share cells with another")

EMBED = {"moco": foundation_moco_embed, "simclr": foundation_simclr_embed}


@pytest.fixture
def tiles(image):
    return foundation_tile_dataset(image, 7, 60, seed=1)


@pytest.fixture
def points():
    """Some of them outside, and a missing one."""
    points = np.random.default_rng(5).uniform([-5, -5], [58, 42], size=(80, 2))
    points[3] = np.nan
    return points


@pytest.fixture(params=["moco", "simclr"])
def method(request):
    return request.param


@pytest.fixture
def fit(method, tiles):
    """An encoder that carries its normalisation, with running statistics of some data."""
    encoder = foundation_encoder(method, 3, seed=1)
    encoder.train()
    encoder.project(encoder(torch.from_numpy(tiles.read(range(60)))))
    encoder.normalisation = tiles.normalisation
    return encoder


@pytest.mark.parametrize("projection", [False, True])
def test_a_row_is_the_embedding_of_the_patch_around_its_point_and_nan_outside(
    method, fit, tiles, image, points, projection
):
    patches = foundation_patches_at_coords(tiles, points, image)
    outside = np.isnan(patches).all(axis=(1, 2, 3))
    assert 5 < outside.sum() < 40
    found = foundation_embed_at_coords(fit, points, image, projection=projection)
    expected = EMBED[method](fit, patches[~outside], projection)
    assert found.dtype == np.float32
    assert found.shape == (80, expected.shape[1])
    assert np.isnan(found[outside]).all()
    assert_close(found[~outside], expected, 1e-6)


def test_rows_do_not_depend_on_how_the_points_are_batched(fit, image, points, monkeypatch):
    whole = foundation_embed_at_coords(fit, points, image)
    monkeypatch.setattr("edaphos_bridge.raster.patches_at.rows_at_once", lambda shape: 3)
    batched = foundation_embed_at_coords(fit, points, image)
    assert_close(whole, batched, 1e-6)


def test_raw_patches_would_give_something_else(method, fit, image):
    with pytest.warns(EdaphosWarning, match="`patches` does not look like"):
        raw = EMBED[method](fit, image[None, :, 20:27, 1:8])
    assert np.abs(foundation_embed_at_coords(fit, [[4.5, 23.5]], image) - raw).max() > 1e-2


def test_a_dataset_gives_the_normalisation_to_an_encoder_that_carries_none(
    fit, tiles, image, points
):
    expected = foundation_embed_at_coords(fit, points, image)
    fit.normalisation = None
    with pytest.raises(InputError, match="Give a `dataset`"):
        foundation_embed_at_coords(fit, points, image)
    found = foundation_embed_at_coords(fit, points, image, dataset=tiles)
    assert np.array_equal(found, expected, equal_nan=True)


def test_a_module_of_a_users_own_works_with_a_dataset(tiles, image, points):
    module = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    found = foundation_embed_at_coords(module, points, image, dataset=tiles)
    patches = foundation_patches_at_coords(tiles, points, image)
    assert_close(found, patches.mean(axis=(2, 3)), 1e-6)
    with pytest.raises(InputError, match="`projection` needs an encoder"):
        foundation_embed_at_coords(module, points, image, projection=True, dataset=tiles)


def test_points_that_are_all_outside_or_none_at_all_give_the_width_of_the_embedding(fit, image):
    width = fit.feature_dim
    with pytest.warns(EdaphosWarning, match="The only point of `coords` lies outside `stack`"):
        found = foundation_embed_at_coords(fit, [[-1, -1]], image)
    assert np.isnan(found).tolist() == [[True] * width]
    assert foundation_embed_at_coords(fit, [], image).shape == (0, width)
    assert foundation_embed_at_coords(fit, [], image, projection=True).shape == (0, fit.proj_dim)


def test_the_patch_size_may_be_another_and_the_batch_size_changes_nothing(fit, image, points):
    expected = foundation_embed_at_coords(fit, points, image)
    by_threes = foundation_embed_at_coords(fit, points, image, batch_size=3)
    assert_close(by_threes, expected, 1e-5)
    larger = foundation_embed_at_coords(fit, points, image, patch_size=9)
    fit.normalisation = replace(fit.normalisation, patch_size=9)
    assert np.array_equal(larger, foundation_embed_at_coords(fit, points, image), equal_nan=True)
    assert np.nanmax(np.abs(larger - expected)) > 1e-3


def test_the_encoder_is_left_as_it_was(fit, image, points, snapshot):
    fit.train()
    before = snapshot(fit)
    foundation_embed_at_coords(fit, points, image)
    assert snapshot(fit) == before


def test_bands_in_another_order_are_taken_by_name(write_tif, image, points, fit):
    names = fit.normalisation.bands
    one = write_tif("one.tif", image, names=names)
    turned = write_tif("turned.tif", image[[2, 0, 1]], names=[names[i] for i in (2, 0, 1)])
    coords = np.stack([500 + 10 * points[:, 0], 900 - 10 * points[:, 1]], axis=1)
    found = foundation_embed_at_coords(fit, coords, turned)
    assert np.array_equal(found, foundation_embed_at_coords(fit, coords, one), equal_nan=True)


@pytest.mark.parametrize(
    ("change", "argument"),
    [
        ({"fit": None}, "fit"),
        ({"coords": [[1, 2, 3]]}, "coords"),
        ({"stack": np.zeros((2, 9, 9))}, "stack"),
        ({"stack": "missing.tif"}, "stack"),
        ({"projection": 1}, "projection"),
        ({"dataset": 1}, "dataset"),
        ({"dataset": True}, "dataset"),
        ({"patch_size": 1}, "patch_size"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_an_argument_that_cannot_be_used_is_an_error_that_names_it(fit, image, change, argument):
    with pytest.raises(InputError) as caught:
        foundation_embed_at_coords(**{"fit": fit, "coords": [[1, 1]], "stack": image, **change})
    assert caught.value.argument == argument


def test_a_dataset_of_another_number_of_bands_than_the_encoder_takes_is_an_error(tiles, image):
    encoder = foundation_encoder("moco", 4, seed=1)
    with pytest.raises(InputError, match="`dataset` must have 4 channels"):
        foundation_embed_at_coords(encoder, [[1, 1]], image, dataset=tiles)


def test_a_normalisation_of_other_bands_than_its_encoder_takes_is_named(tiles, image):
    encoder = foundation_encoder("moco", 4, seed=1)
    encoder.normalisation = tiles.normalisation
    with pytest.raises(InputError, match="`normalisation` must be of 4 bands"):
        foundation_embed_at_coords(encoder, [[1, 1]], image)


@pytest.mark.parametrize("projection", [False, True])
def test_weights_that_are_not_finite_are_no_point_outside(fit, image, points, projection):
    with torch.no_grad():
        list(fit.parameters())[-1 if projection else 0].fill_(np.nan)
    with pytest.raises(InputError, match="has weights that are NaN"):
        foundation_embed_at_coords(fit, points, image, projection=projection)


def test_a_patch_that_an_encoder_maps_to_nan_is_no_point_outside(tiles, image, points):
    class Root(torch.nn.Module):
        """Has a value for the patch of zeros, and none for means below it."""

        def forward(self, x):
            return x.mean((2, 3)).sqrt()

    encoder = Root()
    encoder.normalisation = tiles.normalisation
    patches = foundation_patches_at_coords(tiles, points, image)
    bad = np.flatnonzero((patches.mean((2, 3)) < 0).any(axis=1))
    with pytest.raises(InputError, match=r"`stack` gives NaN .* of 80 patches") as caught:
        foundation_embed_at_coords(encoder, points, image)
    assert caught.value.rows == tuple(bad)


def test_patches_that_no_memory_holds_are_refused(fit, image, points):
    with pytest.raises(InputError, match=r"`patch_size` needs .* GB of memory"):
        foundation_embed_at_coords(fit, points, image, patch_size=2_000_000)
