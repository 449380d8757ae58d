"""Small fits of classifiers, and what many tests ask of them."""

import numpy as np
import pytest
import torch
from torch import nn

from edaphos_bridge import foundation_fit_classifier

REGIMES = pytest.mark.parametrize("freeze_backbone", [True, False], ids=["frozen", "full"])
CLASSES = ["Inceptisol", "Oxisol", "Ultisol"]


def quick(encoder, x, y, **changes):
    return foundation_fit_classifier(encoder, x, y, **{"epochs": 2, "seed": 1, **changes})


def same(one, other):
    """Whether two fits are bit-equal."""
    return (
        one.to_bytes() == other.to_bytes()
        and one.loss_history == other.loss_history
        and one.classes == other.classes
    )


def bad_patches(kind, x):
    x = x.copy()
    if kind == "nan":
        x[[3, 8], 0, 0, 0] = np.nan
    elif kind == "inf":
        x[[3, 8], 1, 2, 3] = np.inf
    return x


def small_network():
    torch.manual_seed(4)
    return nn.Sequential(nn.Conv2d(4, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def channel_means():
    """An encoder whose features are the means of the channels, of about unit variance."""
    scale = nn.Linear(4, 4, bias=False)
    with torch.no_grad():
        scale.weight.copy_(5 * torch.eye(4))
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), scale)


def assert_frozen(fit, state):
    fit.encoder.train()
    nn.Sequential(fit.encoder).train()
    assert not any(part.training for part in fit.encoder.modules())
    assert not any(parameter.requires_grad for parameter in fit.encoder.parameters())
    found = fit.encoder.state_dict()
    assert list(found) == list(state)
    for name, tensor in state.items():
        assert torch.equal(found[name], tensor), name
