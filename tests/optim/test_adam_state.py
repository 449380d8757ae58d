"""Adam, against the optimiser of torch step by step, and its state as tensors."""

import copy

import pytest
import torch

from closeness import assert_close
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.encoders import MoCoEncoder
from edaphos_bridge.optim.adam import adam
from edaphos_bridge.optim.adam_state import adam_tensors, fill_adam


@pytest.fixture
def encoder():
    with Randomness(1).everywhere():
        return MoCoEncoder(2, 6, 4)


def give_gradients(module, seed):
    with Randomness(seed).everywhere():
        for parameter in module.parameters():
            parameter.grad = torch.randn(parameter.shape)


def test_each_step_is_that_of_torch(encoder):
    other = copy.deepcopy(encoder)
    ours = adam([{"params": list(encoder.parameters()), "lr": 0.03}])
    theirs = torch.optim.Adam(other.parameters(), lr=0.03, fused=False, foreach=False)
    for step in range(5):
        for module, optimizer in ((encoder, ours), (other, theirs)):
            give_gradients(module, step)
            optimizer.step()
        for found, expected in zip(encoder.parameters(), other.parameters(), strict=True):
            assert_close(found, expected, 1e-6)


def test_the_state_goes_into_another_optimiser_which_goes_on_with_equal_bits(encoder):
    ours = adam([{"params": list(encoder.parameters()), "lr": 0.03}])
    give_gradients(encoder, 1)
    ours.step()
    other = copy.deepcopy(encoder)
    restored = adam([{"params": list(other.parameters()), "lr": 0.03}])
    fill_adam(restored, {name: tensor.clone() for name, tensor in adam_tensors(ours).items()})
    for module, optimizer in ((encoder, ours), (other, restored)):
        give_gradients(module, 2)
        optimizer.step()
    for found, expected in zip(other.parameters(), encoder.parameters(), strict=True):
        assert torch.equal(found, expected)
    found, expected = adam_tensors(restored), adam_tensors(ours)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert {found[name].dtype for name in found} == {torch.float32}
