"""The written-out passes of a MoCo encoder: features, gradients and statistics of the encoder."""

import copy

import pytest
import torch
from torch import nn

from closeness import assert_close, size_of
from edaphos_bridge import foundation_encoder
from edaphos_bridge.encoders.training_pass import TrainingPass, can_be_written_out
from edaphos_bridge.training.batchnorm import single_values_use_running_statistics


@pytest.fixture
def encoder():
    """A MoCo encoder in double, so that nothing but the arithmetic counts."""
    encoder = foundation_encoder("moco", 5, feature_dim=8, proj_dim=4, seed=1).double().train()
    with torch.no_grad():
        for layer in encoder.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.uniform_(-2, 2)
                layer.bias.normal_(0, 0.3)
                layer.running_mean.normal_()
                layer.running_var.uniform_(0.5, 2)
    return encoder


def random(*shape):
    generator = torch.Generator().manual_seed(len(shape))
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def gradients(parameters, found):
    """Return the gradients of `TrainingPass.weights` in the order of `parameters`."""
    *kernels, vector = found
    kernels = iter(kernels)
    parts = iter(vector.split([len(p) for p in parameters if p.ndim == 1]))
    return [next(kernels if parameter.ndim == 4 else parts) for parameter in parameters]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    "shape", [(6, 16, 16), (3, 9, 9), (4, 3, 5), (3, 1, 1), (1, 3, 3), (1, 2, 2), (1, 1, 1)]
)
def test_features_gradients_and_statistics_are_those_of_autograd(encoder, shape, layout):
    n, height, width = shape
    x = random(n, 5, height, width).contiguous(memory_format=layout)
    plain = copy.deepcopy(encoder)
    passes = TrainingPass(encoder.backbone)
    for of_features in (random(n, 8), random(n, 8).cos()):
        plain.zero_grad()
        with single_values_use_running_statistics(plain):
            expected = plain(x)
        expected.backward(of_features)
        features, layers = passes.forward(x)
        passes.count_batches()
        assert_close(features, expected, 1e-12)
        parameters = list(plain.backbone.parameters())
        found = gradients(parameters, passes.backward(of_features, layers))
        for parameter, gradient in zip(parameters, found, strict=True):
            assert_close(gradient, parameter.grad, 1e-12, size_of(parameter.grad))
    assert_close(encoder.state_dict(), plain.state_dict(), 1e-12)


def test_no_module_is_called(encoder, monkeypatch):
    for module in encoder.modules():
        monkeypatch.setattr(module, "forward", None)  # any call would fail
    passes = TrainingPass(encoder.backbone)
    features, layers = passes.forward(random(2, 5, 8, 8))
    assert all(g.abs().max() > 0 for g in passes.backward(torch.ones_like(features), layers))


def test_nothing_is_recorded_and_nothing_written_but_statistics(encoder):
    passes, x = TrainingPass(encoder.backbone), random(3, 5, 6, 6)
    weights, before = [weight.clone() for weight in passes.weights], x.clone()
    features, layers = passes.forward(x)
    of_features = torch.ones_like(features)
    passes.backward(of_features, layers)
    assert not features.requires_grad
    assert torch.equal(x, before)
    assert torch.equal(of_features, torch.ones_like(features))
    assert all(map(torch.equal, passes.weights, weights))


def test_the_parameters_are_views_of_few_tensors(encoder):
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    passes = TrainingPass(encoder.backbone)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    for weight in passes.weights:
        weight += 1
    for name, parameter in encoder.backbone.named_parameters():
        assert torch.equal(parameter, before[f"backbone.{name}"] + 1), name
    assert len(passes.weights) == 6


def test_biases_before_batchnorm_get_gradients_of_exactly_zero(encoder):
    passes = TrainingPass(encoder.float().backbone)
    features, layers = passes.forward(random(6, 5, 9, 9).float())
    parameters = dict(encoder.backbone.named_parameters())
    found = gradients(parameters.values(), passes.backward(features.cos(), layers))
    zero = {
        name
        for name, gradient in zip(parameters, found, strict=True)
        if torch.equal(gradient, torch.zeros_like(gradient))
    }
    assert zero == {f"conv{i}.bias" for i in range(1, 6)}


def test_what_is_not_a_whole_encoder_of_ours_on_the_cpu_is_left_to_autograd(encoder):
    assert can_be_written_out(encoder)
    frozen, exchanged, hooked = (copy.deepcopy(encoder) for _ in range(3))
    frozen.backbone.conv1.requires_grad_(False)
    exchanged.backbone.bn3 = nn.Identity()
    hooked.backbone.conv2.register_forward_hook(lambda *call: None)
    for other in (frozen, exchanged, hooked, copy.deepcopy(encoder).to("meta"), encoder.half()):
        assert not can_be_written_out(other)
