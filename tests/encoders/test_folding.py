"""Folded encoders: the same features with fewer passes over memory."""

import copy

import pytest
import torch
from torch import nn

from closeness import assert_close, size_of
from edaphos_bridge.encoders.folding import folded
from edaphos_bridge.encoders.moco import MoCoEncoder
from edaphos_bridge.encoders.xresnet import XResNet
from small_encoders import NAMES, small_encoder, with_other_norms


@pytest.fixture
def trained():
    """A MoCo encoder whose BatchNorms are far from their initial state."""
    return with_other_norms(small_encoder("moco", 5))


@pytest.fixture(params=NAMES)
def ours(request):
    return with_other_norms(small_encoder(request.param, 5))


def test_features_are_the_same_but_for_rounding_which_grows_with_the_depth(ours):
    any_size = [(16, 16), (9, 9), (3, 5), (1, 1)]
    for size in [(5, 5)] if hasattr(ours, "patch_size") else any_size:
        x = torch.randn(6, 5, *size, generator=torch.Generator().manual_seed(3))
        with torch.no_grad():
            features, plain = folded(ours)(x), ours(x)
            doubles = copy.deepcopy(ours).double()
            exact, folded_exact = doubles(x.double()), folded(doubles)(x.double())
        assert_close(features, plain, 1e-5 if isinstance(ours, XResNet) else 1e-6, size_of(plain))
        assert_close(folded_exact, exact, 1e-13, size_of(exact))


def test_folding_takes_a_copy(ours, state_of):
    before, x = state_of(ours), torch.randn(2, 5, 5, 5)
    given = x.clone()
    with torch.no_grad():
        folded(ours)(x)
    assert torch.equal(x, given)
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, before[name])
        assert tensor.is_contiguous()


def test_folding_draws_no_random_number(ours):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded(ours).modules())
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
