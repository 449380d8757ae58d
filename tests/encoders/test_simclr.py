"""The SimCLR encoder: names, shapes and arithmetic of the original, written out once more."""

import pytest
import torch
from torch.nn import functional

from closeness import assert_close
from edaphos_bridge.encoders.simclr import SimCLREncoder


def test_the_state_dict_has_the_8_names_of_the_original():
    assert list(SimCLREncoder(4).state_dict()) == [
        "conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias",
        "proj.0.weight", "proj.0.bias", "proj.2.weight", "proj.2.bias",
    ]  # fmt: skip


def test_default_widths_are_those_of_the_original():
    module = SimCLREncoder(31)
    assert (module.in_channels, module.feature_dim, module.proj_dim) == (31, 32, 16)
    shapes = [tuple(parameter.shape) for parameter in module.parameters()]
    assert shapes == [
        (16, 31, 3, 3), (16,), (32, 16, 3, 3), (32,), (32, 32), (32,), (16, 32), (16,),
    ]  # fmt: skip


@pytest.mark.parametrize("extent", [(1, 1), (2, 3), (9, 5)])
def test_features_and_projections_are_the_arithmetic_of_the_facts(extent):
    torch.manual_seed(1)
    module = SimCLREncoder(3, feature_dim=6, proj_dim=5)
    s = module.state_dict()
    x = torch.randn(4, 3, *extent)
    h = torch.clamp(functional.conv2d(x, s["conv1.weight"], s["conv1.bias"], padding=1), min=0)
    h = torch.clamp(functional.conv2d(h, s["conv2.weight"], s["conv2.bias"], padding=1), min=0)
    features = h.flatten(2).mean(2)
    assert_close(module(x), features, 1e-6)
    z = torch.clamp(features @ s["proj.0.weight"].T + s["proj.0.bias"], min=0)
    z = z @ s["proj.2.weight"].T + s["proj.2.bias"]
    expected = z / torch.sqrt((z**2).sum(1, keepdim=True) + 1e-9)
    assert_close(module.project(features), expected, 1e-6)
    assert_close(expected.norm(dim=1), torch.ones(4), 1e-6)
