"""`foundation_encoder()`, and encoders to and from a description and a state dict."""

import pytest
import torch
from torch import nn

from edaphos_bridge import foundation_encoder
from edaphos_bridge.encoders import MoCoEncoder, SimCLREncoder, XResNet
from edaphos_bridge.encoders.foundation import (
    IN_FILES,
    describe_encoder,
    rebuild_encoder,
)
from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.files.schema import ENCODERS
from small_encoders import NAMES, small_encoder


@pytest.mark.parametrize(
    ("architecture", "kind", "widths"),
    [("moco", MoCoEncoder, (64, 32)), ("simclr", SimCLREncoder, (32, 16))],
)
def test_an_encoder_by_name_has_the_widths_of_the_original_by_default(architecture, kind, widths):
    module = foundation_encoder(architecture, 4, seed=1)
    assert type(module) is kind
    assert (module.in_channels, module.feature_dim, module.proj_dim) == (4, *widths)
    assert module(torch.zeros(2, 4, 5, 5)).shape == (2, widths[0])


@pytest.mark.parametrize(
    ("architecture", "width", "features"),
    [("xresnet18", 64, 512), ("xresnet34", 64, 512), ("xresnet50", 64, 2048)],
)
def test_an_xresnet_has_fastais_widths_and_stem_by_default(architecture, width, features):
    module = foundation_encoder(architecture, 4, seed=1)
    assert isinstance(module, XResNet)
    assert (module.in_channels, module.width, module.stem) == (4, width, "standard")
    assert module.eval()(torch.zeros(2, 4, 5, 5)).shape == (2, features) == (2, module.feature_dim)


@pytest.mark.parametrize("architecture", ["moco", "simclr"])
def test_widths_can_be_chosen_and_written_as_whole_floats(architecture):
    module = foundation_encoder(architecture, 4.0, feature_dim=6.0, proj_dim=3.0)
    assert module.project(module(torch.zeros(2, 4, 5, 5))).shape == (2, 3)
    assert (type(module.in_channels), type(module.feature_dim)) == (int, int)


@pytest.mark.parametrize("architecture", NAMES)
def test_weights_come_from_the_seed_alone(architecture, equal_states):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one = small_encoder(architecture, 4, seed=1).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert equal_states(one, small_encoder(architecture, 4, seed=1).state_dict())
    assert not equal_states(one, small_encoder(architecture, 4, seed=2).state_dict())


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


def test_a_rotation_encoder_needs_the_size_of_its_patches():
    for value in (None, 0, 2.5, "9"):
        with pytest.raises(InputError, match=f"`patch_size` must be .*found {value!r}"):
            foundation_encoder("rotation", 4, patch_size=value)


@pytest.mark.parametrize(
    ("architecture", "argument", "value", "says"),
    [
        (
            "moco",
            "width",
            8,
            "is no setting of 'moco', which has feature_dim and proj_dim",
        ),
        ("moco", "patch_size", 5, "is no setting of 'moco'"),
        ("rotation", "proj_dim", 4, "is no setting of 'rotation', which has feature_dim and patch"),
        ("simclr", "stem", "small", "is no setting of 'simclr'"),
        ("xresnet18", "feature_dim", 64, "is no setting of 'xresnet18', which has width and stem"),
        ("xresnet50", "proj_dim", 8, "is no setting of 'xresnet50'"),
        ("xresnet18", "width", 0, "must be a positive whole number; found 0"),
        ("xresnet18", "width", True, "must be a positive whole number; found True"),
        ("xresnet18", "width", 2**31, "must be a whole number up to"),
        ("xresnet18", "width", 2**31 - 1, "asks for more weights than can be counted"),
        ("xresnet50", "width", 10**5, "needs .* GB of memory"),
        ("xresnet34", "stem", "tiny", "must be one of 'standard', 'small'; found 'tiny'"),
        ("xresnet34", "stem", 3, "must be one of 'standard', 'small'; found 3"),
    ],
)
def test_settings_of_another_architecture_and_impossible_ones_are_refused(
    architecture, argument, value, says
):
    with pytest.raises(InputError, match=f"`{argument}` {says}"):
        foundation_encoder(architecture, 4, **{argument: value})


def test_files_know_every_architecture_and_its_settings():
    assert set(ENCODERS) == {*IN_FILES, "custom"}
    for name, encoder_class in IN_FILES.items():
        assert set(ENCODERS[name]) == {*encoder_class.settings, "feature_dim"}


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("architecture", NAMES)
def test_an_encoder_of_ours_is_rebuilt_from_its_description(architecture, equal_states):
    module = small_encoder(architecture, 4)
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
    with pytest.raises(WeightsError, match="No encoder has the settings in this file"):
        rebuild_encoder(description, weights(module), None)


def test_an_unknown_architecture_is_an_error():
    with pytest.raises(WeightsError, match="Unknown encoder architecture 'byol'"):
        rebuild_encoder({"architecture": "byol"}, {}, None)
