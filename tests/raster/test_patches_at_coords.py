"""Patches around points: slices normalised as the encoder knows it, its bands by name."""

import copy
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from closeness import assert_close
from edaphos_bridge import foundation_encoder
from edaphos_bridge.data.normalisation import Normalisation
from edaphos_bridge.encoders.raster_input import find_normalisation
from edaphos_bridge.errors import EdaphosWarning, InputError
from edaphos_bridge.patches_at_coords import foundation_patches_at_coords
from edaphos_bridge.raster.patches_at import band_order, patches_at
from edaphos_bridge.raster.sources import open_raster
from edaphos_bridge.tile_dataset import foundation_tile_dataset

pytestmark = pytest.mark.filterwarnings("ignore:.*share cells with another")


@pytest.fixture
def normalisation():
    """Not that of `image`: an encoder may come from another raster."""
    return Normalisation(
        ("band_1", "band_2", "band_3"), (19.0, 1010.0, -4.0), (1.5, 40.0, 0.2), True, 6
    )


@pytest.fixture
def fit(normalisation):
    encoder = foundation_encoder("moco", 3, seed=1)
    encoder.normalisation = normalisation
    return encoder


def naive(image, points, normalisation):
    """One patch a point; NaN outside and where no band has data."""
    size = normalisation.patch_size
    means, sds = (
        np.array(numbers)[:, None, None] for numbers in (normalisation.means, normalisation.sds)
    )
    padded = np.pad(image, ((0, 0), (size, size), (size, size)), constant_values=np.nan)
    patches = []
    for x, y in points:
        patch = np.full((len(image), size, size), np.nan)
        if 0 <= x <= image.shape[2] and 0 <= y <= image.shape[1]:
            row, col = min(int(y), image.shape[1] - 1), min(int(x), image.shape[2] - 1)
            if not np.isnan(image[:, row, col]).all():
                top, left = row - size // 2 + size, col - size // 2 + size
                cut = padded[:, top : top + size, left : left + size]
                filled = np.where(np.isnan(cut), means, cut)
                patch = (filled - means) / sds if normalisation.normalise else filled
        patches.append(patch)
    return np.array(patches).reshape(-1, len(image), size, size)


@pytest.fixture
def points():
    """Inside, on the corners, in a hole, where one band has no data, outside, and missing."""
    rng = np.random.default_rng(5)
    special = [
        [0, 0], [52.9, 36.9], [0, 36.9], [52.9, 0],  # corners
        [11.5, 6.5], [30.5, 20.5], [50.5, 10.5],  # a hole, and cells that one band lacks
        [53, 5], [5, 37], [-0.1, 5], [5, -0.1], [np.nan, 5], [5, np.nan], [1e9, 1e9],
    ]  # fmt: skip
    return np.concatenate([rng.uniform([-5, -5], [58, 42], size=(300, 2)), special])


@pytest.mark.parametrize("normalise", [True, False])
def test_patches_are_normalised_slices_and_nan_at_points_outside(
    image, points, normalisation, normalise
):
    normalisation = Normalisation.from_dict({**normalisation.to_dict(), "normalise": normalise})
    expected = naive(image, points, normalisation)
    encoder = foundation_encoder("moco", 3, seed=1)
    encoder.normalisation = normalisation
    found = foundation_patches_at_coords(encoder, points, image)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    outside = np.isnan(expected).all(axis=(1, 2, 3))
    assert np.isnan(found[outside]).all()
    assert outside[[304, 309, 310, 311, 312, 313]].all()
    assert not outside[[300, 301, 302, 303, 305, 306, 307, 308]].any()
    assert_close(found[~outside], expected[~outside], 1e-6)


def test_a_file_gives_the_patches_of_the_same_array_at_its_own_coordinates(
    write_tif, image, points, fit
):
    path = write_tif("one.tif", image, names=fit.normalisation.bands)
    table = pd.DataFrame({"x": 500 + 10 * points[:, 0], "y": 900 - 10 * points[:, 1]})
    found = foundation_patches_at_coords(fit, table, path)
    assert_close(found, naive(image, points, fit.normalisation), 1e-6)


def test_patches_at_the_centres_of_a_dataset_are_its_patches(image):
    tiles = foundation_tile_dataset(image, 7, 60, seed=1)
    found = foundation_patches_at_coords(tiles, tiles.cells[:, ::-1] + 0.5, image)
    assert np.array_equal(found, tiles.read(range(60)))


def test_no_points_give_no_patches(image, fit):
    assert foundation_patches_at_coords(fit, [], image).shape == (0, 3, 6, 6)


def test_patches_come_in_batches_that_an_encoder_can_take_each_row_once(
    image, points, normalisation, monkeypatch
):
    monkeypatch.setattr("edaphos_bridge.raster.patches_at.rows_at_once", lambda shape: 7)
    expected = naive(image, points, normalisation)
    seen = []
    for rows, patches in patches_at(open_raster(image), points, normalisation):
        assert 1 <= len(rows) == len(patches) <= 7
        assert patches.dtype == np.float32
        assert_close(patches, expected[rows], 1e-6)
        seen += rows.tolist()
    assert sorted(seen) == np.flatnonzero(~np.isnan(expected).all(axis=(1, 2, 3))).tolist()


