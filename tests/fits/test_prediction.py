"""Prediction: in batches, in eval mode, and never of a missing value."""

import copy
import math
import re

import numpy as np
import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.features import batch_size_for
from edaphos_bridge.errors import InputError
from small_fits import bad_patches, quick


def test_probabilities_are_the_softmax_of_head_and_encoder(encoder, x, y):
    fit = quick(encoder, x, y)
    with torch.no_grad():
        logits = fit.head(fit.encoder(torch.from_numpy(x).float())).double().numpy()
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert_close(fit.predict_proba(x), expected, 1e-6)


def test_any_real_array_is_predicted(encoder, x, y):
    fit = quick(encoder, x, y)
    whole = np.rint(x * 10)
    expected = fit.predict_proba(whole)
    for other in (whole.astype(np.int16), np.asfortranarray(whole), torch.from_numpy(whole)):
        assert np.array_equal(fit.predict_proba(other), expected)


def test_prediction_goes_in_batches_from_reading_to_the_head(encoder, x, y, monkeypatch):
    fit = quick(encoder, x, y)
    many = np.random.default_rng(2).normal(size=(3000, 4, 5, 5)).astype(np.float32)
    read, encoded, headed = [], [], []
    original = Patches.batches
    monkeypatch.setattr(
        Patches,
        "batches",
        lambda self, size, **how: (
            read.append(len(batch)) or batch for batch in original(self, size, **how)
        ),
    )
    fit.encoder.register_forward_pre_hook(lambda m, inputs: encoded.append(len(inputs[0])))
    fit.head.register_forward_pre_hook(lambda m, inputs: headed.append(len(inputs[0])))
    limit = batch_size_for(many.shape, "cpu", fit.encoder)
    assert limit < 3000
    probabilities = fit.predict_proba(many)
    for sizes in (read, encoded, headed):
        assert sum(sizes) == 3000
        assert max(sizes) <= limit
    assert_close(probabilities[2990:], fit.predict_proba(many[2990:]), 1e-6)


def test_prediction_is_in_eval_mode_whatever_mode_the_modules_are_in(dropout_encoder, x, y):
    for freeze_backbone in (True, False):
        fit = quick(dropout_encoder, x, y, freeze_backbone=freeze_backbone, head="mlp", dropout=0.5)
        expected = fit.predict_proba(x)
        before = copy.deepcopy(fit.encoder.state_dict())
        fit.encoder.train()
        fit.head.train()
        assert np.array_equal(fit.predict_proba(x), expected)
        for name, tensor in fit.encoder.state_dict().items():
            assert torch.equal(tensor, before[name])


def test_prediction_changes_neither_x_nor_the_generators_nor_the_fit(encoder, x, y, snapshot):
    fit = quick(encoder, x, y)
    state, generator, bits = snapshot(fit.encoder), torch.get_rng_state(), x.tobytes()
    x.flags.writeable = False
    fit.predict(x)
    assert snapshot(fit.encoder) == state
    assert torch.equal(torch.get_rng_state(), generator)
    assert x.tobytes() == bits


# --- what cannot be predicted -------------------------------------------------------------


@pytest.mark.parametrize("type", ["class", "prob"])
@pytest.mark.parametrize("kind", ["nan", "inf"])
def test_missing_values_are_never_predicted(encoder, x, y, kind, type):
    fit = quick(encoder, x, y)
    with pytest.raises(InputError, match=r"`x` holds NA.* in 2 of 41 patches \(first: 3, 8;"):
        fit.predict(bad_patches(kind, x), type=type)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"type": "probs"}, "`type` must be one of 'class', 'prob'; found 'probs'"),
        ({"type": None}, "`type` must be one of 'class', 'prob'; found None"),
        ({"device": "gpu"}, "`device` must be one of 'cpu', 'mps', 'cuda'; found 'gpu'"),
        ({"x": np.zeros((2, 3, 5, 5))}, "`x` must have 4 channels for this encoder; found 3"),
        ({"x": np.zeros((0, 3, 5, 5))}, "`x` must have 4 channels for this encoder; found 3"),
        ({"x": np.zeros((4, 5, 5))}, "`x` must have the four dimensions"),
        ({"x": np.zeros((2, 4, 0, 5))}, "`x` must not have an extent of zero"),
        ({"x": None}, "`x` must be an array"),
    ],
)
def test_arguments_of_predict_that_cannot_be_used_are_named(encoder, x, y, arguments, message):
    fit = quick(encoder, x, y)
    with pytest.raises(InputError, match=re.escape(message)):
        fit.predict(**{"x": x, **arguments})


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Flatten(), nn.Linear(100, 6)],
        [nn.Flatten()],
        [nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(18, 6), nn.ReLU()],
    ],
)
@pytest.mark.parametrize("size", [(7, 7), (5, 6), (2, 2)])
def test_patches_of_a_size_that_the_encoder_cannot_take_are_an_error_with_both(x, y, layers, size):
    fit = quick(nn.Sequential(*layers), x, y)
    says = rf"`x` must have patches of \[5, 5\] cells .*found \[{size[0]}, {size[1]}\]"
    with pytest.raises(InputError, match=says):
        fit.predict(np.zeros((3, 4, *size)))
    assert len(fit.predict(np.zeros((0, 4, *size)))) == 0


def test_an_encoder_that_fails_on_later_patches_is_an_error_that_keeps_the_cause(x, y):
    class Fails(nn.Module):
        def forward(self, x):
            if x[0, 0, 0, 0] == 77:
                raise LookupError("no such patch")
            return x.mean((2, 3))

    fit = quick(Fails(), x, y)
    x[0, 0, 0, 0] = 77
    with pytest.raises(InputError, match=r"`encoder` fails on patches .*no such patch") as caught:
        fit.predict(x)
    assert isinstance(caught.value.__cause__, LookupError)


def test_a_patch_that_an_encoder_maps_to_nan_is_not_called_the_first_class(x, y):
    class Standardised(nn.Module):
        """Divides each patch by its own spread, which is 0 for a constant one."""

        def forward(self, x):
            return ((x - x.mean((1, 2, 3), True)) / x.std((1, 2, 3), keepdim=True)).mean(3)[:, :, 0]

    fit = quick(Standardised(), x, y)
    x[[5, 6]] = 1
    with pytest.raises(InputError, match=r"`x` gives NaN .* in 2 of 41 patches \(first: 5, 6;"):
        fit.predict(x)


def test_bad_weights_are_named_for_patches_of_another_size_too(encoder, x, y):
    fit = quick(encoder, x, y)
    with torch.no_grad():
        next(fit.encoder.parameters())[0] = math.nan
    with pytest.raises(InputError, match="`encoder` has weights that are NaN"):
        fit.predict(np.ones((2, x.shape[1], 11, 11)))
