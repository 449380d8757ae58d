"""The MoCo encoder: names, shapes and arithmetic of the original, written out once more."""

import pytest
import torch
from torch.nn import functional

from closeness import assert_close
from edaphos_bridge.encoders.contrastive import l2_normalise
from edaphos_bridge.encoders.moco import MoCoEncoder

BATCH_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
NAMES = [
    f"backbone.{layer}{i}.{name}"
    for i in range(1, 6)
    for layer, names in (("conv", ("weight", "bias")), ("bn", BATCH_NORM))
    for name in names
] + [
    "proj.fc1.weight",
    "proj.fc1.bias",
    *(f"proj.bn1.{name}" for name in BATCH_NORM),
    "proj.fc2.weight",
    "proj.fc2.bias",
]


@pytest.fixture
def module():
    """An encoder whose BatchNorm statistics are not the trivial ones."""
    torch.manual_seed(1)
    module = MoCoEncoder(3, feature_dim=7, proj_dim=5)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if "bn" in name and value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.5)
    return module


def backbone(s, x, training):
    """The backbone as the facts describe it, from a state dict `s`."""

    def conv_bn(i, h, stride=1):
        p = "backbone."
        h = functional.conv2d(
            h, s[f"{p}conv{i}.weight"], s[f"{p}conv{i}.bias"], stride=stride, padding=1
        )
        if training:
            mean, var = h.mean((0, 2, 3)), h.var((0, 2, 3), unbiased=False)
        else:
            mean, var = s[f"{p}bn{i}.running_mean"], s[f"{p}bn{i}.running_var"]
        h = (h - mean[:, None, None]) / torch.sqrt(var[:, None, None] + 1e-5)
        h = h * s[f"{p}bn{i}.weight"][:, None, None] + s[f"{p}bn{i}.bias"][:, None, None]
        return torch.clamp(h, min=0)

    h = conv_bn(1, x)
    h = h + conv_bn(2, h)
    h = conv_bn(3, h, stride=2)
    h = h + conv_bn(4, h)
    h = conv_bn(5, h)
    return h.flatten(2).mean(2)


def projection(s, features):
    h = features @ s["proj.fc1.weight"].T + s["proj.fc1.bias"]
    h = (h - s["proj.bn1.running_mean"]) / torch.sqrt(s["proj.bn1.running_var"] + 1e-5)
    h = torch.clamp(h * s["proj.bn1.weight"] + s["proj.bn1.bias"], min=0)
    z = h @ s["proj.fc2.weight"].T + s["proj.fc2.bias"]
    return z / torch.sqrt((z**2).sum(1, keepdim=True) + 1e-9)


def test_the_state_dict_has_the_44_names_of_the_original_in_order():
    assert list(MoCoEncoder(4).state_dict()) == NAMES
    assert len(NAMES) == 44


def test_default_widths_are_those_of_the_original():
    module = MoCoEncoder(31)
    assert (module.in_channels, module.feature_dim, module.proj_dim) == (31, 64, 32)
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    assert shapes["backbone.conv1.weight"] == (32, 31, 3, 3)
    assert shapes["backbone.conv2.weight"] == (32, 32, 3, 3)
    assert shapes["backbone.conv3.weight"] == (64, 32, 3, 3)
    assert shapes["backbone.conv4.weight"] == (64, 64, 3, 3)
    assert shapes["backbone.conv5.weight"] == (64, 64, 3, 3)
    assert shapes["proj.fc1.weight"] == (64, 64)
    assert shapes["proj.fc2.weight"] == (32, 64)
    assert shapes["backbone.bn1.num_batches_tracked"] == ()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("extent", [(1, 1), (2, 3), (5, 5), (16, 9)])
def test_features_are_the_arithmetic_of_the_facts(module, training, extent):
    # in double: a BatchNorm of four values that are nearly equal divides rounding by their spread
    module, x = module.double(), torch.randn(4, 3, *extent, dtype=torch.float64)
    expected = backbone({**module.state_dict()}, x, training)
    assert_close(module.train(training)(x), expected, 1e-9)


def test_the_projection_ends_on_the_unit_sphere(module):
    features = torch.randn(4, 7)
    z = module.eval().project(features)
    assert_close(z, projection(module.state_dict(), features), 1e-6)
    assert_close(z.norm(dim=1), torch.ones(4), 1e-6)


def test_the_normalisation_has_the_small_constant_of_the_original():
    z = torch.tensor([[3e-5, 0.0], [0.0, -1.0]], dtype=torch.float64)
    expected = [[3e-5 / (9e-10 + 1e-9) ** 0.5, 0.0], [0.0, -1 / (1 + 1e-9) ** 0.5]]
    assert_close(l2_normalise(z), expected, 1e-12, 0)


def test_a_zero_projection_is_not_divided_by_zero(module):
    with torch.no_grad():
        for parameter in module.proj.fc2.parameters():
            parameter.zero_()
    assert torch.equal(module.eval().project(torch.randn(2, 7)), torch.zeros(2, 5))
