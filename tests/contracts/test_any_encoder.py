"""An encoder is anything that maps patches to features, however it wraps them."""

import copy
import re
import warnings
from collections import namedtuple
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import foundation_encoder
from edaphos_bridge.errors import InputError
from small_encoders import XRESNETS, small_encoder
from small_fits import REGIMES, quick, same, small_network

Named = namedtuple("Named", ["projection", "feature"])


@dataclass
class Embedded:
    embedding: torch.Tensor


class Wrapped(nn.Module):
    """A small network whose features come in the wrapping asked for."""

    def __init__(self, wrap):
        super().__init__()
        self.network = small_network()
        self.wrap = wrap

    def forward(self, x):
        return self.wrap(self.network(x))


WRAPPINGS = {
    "dict with feature": lambda f: {"projection": f[:, :1], "feature": f},
    "dict with embedding": lambda f: {"embedding": f},
    "namedtuple": lambda f: Named(f[:, :1], f),
    "dataclass": Embedded,
    "object": lambda f: SimpleNamespace(feature=f, embedding=f[:, :1]),
    "1 by 1 map": lambda f: f[:, :, None, None],
}


@REGIMES
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_module_may_wrap_its_features(x, y, wrapping, freeze_backbone):
    plain = quick(Wrapped(lambda f: f), x, y, freeze_backbone=freeze_backbone)
    wrapped = quick(Wrapped(WRAPPINGS[wrapping]), x, y, freeze_backbone=freeze_backbone)
    assert wrapped.feature_dim == 6
    assert wrapped.loss_history == plain.loss_history
    assert np.array_equal(wrapped.predict_proba(x), plain.predict_proba(x))


@REGIMES
def test_a_bare_module_is_an_encoder(x, y, freeze_backbone):
    fit = quick(small_network(), x, y, freeze_backbone=freeze_backbone)
    assert fit.feature_dim == 6
    assert type(fit.encoder) is nn.Sequential


@pytest.mark.parametrize("architecture", ["moco", "simclr"])
def test_features_are_those_before_the_projection(x, y, architecture):
    encoder = foundation_encoder(architecture, 4, feature_dim=8, proj_dim=8, seed=1)
    assert quick(encoder, x, y).feature_dim == 8
    plain = quick(nn.Sequential(copy.deepcopy(encoder)), x, y)
    assert_close(quick(encoder, x, y).loss_history, plain.loss_history, 1e-6)


@pytest.mark.parametrize("architecture", XRESNETS)
@REGIMES
def test_an_xresnet_is_folded_and_trained_channels_last_with_about_the_same_result(
    x, y, architecture, freeze_backbone
):
    # All rows in a batch: where the last has one patch, BatchNorms of its 1 by 1 maps divide by the
    # root of eps alone, and rounding grows some 300 times in each.
    run = {"freeze_backbone": freeze_backbone, "batch_size": 33, "epochs": 3}
    encoder = small_encoder(architecture, 4)
    ours = quick(encoder, x, y, **run)
    plain = quick(nn.Sequential(copy.deepcopy(encoder)), x, y, **run)
    assert ours.feature_dim == encoder.feature_dim
    assert_close(ours.loss_history, plain.loss_history, 1e-4)


def test_a_fit_of_ours_is_an_encoder_for_the_next_fit(encoder, x, y):
    first = quick(encoder, x, y, freeze_backbone=False)
    second = quick(first, x, y)
    assert second.loss_history == quick(first.encoder, x, y).loss_history
    assert second.encoder is not first.encoder


def test_a_lazy_module_is_an_encoder_and_stays_lazy_for_the_caller(x, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch: lazy modules are new
        lazy = nn.Sequential(nn.LazyConv2d(5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    one, other = (quick(lazy, x, y, freeze_backbone=False) for _ in range(2))
    assert same(one, other)
    assert isinstance(lazy[0].weight, nn.parameter.UninitializedParameter)


class Raising(nn.Module):
    def forward(self, x):
        raise RuntimeError("band 7 is missing")


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (None, "`encoder` must be a fit of edaphos_bridge or a torch.nn.Module"),
        ("moco", "`encoder` must be a fit of edaphos_bridge or a torch.nn.Module"),
        (len, "`encoder` must be a fit of edaphos_bridge or a torch.nn.Module"),
        (nn.Linear, "found <class 'torch"),
        (foundation_encoder("moco", 3), "`x` must have 3 channels for this encoder; found 4"),
        (foundation_encoder("simclr", 5), "`x` must have 5 channels for this encoder; found 4"),
        (nn.Sequential(nn.Conv2d(2, 3, 1)), "`x` must have 2 channels for this encoder; found 4"),
        (nn.Conv2d(4, 6, 3), "`encoder` must return features (B, D) for 1 patches; found [1, 6, 3"),
        (nn.Conv2d(4, 6, 9), "`encoder` fails on a patch of shape [1, 4, 5, 5]: RuntimeError"),
        (Wrapped(lambda f: (f,)), "`encoder` must return a tensor, or a mapping or object"),
        (Raising(), "RuntimeError: band 7 is missing"),
    ],
)
@REGIMES
def test_an_encoder_that_cannot_be_used_is_an_error(
    encoder, message, x, y, freeze_backbone, no_training
):
    with pytest.raises(InputError, match=re.escape(message)):
        quick(encoder, x, y, freeze_backbone=freeze_backbone)


def test_features_that_are_not_finite_are_an_error_before_training(x, y, no_training):
    x[[2, 9], 0] = -1e6
    x[x > 0] = 0
    encoder = Wrapped(lambda f: torch.log(f * 0 + 1))
    encoder.forward = lambda x: torch.log(x[:, :1, 0, 0] + 10)
    with pytest.raises(InputError, match=r"`encoder` returns NaN .* for 2 of 41 .*\(first: 2, 9;"):
        quick(encoder, x, y)
