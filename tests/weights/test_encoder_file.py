"""Encoders of edaphos as bytes."""

import json

import pytest
import safetensors.torch
import torch
from torch import nn

from edaphos_bridge import foundation_encoder
from edaphos_bridge.errors import WeightsError
from edaphos_bridge.weights.encoder_file import encoder_from_bytes, encoder_to_bytes
from small_encoders import XRESNETS, small_encoder


@pytest.mark.parametrize("architecture", ["moco", "simclr"])
def test_an_encoder_comes_back_with_its_widths_and_bits(architecture, equal_states):
    module = foundation_encoder(architecture, 3, feature_dim=6, proj_dim=5, seed=1)
    twin = encoder_from_bytes(encoder_to_bytes(module))
    assert type(twin) is type(module)
    assert (twin.in_channels, twin.feature_dim, twin.proj_dim) == (3, 6, 5)
    assert equal_states(twin.state_dict(), module.state_dict())
    x = torch.randn(2, 3, 5, 5)
    assert torch.equal(twin.eval().project(twin(x)), module.eval().project(module(x)))


def test_an_encoder_without_a_projection_comes_back_too(equal_states):
    module = foundation_encoder("rotation", 3, feature_dim=6, patch_size=5, seed=1)
    twin = encoder_from_bytes(encoder_to_bytes(module))
    assert (twin.in_channels, twin.feature_dim, twin.patch_size) == (3, 6, 5)
    assert equal_states(twin.state_dict(), module.state_dict())


@pytest.mark.parametrize("patch_size", [None, 0, 3, 9, "5", 10**6, 2**31 - 1])
def test_a_patch_size_that_does_not_fit_is_an_error_and_allocates_nothing(patch_size):
    module = foundation_encoder("rotation", 3, feature_dim=6, patch_size=5, seed=1)
    description = {
        "architecture": "rotation", "in_channels": 3, "feature_dim": 6, "patch_size": patch_size
    }  # fmt: skip
    document = {"kind": "encoder", "format_version": 1, "encoder": description}
    data = safetensors.torch.save(
        dict(module.state_dict()), metadata={"edaphos_bridge": json.dumps(document)}
    )
    with pytest.raises(WeightsError):
        encoder_from_bytes(data)


def test_equal_encoders_are_equal_bytes():
    one, other = (foundation_encoder("moco", 3, seed=1) for _ in range(2))
    assert encoder_to_bytes(one) == encoder_to_bytes(other)


def test_a_module_of_the_users_own_cannot_be_rebuilt_from_bytes_alone():
    with pytest.raises(WeightsError, match="a module of your own"):
        encoder_from_bytes(encoder_to_bytes(nn.Linear(2, 3)))


DESCRIPTION = {"architecture": "simclr", "in_channels": 3, "feature_dim": 6, "proj_dim": 5}


@pytest.mark.parametrize(
    "encoder",
    [
        None,
        [],
        "simclr",
        {},
        {"architecture": "simclr"},
        {"architecture": []},
        {"architecture": "byol"},
        {**DESCRIPTION, "in_channels": 4},
        {**DESCRIPTION, "in_channels": -3},
        {**DESCRIPTION, "in_channels": "3"},
        {**DESCRIPTION, "in_channels": 3.5},
        {**DESCRIPTION, "in_channels": 10**30},
        {**DESCRIPTION, "feature_dim": None},
        {**DESCRIPTION, "feature_dim": 10**7},
    ],
)
def test_a_damaged_description_is_an_error_and_allocates_nothing(encoder):
    module = foundation_encoder("simclr", 3, feature_dim=6, proj_dim=5)
    document = {"kind": "encoder", "format_version": 1, "encoder": encoder}
    data = safetensors.torch.save(
        dict(module.state_dict()), metadata={"edaphos_bridge": json.dumps(document)}
    )
    with pytest.raises(WeightsError):
        encoder_from_bytes(data)


@pytest.mark.parametrize("architecture", XRESNETS)
@pytest.mark.parametrize("stem", ["standard", "small"])
def test_an_xresnet_comes_back_with_its_width_and_stem(architecture, stem, equal_states):
    module = small_encoder(architecture, 3, width=3, stem=stem).eval()
    twin = encoder_from_bytes(encoder_to_bytes(module)).eval()
    assert type(twin) is type(module)
    assert (twin.in_channels, twin.width, twin.stem) == (3, 3, stem)
    assert equal_states(twin.state_dict(), module.state_dict())
    x = torch.randn(2, 3, 5, 5)
    assert torch.equal(twin(x), module(x))


@pytest.mark.parametrize(
    "change",
    [
        {"stem": "tiny"},
        {"stem": None},
        {"stem": ["small"]},
        {"width": 3},
        {"width": 0},
        {"width": 10**7},
        {"width": "2"},
        {"feature_dim": 17},
        {"feature_dim": None},
        {"architecture": "xresnet34"},
        {"architecture": "moco"},
    ],
)
def test_a_damaged_description_of_an_xresnet_is_an_error(change):
    module = small_encoder("xresnet18", 3)
    description = {"in_channels": 3, "width": 2, "stem": "small", "feature_dim": 16}
    document = {
        "kind": "encoder",
        "format_version": 1,
        "encoder": {"architecture": "xresnet18", **description, **change},
    }
    data = safetensors.torch.save(
        dict(module.state_dict()), metadata={"edaphos_bridge": json.dumps(document)}
    )
    with pytest.raises(WeightsError):
        encoder_from_bytes(data)


def test_missing_and_unexpected_tensors_are_an_error_that_names_them():
    module = foundation_encoder("simclr", 3, feature_dim=6, proj_dim=5)
    state = dict(module.state_dict())
    state["conv9.bias"] = state.pop("conv1.bias")
    document = {"kind": "encoder", "format_version": 1, "encoder": DESCRIPTION}
    data = safetensors.torch.save(state, metadata={"edaphos_bridge": json.dumps(document)})
    with pytest.raises(WeightsError, match=r"(?s)conv1\.bias.*conv9\.bias"):
        encoder_from_bytes(data)


def test_tensors_of_another_type_are_an_error():
    module = foundation_encoder("moco", 3, feature_dim=6, proj_dim=5)
    state = dict(module.state_dict())
    state["backbone.bn1.running_mean"] = state["backbone.bn1.running_mean"].to(torch.int32)
    description = {**DESCRIPTION, "architecture": "moco"}
    document = {"kind": "encoder", "format_version": 1, "encoder": description}
    data = safetensors.torch.save(state, metadata={"edaphos_bridge": json.dumps(document)})
    with pytest.raises(WeightsError, match="running_mean"):
        encoder_from_bytes(data)
