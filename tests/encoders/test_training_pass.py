"""The written-out passes of a MoCo encoder: features, gradients and statistics of the encoder."""

import copy

import pytest
import torch
from torch import nn

from edaphos_bridge import foundation_encoder
from edaphos_bridge.encoders.training_pass import TrainedEncoder, for_training


@pytest.fixture
def encoder():
    """A MoCo encoder in double, so that nothing but the arithmetic counts."""
    encoder = foundation_encoder("moco", 5, feature_dim=8, proj_dim=4, seed=1).double().train()
    with torch.no_grad():
        for layer in encoder.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.uniform_(-2, 2)
                layer.bias.normal_(0, 0.3)
    return encoder


def step(module, x, weights):
    """Return features and run the backward pass of their weighted sum."""
    features = module(x)
    (features * weights).sum().backward()
    return features


def random(*shape):
    generator = torch.Generator().manual_seed(len(shape))
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(6, 16, 16), (3, 9, 9), (4, 3, 5), (3, 1, 1), (1, 3, 3)])
def test_features_gradients_and_statistics_are_those_of_autograd(encoder, shape, layout):
    n, height, width = shape
    x = random(n, 5, height, width).contiguous(memory_format=layout)
    plain = copy.deepcopy(encoder).to(memory_format=layout)
    ours = copy.deepcopy(plain)
    fast = for_training(ours).train()
    assert isinstance(fast, TrainedEncoder)
    for weights in (random(n, 8), random(n, 8).cos()):  # gradients of two passes add up
        expected, features = step(plain, x, weights), step(fast, x, weights)
        torch.testing.assert_close(features, expected, rtol=0, atol=1e-12)
    for (name, one), other in zip(plain.named_parameters(), ours.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None) == name.startswith("proj"), name
        if one.grad is not None:
            torch.testing.assert_close(other.grad, one.grad, rtol=1e-9, atol=1e-12, msg=name)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=0, atol=1e-12, msg=name)


def test_the_passes_are_written_out_and_not_handed_to_the_encoder(encoder, monkeypatch):
    monkeypatch.setattr(encoder.backbone, "forward", None)  # any call would fail
    fast = TrainedEncoder(encoder)
    step(fast.train(), random(2, 5, 8, 8), random(2, 8))
    assert encoder.backbone.conv3.weight.grad.abs().max() > 0


def test_biases_before_batchnorm_get_gradients_of_exactly_zero(encoder):
    encoder = encoder.float()
    step(for_training(encoder), random(6, 5, 9, 9).float(), random(6, 8).float())
    for i in range(1, 6):
        bias = getattr(encoder.backbone, f"conv{i}").bias
        assert torch.equal(bias.grad, torch.zeros_like(bias))


def test_one_value_a_channel_is_left_to_the_encoder(encoder):
    """There BatchNorm has no variance: torch refuses, and training lets running statistics in."""
    fast = for_training(encoder).train()
    for size in (1, 2):
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            fast(random(1, 5, size, size))


def test_layers_that_are_frozen_get_no_gradient(encoder):
    x, weights = random(4, 5, 6, 6), random(4, 8)
    encoder.backbone.conv1.requires_grad_(False)
    encoder.backbone.bn4.requires_grad_(False)
    plain = copy.deepcopy(encoder)
    step(plain, x, weights)
    step(for_training(encoder), x, weights)
    for (name, one), other in zip(
        plain.named_parameters(), encoder.named_parameters(), strict=True
    ):
        assert (one.grad is None) == (other[1].grad is None), name
    assert encoder.backbone.conv1.weight.grad is None
    assert encoder.backbone.conv2.weight.grad is not None


def test_a_gradient_for_the_patches_is_that_of_autograd(encoder):
    weights = random(4, 8)
    found = [random(4, 5, 6, 6).requires_grad_() for _ in range(2)]
    step(copy.deepcopy(encoder), found[0], weights)
    step(for_training(encoder).train(), found[1], weights)
    torch.testing.assert_close(found[1].grad, found[0].grad, rtol=1e-9, atol=1e-12)


def test_autocast_is_left_to_torch(encoder):
    fast, x = for_training(encoder.float()).train(), random(4, 5, 6, 6).float()
    plain = copy.deepcopy(encoder)
    with torch.autocast("cpu", torch.bfloat16):
        expected, features = step(plain, x, 1), step(fast, x, 1)
    assert torch.equal(features, expected)


def test_in_eval_mode_the_encoder_answers(encoder):
    fast, x = for_training(encoder).eval(), random(3, 5, 6, 6)
    expected = encoder.eval()(x)
    before = copy.deepcopy(encoder.state_dict())
    assert torch.equal(fast(x), expected)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_any_other_module_is_trained_as_it_is(encoder):
    simclr = foundation_encoder("simclr", 5, seed=1)
    changed = copy.deepcopy(encoder)
    changed.backbone.bn3 = nn.Identity()
    for module in (simclr, changed, nn.Flatten()):
        assert for_training(module) is module
