"""NaN and infinity in patches, found after the first layer: every cell, and nothing else."""

import numpy as np
import pytest
import torch
from torch import nn

from edaphos_bridge.encoders.first_layer_check import FirstLayerCheck, shows_every_cell
from edaphos_bridge.encoders.folding import folded
from edaphos_bridge.errors import InputError

SHAPE = (2, 3, 7, 8)


def conv(out=2, kernel=3, **settings):
    return nn.Sequential(nn.Conv2d(3, out, kernel, **settings), nn.Flatten())


def linear(out=4):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 7 * 8, out))


KNOWN = {
    "linear": linear(),
    "conv": conv(),
    "conv with padding": conv(padding=1),
    "strides": conv(kernel=(3, 2), stride=2, padding=(1, 0)),
    "strides of the kernel's size": conv(kernel=(7, 2), stride=(7, 2)),
    "groups": conv(out=3, groups=3, stride=2, padding=1),
    "one by one": conv(out=1, kernel=1),
}


@torch.no_grad()
@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_bad_value_in_any_cell_is_found(name, bad):
    assert shows_every_cell(KNOWN[name], SHAPE)
    encoder = FirstLayerCheck(KNOWN[name], lambda: InputError("x", "is bad"))
    for cell in np.ndindex(SHAPE):
        x = torch.randn(SHAPE)
        x[cell] = bad
        with pytest.raises(InputError, match="is bad"):
            encoder(x)


@torch.no_grad()
def test_a_weight_of_zero_hides_nothing():
    encoder = linear()
    for parameter in encoder.parameters():
        parameter.zero_()
    x = torch.ones(SHAPE)
    x[1, 2, 3, 4] = -np.inf
    with pytest.raises(InputError):
        FirstLayerCheck(encoder, lambda: InputError("x", "is bad"))(x)


@torch.no_grad()
def test_infinity_is_found_before_a_relu_hides_it():
    layers = nn.Conv2d(3, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten()
    encoder = nn.Sequential(*layers).eval()
    encoder[0].weight.abs_()  # minus infinity stays itself, and a ReLU makes zero of it
    x = torch.zeros(SHAPE)
    x[1, 2, 3, 4] = -np.inf
    assert folded(encoder)(x).isfinite().all()
    with pytest.raises(InputError):
        FirstLayerCheck(folded(encoder), lambda: InputError("x", "is bad"))(x)


@torch.no_grad()
@pytest.mark.parametrize("name", KNOWN)
def test_finite_patches_have_the_features_of_the_encoder(name):
    x = torch.randn(SHAPE)
    checked = FirstLayerCheck(KNOWN[name], lambda: pytest.fail("refused"))
    assert torch.equal(checked(x), KNOWN[name](x))


@torch.no_grad()
def test_a_layer_that_overflows_is_no_bad_value():
    encoder = linear()
    encoder[1].weight.fill_(1.0)
    assert (
        FirstLayerCheck(encoder, lambda: pytest.fail("refused"))(torch.full(SHAPE, 3e38))
        .isinf()
        .all()
    )


@pytest.mark.parametrize(
    "encoder",
    [
        conv(kernel=2, stride=3),
        conv(kernel=(2, 3), stride=2),
        conv(dilation=2),
        conv(padding="same"),
        conv(out=64),
        linear(out=3 * 7 * 8),
        nn.Flatten(),
    ],
    ids=[
        "cells between the strides",
        "a last cell left over",
        "dilation",
        "padding by name",
        "a wide output",
        "a wide linear layer",
        "no first layer",
    ],
)
def test_where_cells_may_be_missed_or_nothing_is_gained_patches_are_checked_as_ever(encoder):
    assert not shows_every_cell(encoder, SHAPE)
