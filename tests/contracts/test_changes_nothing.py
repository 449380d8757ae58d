"""A fit changes nothing that it was given, also where it fails or is interrupted."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from edaphos_bridge import foundation_fit_segmenter
from edaphos_bridge.errors import TrainingError
from small_encoders import NAMES, small_encoder
from small_fits import CLASSES, REGIMES, quick, same


@REGIMES
@pytest.mark.parametrize("training", [True, False])
def test_a_fit_changes_nothing_it_was_given(
    dropout_encoder, x, y, snapshot, freeze_backbone, training
):
    dropout_encoder.train(training)
    dropout_encoder[0].requires_grad_(False)
    dropout_encoder[1].train(not training)
    series = pd.Series(pd.Categorical(y, categories=["unused", *CLASSES]))
    torch.manual_seed(8)
    np.random.seed(8)  # noqa: NPY002
    x.flags.writeable = False

    def everything():
        return (
            snapshot(dropout_encoder),
            x.tobytes(),
            series.tolist(),
            series.cat.categories.tolist(),
            torch.get_rng_state().tolist(),
            np.random.get_state()[1].tolist(),  # noqa: NPY002
            list(warnings.filters),
            torch.is_grad_enabled(),
            torch.get_num_threads(),
            torch.get_default_dtype(),
        )

    before = everything()
    for seed in (1, None):
        fit = quick(dropout_encoder, x, series, freeze_backbone=freeze_backbone, seed=seed)
        assert everything() == before
    memory = {p.data_ptr() for p in dropout_encoder.parameters()}
    assert memory.isdisjoint(p.data_ptr() for p in fit.encoder.parameters())


def writing_head(width):
    return nn.Sequential(nn.ReLU(inplace=True), nn.Linear(width, 3))


@REGIMES
def test_a_head_that_writes_to_features_which_are_the_patches_leaves_them_alone(
    x, y, freeze_backbone
):
    given = np.ascontiguousarray(x, dtype=np.float32)
    before = given.copy()
    head = writing_head(given[0].size)
    fit = quick(nn.Flatten(), given, y, head=head, freeze_backbone=freeze_backbone)
    fit.predict(given)
    assert np.array_equal(given, before)


class WritingDecoder(nn.Module):
    reads = "maps"

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(4, 3, 1)

    def forward(self, maps):
        return self.layer(maps[0].relu_())


@REGIMES
def test_a_decoder_that_writes_to_its_maps_leaves_the_patches_alone(encoder, x, freeze_backbone):
    given = np.ascontiguousarray(x, dtype=np.float32)
    before = given.copy()
    masks = np.arange(given[:, 0].size).reshape(given[:, 0].shape) % 3
    regime = "frozen" if freeze_backbone else "finetune"
    fit = foundation_fit_segmenter(
        encoder, given, masks, decoder=WritingDecoder(), regime=regime, epochs=1, seed=1
    )
    fit.predict(given)
    assert np.array_equal(given, before)


@REGIMES
def test_a_tensor_given_as_x_is_only_read(encoder, x, y, freeze_backbone):
    tensor = torch.from_numpy(x).float().requires_grad_()
    before = tensor.detach().clone()
    fit = quick(encoder, tensor, y, freeze_backbone=freeze_backbone)
    assert torch.equal(tensor.detach(), before)
    assert tensor.grad is None
    assert same(fit, quick(encoder, x.astype(np.float32), y, freeze_backbone=freeze_backbone))


@pytest.mark.parametrize("architecture", NAMES)
@REGIMES
def test_the_callers_float32_patches_are_never_written_to(architecture, x, y, freeze_backbone):
    """Encoders of ours read them where they lie."""
    given = x.astype(np.float32)
    before = given.copy()
    fit = quick(small_encoder(architecture, 4), given, y, freeze_backbone=freeze_backbone)
    fit.predict(given)
    assert np.array_equal(given, before)
    doubles = fit.predict_proba(before.astype(np.float64))
    assert np.array_equal(fit.predict_proba(given), doubles)


def test_a_module_that_writes_to_its_input_gets_a_copy(x, y):
    given = x.astype(np.float32)
    before = given.copy()
    module = nn.Sequential(nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    fit = quick(module, given, y)
    fit.predict(given)
    assert np.array_equal(given, before)


@REGIMES
def test_two_fits_from_one_encoder_are_independent(encoder, x, y, freeze_backbone):
    first = quick(encoder, x, y, freeze_backbone=freeze_backbone)
    expected = first.predict_proba(x)
    second = quick(encoder, x, y, freeze_backbone=freeze_backbone, lr=0.5, seed=2)
    assert np.array_equal(first.predict_proba(x), expected)
    assert not np.array_equal(second.predict_proba(x), expected)
    assert same(quick(encoder, x, y, freeze_backbone=freeze_backbone), first)


@pytest.mark.parametrize("val_split", [0.2, 0])
def test_divergence_is_an_error_and_the_callers_encoder_is_as_it_was(
    encoder, x, y, snapshot, val_split
):
    before = snapshot(encoder)
    with pytest.raises(TrainingError, match=r"The loss is nan .* has diverged"):
        quick(encoder, x, y, freeze_backbone=False, lr=1e30, val_split=val_split)
    assert snapshot(encoder) == before


def test_an_interrupted_fit_leaves_everything_as_it_was(encoder, x, y, monkeypatch, snapshot):
    before, generator = snapshot(encoder), torch.get_rng_state()

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("edaphos_bridge.training.loop.EpochReport", interrupt)
    with pytest.raises(KeyboardInterrupt):
        quick(encoder, x, y, freeze_backbone=False)
    assert snapshot(encoder) == before
    assert torch.equal(torch.get_rng_state(), generator)
