"""Heads: the two architectures of the original with torch's default initialisation."""

import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge.heads.registry import make_head


def kinds(head):
    return [type(layer).__name__ for layer in head]


def test_the_linear_head_is_one_linear_layer():
    head = make_head("linear", 5, 3, (64, 32), 0.5)
    assert isinstance(head, nn.Linear)
    assert (head.in_features, head.out_features, head.bias is not None) == (5, 3, True)
    assert list(head.state_dict()) == ["weight", "bias"]


def test_the_mlp_is_linear_and_relu_for_each_width_and_then_linear():
    head = make_head("mlp", 5, 3, (64, 32), 0.0)
    assert kinds(head) == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert [tuple(p.shape) for p in head.parameters()] == [
        (64, 5), (64,), (32, 64), (32,), (3, 32), (3,)
    ]  # fmt: skip


def test_dropout_follows_each_relu_only_when_asked_for():
    head = make_head("mlp", 5, 3, (7,), 0.25)
    assert kinds(head) == ["Linear", "ReLU", "Dropout", "Linear"]
    assert head[2].p == 0.25


def test_the_mlp_computes_what_its_layers_say():
    head = make_head("mlp", 5, 3, (7, 6), 0.9).eval()
    x = torch.randn(4, 5)
    w1, b1, w2, b2, w3, b3 = head.parameters()
    h = torch.relu(x @ w1.T + b1)
    h = torch.relu(h @ w2.T + b2)
    assert_close(head(x), h @ w3.T + b3, 1e-6)


@pytest.mark.parametrize(("head_type", "count"), [("linear", 1), ("mlp", 3)])
def test_initial_weights_are_those_that_torch_draws_for_the_same_layers(head_type, count):
    torch.manual_seed(3)
    head = make_head(head_type, 5, 3, (7, 6), 0.5)
    torch.manual_seed(3)
    sizes = [(5, 3)] if count == 1 else [(5, 7), (7, 6), (6, 3)]
    layers = [nn.Linear(*size) for size in sizes]
    expected = [parameter for layer in layers for parameter in layer.parameters()]
    for ours, theirs in zip(head.parameters(), expected, strict=True):
        assert torch.equal(ours, theirs)
