"""Maps of segmenters: tiles of the size of the training patches, blended."""

import math

import numpy as np
import pytest
import rasterio
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import (
    foundation_encoder,
    foundation_finetune_ensemble,
    foundation_fit_segmenter,
    foundation_predict_raster,
)
from edaphos_bridge.errors import EdaphosWarning, InputError
from edaphos_bridge.maps.blending import ramp_of, tile_starts
from mapped import cells, tiles

SIZE = 8


def patches(n=20):
    return tiles().sample(n, seed=1).astype(np.float64)[:, :, :SIZE, :SIZE]


def segmenter(k=3, **changes):
    encoder = foundation_encoder("moco", 4, feature_dim=6, seed=1)
    encoder.normalisation = tiles().normalisation
    x = patches()
    masks = np.digitize(x[:, 0], [-0.4, 0.4][: k - 1])
    how = {"epochs": 2, "lr": 0.01, "decoder": "unet", "seed": 1, **changes}
    return foundation_fit_segmenter(encoder, x, masks, **how)


def naive(fit):
    """Every tile by itself, added by weight."""
    raw = cells()
    known = np.isfinite(raw)
    x = tiles().normalisation.apply(raw, known).astype(np.float32)
    height, width = raw.shape[1:]
    total, weight = np.zeros((len(fit.classes), height, width)), np.zeros((height, width))
    ramp = ramp_of(SIZE, SIZE // 2, "linear")
    weights = ramp[:, None] * ramp
    for top in tile_starts(height, SIZE, SIZE // 2):
        for left in tile_starts(width, SIZE, SIZE // 2):
            at = np.s_[..., top : top + SIZE, left : left + SIZE]
            total[at] += weights * fit.predict_proba(x[at][None])[0]
            weight[at] += weights
    total /= weight
    total[:, ~known.any(axis=0)] = np.nan
    return total


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("block_size", [16, 23])
def test_probabilities_are_those_of_blended_tiles(k, block_size):
    fit = segmenter(k)
    found = foundation_predict_raster(fit, cells(), type="prob", block_size=block_size)
    expected = naive(fit)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert_close(found.values, expected, 1e-5)
    names = [str(c) for c in fit.classes]
    assert [str(name) for name in found.coords["band"].values] == names


@pytest.mark.parametrize("k", [2, 3])
def test_a_class_is_that_of_the_blended_probabilities(k):
    fit = segmenter(k)
    prob = foundation_predict_raster(fit, cells(), type="prob").values
    found = foundation_predict_raster(fit, cells())
    known = ~np.isnan(prob[0])
    assert np.array_equal(found.values[0] == 0, ~known)
    assert np.array_equal(found.values[0][known], prob.argmax(axis=0)[known] + 1)
    assert found.attrs["classes"] == [str(c) for c in fit.classes]


def test_the_threshold_of_two_classes_holds():
    fit = segmenter(2, threshold=0.7)
    prob = foundation_predict_raster(fit, cells(), type="prob").values
    found = foundation_predict_raster(fit, cells()).values[0]
    known = found > 0
    assert np.array_equal(found[known] - 1, (prob[1] >= 0.7)[known])


def test_a_file_has_classes_and_colours(tmp_path):
    out = tmp_path / "map.tif"
    foundation_predict_raster(segmenter(), cells(), out, colours=["#ff0000", "#00ff00", "#0000ff"])
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning), rasterio.open(out) as file:
        colours, dtypes = file.colormap(1), file.dtypes
    assert (colours[1][:3], dtypes) == ((255, 0, 0), ("uint8",))


def test_the_ways_of_training_and_two_layouts_map():
    scratch = segmenter(regime="from_scratch", decoder=None)
    assert_close(
        foundation_predict_raster(scratch, cells(), type="prob").values, naive(scratch), 1e-5
    )
    turned = segmenter()
    turned.encoder.patch_orientation = "transposed"
    found = foundation_predict_raster(turned, cells(), type="prob").values
    straight = foundation_predict_raster(segmenter(), cells(), type="prob").values
    assert np.nanmax(np.abs(found - straight)) > 1e-3


def test_an_ensemble_maps_means_spreads_and_classes():
    encoder = foundation_encoder("moco", 4, feature_dim=6, seed=1)
    encoder.normalisation = tiles().normalisation
    x = patches()
    ensemble = foundation_finetune_ensemble(
        encoder, x, x[:, 0] > 0, task="segmentation", K_ens=2, epochs=1, lr=0.01, decoder="unet"
    )
    each = [naive(member) for member in ensemble.members]
    found = foundation_predict_raster(ensemble, cells(), type=("mean", "sd", "entropy"))
    assert found.shape[0] == 5
    assert_close(found.values[:2], np.mean(each, axis=0), 1e-5)
    assert_close(found.values[2:4], np.std(each, axis=0, ddof=1), 1e-4, size=1)


@pytest.mark.parametrize(
    ("changes", "argument"),
    [
        ({"stride": 2}, "stride"),
        ({"method": "dense"}, "method"),
        ({"n_draws": 3}, "n_draws"),
        ({"type": "response"}, "type"),
        ({"type": ("class", "prob")}, "type"),
        ({"colours": ["#ff0000"]}, "colours"),
    ],
)
def test_what_maps_of_segmenters_have_not_is_an_error(changes, argument):
    with pytest.raises(InputError) as caught:
        foundation_predict_raster(segmenter(epochs=1), cells(), **changes)
    assert caught.value.argument == argument


class Overflowing(nn.Module):
    """A decoder whose outputs are NaN where numbers are as large as values for no data."""

    reads = "maps"

    def __init__(self, n_outputs):
        super().__init__()
        self.layer = nn.Conv2d(4, n_outputs, 1)

    def forward(self, maps):
        return torch.where(maps[0][:, :1].abs() > 1e6, math.nan, self.layer(maps[0]))


@pytest.mark.parametrize("k", [2, 3])
def test_a_value_for_no_data_that_nobody_declared_is_no_class(k):
    raw = cells().copy()
    raw[:, 20:24, 20:24] = 1e9
    fit = segmenter(k, decoder=Overflowing(1 if k == 2 else k))
    with pytest.warns(EdaphosWarning, match="does not look like"):
        found = foundation_predict_raster(fit, raw)
    with pytest.raises(InputError, match="gives NaN or infinite probabilities") as caught:
        found.load()
    assert caught.value.argument == "stack"
