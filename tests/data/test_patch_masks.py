"""Masks of patches: a user's, or those of a tile data set, turned as the patches are."""

import numpy as np
import pytest
import torch

from edaphos_bridge import (
    foundation_compare_segmenters,
    foundation_cross_validate,
    foundation_encoder,
    foundation_fit_segmenter,
    foundation_interpret,
    foundation_tile_dataset,
)
from edaphos_bridge.data.masks import Masks, as_masks
from edaphos_bridge.data.patch_masks import masks_of
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.errors import InputError


@pytest.fixture
def stack():
    return np.random.default_rng(1).normal(size=(3, 40, 50)).cumsum(axis=1)


@pytest.fixture
def labels(stack):
    """Classes that follow from the first band; half of the rows have none."""
    land = np.where(stack[0] > np.median(stack[0]), "high", "low").astype(object)
    land[::2] = None
    return land


@pytest.fixture
def tiles(stack, labels):
    return foundation_tile_dataset(stack, patch_size=8, n_patches=30, seed=1, labels=labels)


@pytest.fixture(params=["rows_first", "transposed"])
def encoder(request):
    encoder = foundation_encoder("moco", 3, feature_dim=6, seed=1)
    encoder.patch_orientation = request.param
    return encoder


pytestmark = pytest.mark.filterwarnings("ignore:.*share cells with another")
HOW = {"epochs": 2, "seed": 1, "decoder": "linear"}


def test_masks_of_tiles_need_not_be_given(tiles, encoder):
    fit = foundation_fit_segmenter(encoder, tiles, **HOW)
    assert fit.classes == ["high", "low"]
    oriented = tiles.oriented(encoder.patch_orientation)
    x, masks = oriented.read(np.arange(30)), oriented.masks()
    encoder.normalisation = tiles.normalisation
    same = foundation_fit_segmenter(encoder, x, masks.codes.numpy(), unlabelled=-1,
                                    classes=["high", "low"], **HOW)  # fmt: skip
    assert fit.loss_history == same.loss_history
    assert np.array_equal(fit.predict(tiles), same.predict(x))


@pytest.mark.parametrize("kind", ["codes", "Masks"])
def test_masks_that_are_given_with_tiles_turn_with_them(tiles, encoder, kind):
    masks = tiles.masks()
    given = np.where(masks.codes < 0, None, np.array(masks.classes, object)[masks.codes])
    fit = foundation_fit_segmenter(encoder, tiles, given if kind == "codes" else masks, **HOW)
    own = foundation_fit_segmenter(encoder, tiles, **HOW)
    assert fit.loss_history == own.loss_history


def test_whatever_looks_at_a_segmenter_takes_them_too(tiles, encoder):
    fit = foundation_fit_segmenter(encoder, tiles, **HOW)
    oriented = tiles.oriented(encoder.patch_orientation)
    x, masks = oriented.read(np.arange(30)), oriented.masks()
    found = foundation_interpret(fit, tiles, n_boot=0, seed=1)
    right = (fit.codes(x) == masks.codes.numpy())[masks.codes.numpy() >= 0].mean()
    table = found.as_table()
    assert abs(table["estimate"][0] - right) < 1e-12
    folds = np.arange(30) % 2
    validated = foundation_cross_validate(
        "foundation_fit_segmenter", encoder, tiles, folds=folds, seed=1, epochs=2, decoder="linear"
    )
    first = foundation_fit_segmenter(encoder, tiles, folds=folds, fold=0, **HOW)
    assert abs(validated.table["iou"][0] - first.val_iou_history[-1]) < 1e-12
    rows = {"models": ["frozen"], "n_boot": 0, "folds": folds, "fold": 0}
    compared = foundation_compare_segmenters(encoder, tiles, **rows, **HOW)
    iou = compared.as_table().set_index(["metric", "class"]).loc[("iou", "low"), "estimate"]
    assert abs(iou - first.val_iou_history[-1]) < 1e-12


def test_masks_may_be_those_of_another_data_set_with_fewer_classes():
    codes = torch.tensor([[[0, 1], [-1, 1]]]).short()
    patches = Patches(np.zeros((1, 2, 2, 2)))
    found = masks_of(patches, Masks(codes, ["b", "c"]), classes=["a", "b", "c"])
    assert found.codes.tolist() == [[[1, 2], [-1, 2]]]
    assert found.classes == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("masks", "classes", "says"),
    [
        (None, None, "are needed: only a tile data set"),
        (as_masks(np.arange(4).reshape(1, 2, 2)), ["0", "1"], "classes among 0, 1; found '2, 3'"),
        (as_masks(np.arange(9).reshape(1, 3, 3)), None, "1 patches of 2 x 2 cells"),
    ],
)
def test_what_cannot_be_used_is_an_error(masks, classes, says):
    with pytest.raises(InputError, match=says) as caught:
        masks_of(Patches(np.zeros((1, 2, 2, 2))), masks, classes=classes)
    assert caught.value.argument == "masks"


def test_tiles_without_labels_have_none(stack, encoder):
    tiles = foundation_tile_dataset(stack, patch_size=8, n_patches=5, seed=1)
    with pytest.raises(InputError, match="are needed: only a tile data set"):
        foundation_fit_segmenter(encoder, tiles)
