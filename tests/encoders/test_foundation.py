"""`foundation_encoder()`, and encoders to and from a description and a state dict."""

import pytest
import torch
from torch import nn

from edaphos_bridge import foundation_encoder
from edaphos_bridge.encoders import MoCoEncoder, SimCLREncoder
from edaphos_bridge.encoders.foundation import ARCHITECTURES, describe_encoder, rebuild_encoder
from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.files.schema import SIZES


@pytest.mark.parametrize(
    ("architecture", "kind", "widths"),
    [("moco", MoCoEncoder, (64, 32)), ("simclr", SimCLREncoder, (32, 16))],
)
def test_an_encoder_by_name_has_the_widths_of_the_original_by_default(architecture, kind, widths):
    module = foundation_encoder(architecture, 4, seed=1)
    assert type(module) is kind
    assert (module.in_channels, module.feature_dim, module.proj_dim) == (4, *widths)
    assert module(torch.zeros(2, 4, 5, 5)).shape == (2, widths[0])


@pytest.mark.parametrize("architecture", ["moco", "simclr"])
def test_widths_can_be_chosen_and_written_as_whole_floats(architecture):
    module = foundation_encoder(architecture, 4.0, feature_dim=6.0, proj_dim=3.0)
    assert module.project(module(torch.zeros(2, 4, 5, 5))).shape == (2, 3)
    assert (type(module.in_channels), type(module.feature_dim)) == (int, int)


@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
def test_weights_come_from_the_seed_alone(architecture, equal_states):
    def made(seed):
        sizes = dict.fromkeys(SIZES[architecture][1:], 5)
        return foundation_encoder(architecture, 4, **sizes, seed=seed).state_dict()

    torch.manual_seed(5)
    before = torch.get_rng_state()
    one = made(1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert equal_states(one, made(1))
    assert not equal_states(one, made(2))


def test_without_a_seed_every_encoder_is_another(equal_states):
    torch.manual_seed(5)
    one = foundation_encoder("simclr", 4).state_dict()
    torch.manual_seed(5)
    assert not equal_states(one, foundation_encoder("simclr", 4).state_dict())


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("architecture", "byol"),
        ("architecture", "MoCo"),
        ("architecture", None),
        ("in_channels", 0),
        ("in_channels", 2.7),
        ("in_channels", "4"),
        ("in_channels", None),
        ("feature_dim", 0),
        ("feature_dim", True),
        ("proj_dim", -1),
        ("seed", 1.5),
        ("seed", "a"),
    ],
)
def test_an_argument_that_cannot_be_used_is_named(argument, value):
    arguments = {"architecture": "moco", "in_channels": 4, argument: value}
    with pytest.raises(InputError, match=f"`{argument}` must be") as caught:
        foundation_encoder(**arguments)
    assert f"found {value!r}" in str(caught.value)


@pytest.mark.parametrize(
    ("architecture", "argument", "value"),
    [("moco", "patch_size", 5), ("simclr", "patch_size", 5), ("rotation", "proj_dim", 4)],
)
def test_what_an_encoder_does_not_have_is_refused(architecture, argument, value):
    arguments = {"patch_size": 9} if architecture == "rotation" else {}
    with pytest.raises(InputError, match=f"`{argument}` is nothing that a '{architecture}' enc"):
        foundation_encoder(architecture, 4, **{**arguments, argument: value})


@pytest.mark.parametrize("value", [None, 0, 2.5, "9"])
def test_a_rotation_encoder_needs_the_size_of_its_patches(value):
    with pytest.raises(InputError, match=f"`patch_size` must be .*found {value!r}"):
        foundation_encoder("rotation", 4, patch_size=value)


def test_files_know_the_sizes_of_every_encoder():
    assert list(SIZES) == list(ARCHITECTURES)
    for architecture, encoder_class in ARCHITECTURES.items():
        module = encoder_class(**dict.fromkeys(SIZES[architecture], 5))
        assert [getattr(module, size) for size in SIZES[architecture]] == [5, 5, 5]


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
def test_an_encoder_of_ours_is_rebuilt_from_its_description(architecture, equal_states):
    sizes = dict.fromkeys(SIZES[architecture][1:], 5)
    module = foundation_encoder(architecture, 4, **sizes, seed=1)
    twin = rebuild_encoder(describe_encoder(module), weights(module), None)
    assert type(twin) is type(module)
    assert equal_states(twin.state_dict(), module.state_dict())
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(twin.eval()(x), module.eval()(x))
    assert all(parameter.requires_grad for parameter in twin.parameters())


def test_a_subclass_of_an_encoder_of_ours_is_a_module_of_the_users_own():
    class Mine(MoCoEncoder):
        pass

    assert describe_encoder(Mine(4))["architecture"] == "custom"


def test_a_module_of_the_users_own_is_asked_for_by_its_name():
    module = nn.Linear(2, 3)
    description = describe_encoder(module)
    with pytest.raises(WeightsError, match=r"torch\.nn\.modules\.linear\.Linear.*`encoder=`"):
        rebuild_encoder(description, weights(module), None)


def test_the_given_module_is_copied_and_filled(equal_states):
    module, given = nn.Linear(2, 3), nn.Linear(2, 3)
    before = weights(given)
    twin = rebuild_encoder(describe_encoder(module), weights(module), given)
    assert twin is not given
    assert equal_states(twin.state_dict(), module.state_dict())
    assert equal_states(given.state_dict(), before)


@pytest.mark.parametrize("given", [nn.Linear(3, 2), nn.Linear(2, 3, bias=False), nn.Flatten()])
def test_a_module_that_does_not_fit_is_an_error_that_names_it(given):
    module = nn.Linear(2, 3)
    with pytest.raises(WeightsError, match=f"do not fit the encoder .{type(given).__name__}"):
        rebuild_encoder(describe_encoder(module), weights(module), given)


def test_weights_of_other_widths_do_not_fit():
    module = foundation_encoder("simclr", 4, feature_dim=6, proj_dim=3)
    description = {**describe_encoder(module), "feature_dim": 7}
    with pytest.raises(WeightsError, match="do not fit the encoder"):
        rebuild_encoder(description, weights(module), None)


def test_sizes_that_no_encoder_has_are_an_error():
    module = foundation_encoder("rotation", 4, feature_dim=6, patch_size=5)
    description = {**describe_encoder(module), "patch_size": 3}
    with pytest.raises(WeightsError, match="No encoder has the sizes in this file"):
        rebuild_encoder(description, weights(module), None)


def test_an_unknown_architecture_is_an_error():
    with pytest.raises(WeightsError, match="Unknown encoder architecture 'byol'"):
        rebuild_encoder({"architecture": "byol"}, {}, None)
