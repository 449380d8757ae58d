"""Folded encoders: the same features with fewer passes over memory."""

import copy

import pytest
import torch
from torch import nn

from closeness import assert_close, size_of
from edaphos_bridge import foundation_encoder
from edaphos_bridge.encoders.folding import FoldedBackbone, folded
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


@pytest.fixture(params=["moco", "simclr"])
def ours(request, trained):
    return trained if request.param == "moco" else foundation_encoder("simclr", 5, seed=1).eval()


@pytest.mark.parametrize("size", [(16, 16), (9, 9), (3, 5), (1, 1)])
def test_features_are_within_1e_6(ours, size):
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
    assert isinstance(folded(trained), FoldedBackbone)
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


class Mine(nn.Module):
    """Code of a user's: what it does with its layers is its own affair."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(4, 4, 1), settled(nn.BatchNorm2d(4)))

    def forward(self, x):
        return self.body(x) + self.body[0](x)


def settled(bn):
    """Give a BatchNorm weights and statistics far from their initial state."""
    with torch.no_grad():
        for tensor in (bn.weight, bn.bias, bn.running_mean, bn.running_var):
            if tensor is not None:
                tensor.copy_(torch.rand(bn.num_features).add_(0.2))
    return bn


@pytest.fixture
def sequence():
    torch.manual_seed(4)
    block = nn.Sequential(nn.Conv2d(6, 4, 3, bias=False), settled(nn.BatchNorm2d(4)), nn.ReLU())
    conv = nn.Conv2d(5, 6, 3, stride=2, padding=1, padding_mode="circular")
    first = [nn.ReLU(), conv, settled(nn.BatchNorm2d(6, affine=False)), nn.ReLU()]
    return nn.Sequential(*first, block, Mine(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def layers_of(module):
    return [str(layer) for layer in module]


@torch.no_grad()
def test_a_sequence_has_its_features_within_1e_6_and_is_not_changed(sequence, state_of):
    before, x = state_of(sequence), torch.randn(6, 5, 16, 16)
    given, printed = x.clone(), str(sequence)
    features = folded(sequence)(x)
    assert torch.equal(x, given)
    assert str(sequence) == printed
    for name, tensor in sequence.state_dict().items():
        assert torch.equal(tensor, before[name])
    plain = sequence(x)
    assert_close(features, plain, 1e-6, size_of(plain))


def test_batchnorms_after_convolutions_are_folded_into_them_also_in_inner_sequences(sequence):
    fast = folded(sequence)
    assert layers_of(fast[:3]) == [
        "ReLU()",  # its input is the caller's
        str(nn.Conv2d(5, 6, 3, stride=2, padding=1, padding_mode="circular")),
        "ReLU(inplace=True)",
    ]
    assert layers_of(fast[3]) == [str(nn.Conv2d(6, 4, 3)), "ReLU(inplace=True)"]
    assert fast[4] is sequence[5]


UNFOLDED = {
    "statistics of each batch": lambda: [
        nn.Conv2d(5, 4, 1),
        nn.BatchNorm2d(4, track_running_stats=False),
    ],
    "a class of its own": lambda: [OtherConv(5, 4, 1), nn.BatchNorm2d(4), nn.ReLU()],
    "another layer between": lambda: [nn.Conv2d(5, 4, 1), nn.Tanh(), nn.BatchNorm2d(4), nn.ReLU()],
    "a hook of the convolution": lambda: [hooked(nn.Conv2d(5, 4, 1)), nn.BatchNorm2d(4)],
    "a hook of the BatchNorm": lambda: [nn.Conv2d(5, 4, 1), hooked(nn.BatchNorm2d(4))],
    "a hook of the ReLU": lambda: [nn.Conv2d(5, 4, 1), hooked(nn.ReLU())],
    "weights made in each pass": lambda: [
        nn.utils.parametrizations.weight_norm(nn.Conv2d(5, 4, 1)),
        nn.BatchNorm2d(4),
    ],
}


class OtherConv(nn.Conv2d):
    def forward(self, x):
        return super().forward(x) + 1


def hooked(layer):
    layer.register_forward_hook(lambda *args: None)
    return layer


@pytest.mark.parametrize("layers", UNFOLDED.values(), ids=UNFOLDED)
def test_a_sequence_keeps_what_may_compute_something_else(layers):
    sequence = nn.Sequential(*layers()).eval()
    assert layers_of(folded(sequence)) == layers_of(sequence)


def test_a_batchnorm_that_still_learns_its_statistics_is_kept():
    sequence = nn.Sequential(nn.Conv2d(5, 4, 1), nn.BatchNorm2d(4)).eval()
    sequence[1].train()
    assert layers_of(folded(sequence)) == layers_of(sequence)
    assert sequence[1].training
