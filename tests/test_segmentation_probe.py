"""`SegmentationProbe`: the intersection over union of a segmenter's fit on held-out patches."""

import warnings

import numpy as np
import pytest
from torch import nn

from edaphos_bridge import SegmentationProbe, foundation_fit_segmenter, foundation_tile_dataset
from edaphos_bridge.encoders.copying import freeze, own_copy
from edaphos_bridge.errors import EdaphosWarning, InputError

N = 20


@pytest.fixture
def x():
    """20 patches of 4 channels and 8 x 8 cells."""
    return np.random.default_rng(1).normal(size=(N, 4, 8, 8))


@pytest.fixture(params=[2, 3])
def masks(request, x):
    """Two or three classes, told by the first channel, and a tenth of the cells unlabelled."""
    codes = np.digitize(x[:, 0], [-0.4, 0.4][: request.param - 1])
    return np.where(x[:, 1] > 1.3, 9, codes)


@pytest.mark.parametrize("decoder", ["clay", "unet", "linear"])
def test_the_score_is_that_of_a_fit_with_a_frozen_encoder_on_the_same_rows(
    encoder, x, masks, decoder
):
    how = {"decoder": decoder, "epochs": 3, "lr": 0.01, "unlabelled": 9, "seed": 4}
    probe = SegmentationProbe(x, masks, val_split=0.4, **how)
    rows = probe.plan.train_rows.numpy(), probe.plan.val_rows.numpy()
    fitted = foundation_fit_segmenter(encoder, x, masks, folds=[rows], **how)
    assert probe.score(freeze(own_copy(encoder))) == fitted.val_iou_history[-1] > 0
    assert len(rows[1]) == 8


@pytest.mark.parametrize("orientation", ["rows_first", "transposed"])
def test_tiles_bring_their_masks_and_turn_them_with_their_patches(encoder, orientation):
    stack = np.random.default_rng(3).normal(size=(4, 40, 40))
    labels = np.digitize(stack[0].cumsum(axis=0), [0.0]).astype(float)
    stack[1] = labels
    tiles = foundation_tile_dataset(stack, patch_size=8, n_patches=N, labels=labels, seed=2)
    encoder.patch_orientation = orientation
    how = {"decoder": "unet", "epochs": 10, "lr": 0.01, "seed": 4}
    probe = SegmentationProbe(tiles, groups=np.arange(N) // 4, **how)
    rows = probe.plan.train_rows.numpy(), probe.plan.val_rows.numpy()
    probe.check(encoder, (9, 4, 8, 8), 10)
    fitted = foundation_fit_segmenter(encoder, tiles, folds=[rows], **how)
    # masks that are not turned with their patches: below 0.6
    assert probe.score(freeze(own_copy(encoder))) == fitted.val_iou_history[-1] > 0.8


@pytest.mark.filterwarnings("error")
def test_what_is_wrong_with_the_split_is_warned_of_once_and_not_in_every_look(encoder, x, masks):
    first = np.array([1, 2, 3])
    masks[1:4] = np.where(masks[1:4] == 9, 9, 5)  # a class of these patches alone
    with pytest.warns(EdaphosWarning, match="no training cell of: 5") as caught:
        probe = SegmentationProbe(
            x, masks, decoder="linear", epochs=1, unlabelled=9, validation=first
        )
    assert len(caught) == 1
    frozen = freeze(own_copy(encoder))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert probe.score(frozen) == probe.score(frozen)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("masks", np.zeros((N, 8, 7), dtype=int)), ("masks", np.zeros((N, 8, 8), dtype=int)),
        ("masks", None), ("masks", np.full((N, 8, 8), 9)), ("decoder", "resnet"),
        ("decoder", nn.Conv2d(4, 2, 1)), ("decoder", 3), ("epochs", 0), ("batch_size", 0),
        ("lr", 0), ("every", 0), ("val_split", 0), ("unlabelled", "a"), ("classes", [1]),
    ],
)  # fmt: skip
def test_arguments_that_cannot_be_used_are_named(x, masks, argument, value):
    with pytest.raises(InputError) as caught:
        SegmentationProbe(**{"x": x, "masks": masks, "unlabelled": 9, argument: value})
    assert caught.value.argument == argument


def test_held_out_patches_without_what_is_scored_are_refused(x):
    masks = np.digitize(x[:, 0], [0.0])
    masks[5] = 0
    with pytest.raises(InputError, match="`masks` have no cell of 1 in the patches that are held"):
        SegmentationProbe(x, masks, validation=[5])
    masks = np.digitize(x[:, 0], [-0.4, 0.4])
    masks[5] = 9
    with pytest.raises(InputError, match="`masks` have no labelled cell in the patches that are"):
        SegmentationProbe(x, masks, validation=[5], unlabelled=9)


def test_an_encoder_that_shows_no_maps_and_patches_out_of_reach_are_refused_before_a_run(
    encoder, x, masks
):
    probe = SegmentationProbe(x, masks, unlabelled=9)
    with pytest.raises(InputError, match="`probe` cannot look at this run: its `encoder` "):
        probe.check(nn.Sequential(nn.Flatten(), nn.Linear(256, 6)), x.shape, 10)
    probe = SegmentationProbe(x[:, :, :5, :5], masks[:, :5, :5], unlabelled=9)
    with pytest.raises(InputError, match="its `decoder` doubles maps of 3 x 3 cells"):
        probe.check(encoder, x.shape, 10)


def test_it_says_what_it_is(x, masks):
    known = SegmentationProbe(x, masks, decoder="unet", epochs=5, unlabelled=9).describe()
    assert (known["name"], known["score"]) == ("segmentation", "IoU")
    assert (known["decoder"], known["epochs"], known["batch_size"], known["lr"]) == (
        "unet", 5, 32, 0.001
    )  # fmt: skip
