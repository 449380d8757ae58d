"""BatchNorm on a batch that gives it one value a channel."""

import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge.training.batchnorm import single_values_use_running_statistics


@pytest.fixture(params=["1d", "2d"])
def layer(request):
    """A layer with statistics of its own, and the shape of one value a channel."""
    layer = nn.BatchNorm1d(3) if request.param == "1d" else nn.BatchNorm2d(3)
    layer.running_mean.copy_(torch.tensor([1.0, 2.0, 3.0]))
    layer.running_var.copy_(torch.tensor([4.0, 9.0, 16.0]))
    shape = (1, 3) if request.param == "1d" else (1, 3, 1, 1)
    return layer.train(), shape


def test_torch_refuses_one_value_a_channel(layer):
    module, shape = layer
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        module(torch.ones(shape))


def test_one_value_a_channel_is_normalised_by_the_running_statistics(layer):
    module, shape = layer
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with single_values_use_running_statistics(module):
        found = module(torch.full(shape, 5.0))
    expected = (5 - before["running_mean"]) / torch.sqrt(before["running_var"] + 1e-5)
    assert_close(found.flatten(), expected, 1e-6)
    assert module.training
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])


def test_gradients_reach_the_affine_parameters_and_the_input(layer):
    module, shape = layer
    x = torch.full(shape, 5.0, requires_grad=True)
    with single_values_use_running_statistics(module):
        module(x).sum().backward()
    assert module.weight.grad is not None
    assert x.grad.abs().min() > 0


@pytest.mark.parametrize("shape", [(2, 3, 1, 1), (1, 3, 2, 1), (4, 3, 5, 5)])
def test_more_values_are_normalised_by_torchs_own_rule(shape):
    x = torch.randn(shape)
    module, plain = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    with single_values_use_running_statistics(module):
        found = module(x)
    assert torch.equal(found, plain(x))
    assert torch.equal(module.running_var, plain.running_var)
    assert module.num_batches_tracked == 1


def test_layers_deep_inside_and_used_twice_are_covered():
    inner = nn.BatchNorm1d(3)
    module = nn.Sequential(nn.Sequential(inner, nn.ReLU()), inner)
    with single_values_use_running_statistics(module):
        module.train()(torch.ones(1, 3))
        assert inner.training
    assert inner.num_batches_tracked == 0


def test_a_layer_in_eval_mode_stays_in_eval_mode():
    module = nn.BatchNorm1d(3).eval()
    with single_values_use_running_statistics(module):
        module(torch.ones(1, 3))
    assert not module.training


def test_afterwards_the_module_is_as_before_even_after_an_error():
    module = nn.Sequential(nn.BatchNorm1d(3))
    with pytest.raises(ZeroDivisionError), single_values_use_running_statistics(module):
        module(torch.ones(1, 3)) / (1 // 0)
    assert not module[0]._forward_hooks
    assert not module[0]._forward_pre_hooks
    assert module[0].training
