"""Encoders as they were before any training."""

import pytest
import torch
from torch import nn

from edaphos_bridge import foundation_encoder
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.encoders.sensors import SensorEncoder, for_two_sensors
from edaphos_bridge.encoders.untrained import untrained_like
from edaphos_bridge.errors import InputError
from small_fits import small_network

SETTINGS = {
    "moco": {"feature_dim": 8},
    "simclr": {"proj_dim": 3},
    "rotation": {"patch_size": 5},
    "xresnet18": {"width": 4},
}


@pytest.mark.parametrize("architecture", SETTINGS)
def test_one_of_ours_is_drawn_as_its_first_weights_were(architecture, equal_states, state_of):
    trained = foundation_encoder(architecture, 4, **SETTINGS[architecture], seed=1)
    before = state_of(trained)
    for buffer in trained.buffers():
        buffer.add_(1)
    changed = state_of(trained)
    found = untrained_like(trained, 1)
    assert type(found) is type(trained)
    assert equal_states(found.state_dict(), before)
    assert not equal_states(untrained_like(trained, 2).state_dict(), before)
    assert equal_states(trained.state_dict(), changed)


# not rotation's: behind its first layer it takes no patches of another size
@pytest.mark.parametrize("architecture", ["moco", "simclr", "xresnet18"])
@pytest.mark.parametrize("shared_stem", [False, True])
def test_one_of_two_sensors_is_drawn_as_its_body_and_its_first_layers_were(
    architecture, shared_stem, equal_states, state_of
):
    def drawn(seed: int) -> SensorEncoder:
        with Randomness(seed).everywhere():
            body = foundation_encoder(architecture, 3, **SETTINGS[architecture])
            return for_two_sensors(body, [3, 3], [5, 5], shared_stem=shared_stem)

    trained = drawn(1).of("concat")
    trained.stems["b"] = drawn(2).stems["b"]
    found = untrained_like(trained, 1)
    assert (found.sensors, found.stem) == ("concat", trained.stem)
    assert equal_states(found.state_dict(), untrained_like(drawn(3), 1).state_dict())
    assert not equal_states(found.state_dict(), untrained_like(trained, 2).state_dict())
    assert list(found.state_dict()) == list(trained.state_dict())
    x = torch.zeros(2, 6, 5, 5)
    assert found(x).shape == trained(x).shape


def test_a_module_of_ones_own_gets_new_weights_in_all_layers(state_of):
    module = nn.Sequential(small_network(), nn.BatchNorm1d(6), nn.Dropout(0.5))
    before = state_of(module)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(3)
    drawn = torch.get_rng_state()
    found = untrained_like(module, 1)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert [type(part) for part in found.modules()] == [type(part) for part in module.modules()]
    again = untrained_like(module, 1).state_dict()
    for name, tensor in found.state_dict().items():
        assert torch.equal(tensor, again[name])
        if tensor.ndim > 1:
            assert not torch.equal(tensor, before[name])
            assert not torch.equal(tensor, module.state_dict()[name])
    assert torch.equal(found[1].weight, torch.ones(6))


class Tokens(nn.Module):
    """A module with a weight of its own beside its layers."""

    def __init__(self):
        super().__init__()
        self.flat = nn.Flatten()
        self.place = nn.Parameter(torch.zeros(100))

    def forward(self, x):
        return self.flat(x) + self.place


def test_weights_that_no_layer_draws_are_refused():
    with pytest.raises(InputError, match=r"cannot be drawn anew, `place` of Tokens '1'") as caught:
        untrained_like(nn.Sequential(nn.Identity(), Tokens()), 1)
    assert caught.value.argument == "encoder"
