"""Folded encoders: the same features with fewer passes over memory."""

import copy

import pytest
import torch
from torch import nn

from closeness import assert_close, size_of
from edaphos_bridge import foundation_encoder
from edaphos_bridge.encoders.folding import folded
from edaphos_bridge.encoders.moco import MoCoEncoder


@pytest.fixture
def trained():
    """A MoCo encoder whose BatchNorms are far from their initial state."""
    encoder = foundation_encoder("moco", 5, feature_dim=8, proj_dim=4, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for layer in encoder.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.uniform_(0.5, 2, generator=generator)
                layer.bias.normal_(0, 0.3, generator=generator)
                layer.running_mean.normal_(0, 0.3, generator=generator)
                layer.running_var.uniform_(0.1, 3, generator=generator)
    return encoder.eval()


@pytest.fixture(params=["moco", "simclr", "rotation"])
def ours(request, trained):
    if request.param == "rotation":
        return foundation_encoder("rotation", 5, patch_size=9, seed=1).eval()
    return trained if request.param == "moco" else foundation_encoder("simclr", 5, seed=1).eval()


def test_features_are_within_1e_6(ours):
    any_size = [(16, 16), (9, 9), (3, 5), (1, 1)]
    for size in [(9, 9)] if hasattr(ours, "patch_size") else any_size:
        x = torch.randn(6, 5, *size, generator=torch.Generator().manual_seed(3))
        with torch.no_grad():
            features, plain = folded(ours)(x), ours(x)
        assert_close(features, plain, 1e-6, size_of(plain))


def test_folding_takes_a_copy(ours, state_of):
    before, x = state_of(ours), torch.randn(2, 5, 9, 9)
    given = x.clone()
    with torch.no_grad():
        folded(ours)(x)
    assert torch.equal(x, given)
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, before[name])
        assert tensor.is_contiguous()


def test_folding_draws_no_random_number(trained):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert not any(
        isinstance(layer, nn.BatchNorm2d) for layer in folded(trained).backbone.modules()
    )
    assert torch.equal(torch.get_rng_state(), state)


def test_other_modules_are_used_as_they_are(trained):
    class Mine(MoCoEncoder):
        def forward(self, x):
            return super().forward(x) + 1

    class MySequential(nn.Sequential):
        pass

    layers = [nn.Conv2d(5, 3, 1), nn.BatchNorm2d(3), nn.Flatten()]
    for module in (Mine(5, 8, 4), MySequential(*layers), nn.Conv2d(5, 3, 1)):
        assert folded(module.eval()) is module


@pytest.mark.parametrize("where", ["", "backbone.bn3"])
@pytest.mark.parametrize("hook", ["register_forward_hook", "register_forward_pre_hook"])
def test_hooks_are_called_so_an_encoder_with_hooks_is_used_as_it_is(trained, where, hook):
    module = copy.deepcopy(trained)
    getattr(module.get_submodule(where), hook)(lambda *args: None)
    assert folded(module) is module
