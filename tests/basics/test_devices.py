"""Devices by name, and the original's message where one is missing."""

import warnings

import pytest
import torch
from torch import nn

from edaphos_bridge.basics import devices
from edaphos_bridge.basics.devices import device_of, resolve_device
from edaphos_bridge.errors import DeviceFallbackWarning, InputError


def test_the_cpu_is_always_there():
    assert resolve_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_missing_device_falls_back_to_the_cpu_with_the_message_of_the_original(monkeypatch, name):
    monkeypatch.setattr(devices, "is_available", lambda asked: asked == "cpu")
    with pytest.warns(DeviceFallbackWarning) as caught:
        assert resolve_device(name) == torch.device("cpu")
    assert [str(warning.message) for warning in caught] == [
        f"note: '{name}' backend requested but not available; falling back to 'cpu'."
    ]


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_there_is_used_without_a_word(monkeypatch, name):
    monkeypatch.setattr(devices, "is_available", lambda asked: True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert resolve_device(name).type == name


@pytest.mark.parametrize("name", ["gpu", "CPU", "", "cuda:0", None, 0, torch.device("cpu"), []])
def test_any_other_name_is_an_error_that_lists_the_three(name):
    with pytest.raises(InputError, match="`device` must be one of 'cpu', 'mps', 'cuda'") as caught:
        resolve_device(name)
    assert f"found {name!r}" in str(caught.value)


@pytest.mark.parametrize("what", ["parameter", "buffer"])
def test_a_module_is_where_its_weights_are_or_else_its_buffers(what):
    module = nn.Module()
    assert device_of(module) == torch.device("cpu")
    lies = torch.ones(2, device="meta")
    if what == "parameter":
        module.register_parameter("weight", nn.Parameter(lies))
    else:
        module.register_buffer("filters", lies)
    assert device_of(nn.Sequential(module)) == torch.device("meta")