def test_each_patch_is_read_by_itself_and_the_raster_never_whole(
    image, points, normalisation, monkeypatch
):
    raster = open_raster(image)
    windows = []
    original = raster._read
    monkeypatch.setattr(raster, "_read", lambda window: windows.append(window) or original(window))
    list(patches_at(raster, points, normalisation))
    assert all(window.height <= 6 and window.width <= 6 for window in windows)
    assert len(windows) <= len(points)


def test_bands_of_the_same_names_are_taken_by_name(write_tif, image, points, fit):
    names = fit.normalisation.bands
    one = write_tif("one.tif", image, names=names)
    turned = write_tif("turned.tif", image[::-1], names=names[::-1])
    table = np.stack([500 + 10 * points[:, 0], 900 - 10 * points[:, 1]], axis=1)
    assert np.array_equal(
        foundation_patches_at_coords(fit, table, turned),
        foundation_patches_at_coords(fit, table, one),
        equal_nan=True,
    )


def test_bands_of_other_names_are_taken_in_their_order_with_a_warning(image, normalisation):
    raster = open_raster(image)
    raster.bands = ["blue", "green", "red"]
    with pytest.warns(EdaphosWarning, match="taken in their order") as caught:
        assert band_order(raster, normalisation, "x") == [0, 1, 2]
    assert "`x` (blue, green, red)" in str(caught[0].message)
    assert "(band_1, band_2, band_3)" in str(caught[0].message)
    raster.bands = ["band_2", "band_1", "red"]  # some of the names are no order
    with pytest.warns(EdaphosWarning):
        assert band_order(raster, normalisation) == [0, 1, 2]


@pytest.mark.parametrize("channels", [2, 4])
def test_another_number_of_bands_is_an_error_that_names_both(image, normalisation, channels):
    raster = open_raster(np.zeros((channels, 9, 9)))
    with pytest.raises(InputError, match="`stack` must have 3 bands for this encoder") as caught:
        band_order(raster, normalisation)
    assert "band_1, band_2, band_3" in str(caught.value)
    assert caught.value.found.startswith(f"{channels}: band_1, band_2")


def test_names_that_are_not_distinct_say_nothing_about_order(normalisation):
    raster = open_raster(np.zeros((3, 9, 9)))
    raster.bands = ["a", "a", "b"]
    same = Normalisation.from_dict({**normalisation.to_dict(), "bands": ["a", "b", "a"]})
    with pytest.warns(EdaphosWarning, match="taken in their order"):
        assert band_order(raster, same) == [0, 1, 2]
    same = Normalisation.from_dict({**normalisation.to_dict(), "bands": ["a", "a", "b"]})
    assert band_order(raster, same) == [0, 1, 2]


class Fit:
    """What a classifier or a pretrained fit is here: something with an encoder."""

    def __init__(self, encoder):
        self.encoder = encoder


def test_the_normalisation_is_that_of_the_encoder_or_of_the_dataset(image, fit, normalisation):
    tiles = foundation_tile_dataset(image, 6, 20, seed=1)
    plain = foundation_encoder("simclr", 3, seed=1)
    assert find_normalisation(fit) == normalisation
    assert find_normalisation(Fit(fit)) == normalisation
    assert find_normalisation(copy.deepcopy(fit)) == normalisation
    assert find_normalisation(tiles) == tiles.normalisation
    assert find_normalisation(plain, tiles) == tiles.normalisation
    assert find_normalisation(torch.nn.Identity(), tiles) == tiles.normalisation
    fit.normalisation = tiles.normalisation
    assert find_normalisation(fit, tiles) == tiles.normalisation


def test_a_dataset_that_differs_from_the_normalisation_of_the_encoder_is_an_error(image, fit):
    tiles = foundation_tile_dataset(image, 6, 20, seed=1)
    with pytest.raises(InputError, match="`dataset` must not differ"):
        find_normalisation(fit, tiles)


def test_without_any_normalisation_the_error_says_how_to_give_one(image):
    plain = foundation_encoder("moco", 3, seed=1)
    with pytest.raises(InputError, match="Give a `dataset` from foundation_tile_dataset"):
        foundation_patches_at_coords(plain, [[1, 1]], image)
    with pytest.raises(InputError, match=r"^`fit` must be"):
        foundation_patches_at_coords("encoder", [[1, 1]], image)
    with pytest.raises(InputError, match=r"^`dataset` must be a data set"):
        find_normalisation(plain, image)


@pytest.mark.parametrize(
    ("found", "quiet"),
    [
        (["scene_1", "scene_2", "scene_3"], True),
        (["band_1", "band_2", "band_3"], True),
        (["clay", "ndvi", "slope"], False),
        (["scene_3", "scene_2", "scene_1"], False),
        (["scene", "scene", "scene"], False),
    ],
)
def test_bands_that_are_only_counted_on_both_sides_are_no_other_names(found, quiet, normalisation):
    expected = replace(normalisation, bands=("area_1", "area_2", "area_3"))
    raster = SimpleNamespace(bands=found)
    with nullcontext() if quiet else pytest.warns(EdaphosWarning, match="have other names"):
        assert band_order(raster, expected) == [0, 1, 2]
