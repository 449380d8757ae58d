"""Patches in other units than those that an encoder learnt from: a warning with both numbers."""

import warnings

import numpy as np
import pytest
import torch

from edaphos_bridge import (
    foundation_embed_at_coords,
    foundation_encoder,
    foundation_fit_classifier,
    foundation_moco_embed,
    foundation_patches_at_coords,
    foundation_probe_sweep,
    foundation_tile_dataset,
)
from edaphos_bridge.data.input_scale import warn_about_scale
from edaphos_bridge.datasets import statlog_scene
from edaphos_bridge.errors import EdaphosWarning

pytestmark = pytest.mark.filterwarnings("ignore:.*share cells with another")

SCENE = statlog_scene().image.astype(float)
LABELS = ["a", "b"] * 24
# What the scene would be as reflectance, as integers of Sentinel-2, as temperature.
UNITS = {"digital numbers": 1.0, "reflectance": 1 / 255, "ten thousandths": 10000 / 255}


def pretrained_on(raster, normalise=True):
    """Return an encoder as pretraining on tiles leaves it, and those tiles."""
    tiles = foundation_tile_dataset(raster, patch_size=5, n_patches=48, normalise=normalise, seed=1)
    encoder = foundation_encoder("moco", len(raster), feature_dim=8, proj_dim=4, seed=1)
    encoder.normalisation = tiles.normalisation
    return encoder, tiles


def raw_patches(tiles, raster):
    return np.stack([raster[:, r - 2 : r + 3, c - 2 : c + 3] for r, c in tiles.cells])


def calls(encoder, x):
    fitted = {"epochs": 1, "seed": 1, "val_split": 0.25}
    return [
        lambda: foundation_fit_classifier(encoder, x, LABELS, **fitted),
        lambda: foundation_probe_sweep(encoder, x, LABELS, lr=0.1, C=(), seeds=1, epochs=1),
        lambda: foundation_moco_embed(encoder, x),
    ]


def predict(encoder, tiles, x):
    return foundation_fit_classifier(encoder, tiles, LABELS, epochs=1, seed=1).predict(x)


@pytest.mark.parametrize("given", UNITS)
@pytest.mark.parametrize("learnt", UNITS)
def test_raw_cells_are_warned_about_whatever_their_unit(learnt, given):
    encoder, tiles = pretrained_on(SCENE * UNITS[learnt])
    x = raw_patches(tiles, SCENE * UNITS[given])
    fit, sweep, embed = calls(encoder, x)
    says = r"does not look like.* has mean -?\d.* and sd \d.*expects mean 0 and sd 1 \(cells less"
    for call in (fit, sweep):
        with pytest.warns(EdaphosWarning, match=rf"`x` {says}"):
            call()
    if given == "reflectance" and learnt != given:
        return  # so small numbers could be a field on which all cells are alike
    with pytest.warns(EdaphosWarning, match=rf"`patches` {says}"):
        embed()
    with pytest.warns(EdaphosWarning, match=rf"`x` {says}"):
        predict(encoder, tiles, x)


def test_standardised_cells_are_warned_about_where_raw_ones_are_expected():
    encoder, tiles = pretrained_on(SCENE, normalise=False)
    x = foundation_tile_dataset(SCENE, patch_size=5, n_patches=48, seed=1)[:]
    for call in calls(encoder, x):
        with pytest.warns(EdaphosWarning, match=r"the encoder expects mean \d\d"):
            call()
    for call in calls(encoder, raw_patches(tiles, SCENE)):
        call()


def test_the_warning_names_the_band_and_the_numbers():
    encoder, _ = pretrained_on(SCENE)
    x = np.random.default_rng(1).normal(size=(20, 4, 5, 5))
    x[:, :3] = x[:, :3] * 10 + [[[[100]], [[200]], [[300]]]]
    with pytest.warns(EdaphosWarning, match=r"channel band_3 has mean 300(\.\d)? and sd \d+"):
        foundation_moco_embed(encoder, x)


@pytest.mark.parametrize("unit", UNITS)
def test_patches_as_the_encoder_expects_them_are_no_reason_to_warn(unit):
    raster = SCENE * UNITS[unit]
    encoder, tiles = pretrained_on(raster)
    x = tiles[:]
    for call in calls(encoder, x):
        call()
    for known in (x, tiles, x[:0], x[:1]):
        predict(encoder, tiles, known)
    # Any place of the scene, one patch or a block of neighbours.
    everything = foundation_tile_dataset(raster, patch_size=5, n_patches=1, seed=1)
    everything.normalisation = tiles.normalisation
    corners = [(row, col) for row in range(2, 76, 5) for col in range(2, 90, 6)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for size in (1, 4, 20):
            for first in range(0, len(corners) - size, size):
                everything.cells = np.array(corners[first : first + size])
                sample = torch.from_numpy(everything[:])
                for training in (False, size == 20):
                    warn_about_scale(sample, tiles.normalisation, "x", training=training)


def test_one_band_of_rare_large_values_is_no_reason_to_warn():
    encoder, tiles = pretrained_on(SCENE)
    x = tiles[:]
    x[:, 1] += 30
    foundation_moco_embed(encoder, x)


@pytest.mark.parametrize("training", [True, False])
def test_one_band_in_another_unit_beside_others_that_fit_is_warned_about(training):
    _, tiles = pretrained_on(SCENE)
    sample = torch.from_numpy(tiles[:2])
    sample[:, 1] = sample[:, 1] * 50 + 1000
    with pytest.warns(
        EdaphosWarning, match=r"channel band_2 has mean \d{3,4}.* expects mean 0 and sd 1"
    ):
        warn_about_scale(sample, tiles.normalisation, "x", training=training)


def test_a_raster_in_other_units_is_a_warning_where_points_are_read():
    encoder, tiles = pretrained_on(SCENE)
    points = [[col + 0.5, row + 0.5] for row, col in tiles.cells]
    foundation_embed_at_coords(encoder, points, SCENE)
    fit = foundation_fit_classifier(encoder, tiles, LABELS, epochs=1, seed=1)
    for stack in (SCENE * 10000 / 255, SCENE / 255):
        for read in (
            lambda stack: foundation_embed_at_coords(encoder, points, stack),
            lambda stack: foundation_patches_at_coords(encoder, points, stack),
        ):
            with pytest.warns(EdaphosWarning, match=r"`stack` does not look .*the same units\?"):
                read(stack)
        with pytest.warns(EdaphosWarning, match=r"`x` does not look .*the same units\?"):
            fit.predict(stack, coords=points)


def test_only_a_few_patches_are_read():
    encoder, _ = pretrained_on(SCENE)
    read = []

    class Counted:
        shape, ndim, dtype = (1000, 4, 5, 5), 4, np.dtype("float32")

        def __getitem__(self, rows):
            read.append(rows.stop - rows.start)
            return np.zeros((rows.stop - rows.start, 4, 5, 5), dtype=np.float32)

    foundation_moco_embed(encoder, Counted())
    assert read[0] == 64
    assert sum(read) == 1064


def test_an_encoder_that_carries_nothing_expects_nothing():
    encoder = foundation_encoder("moco", 4, seed=1)
    foundation_moco_embed(encoder, np.full((20, 4, 5, 5), 1e4))
