"""Compute devices: names in, an available ``torch.device`` out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Literal, get_args

import torch
from torch import nn

from edaphos_bridge.basics.interrupts import held
from edaphos_bridge.errors import DeviceFallbackWarning, InputError, warn

DeviceName = Literal["cpu", "mps", "cuda"]


def is_available(name: DeviceName) -> bool:
    """Return whether this machine and this build of torch can compute on `name`."""
    if name == "cuda":
        return torch.cuda.is_available()
    if name == "mps":
        return torch.backends.mps.is_available()
    return True


def resolve_device(name: str) -> torch.device:
    """Return the device called `name`, "cpu", "mps" or "cuda", or the cpu where it is missing.

    Raises `InputError` if `name` is none of the three. Warns `DeviceFallbackWarning` if the device
    exists by name but not on this machine.
    """
    if not isinstance(name, str) or name not in get_args(DeviceName):
        raise InputError("device", "must be one of 'cpu', 'mps', 'cuda'", found=name)
    if not is_available(name):  # type: ignore[arg-type]
        warn(
            f"note: '{name}' backend requested but not available; falling back to 'cpu'.",
            DeviceFallbackWarning,
        )
        name = "cpu"
    return torch.device(name)


def device_of(module: nn.Module) -> torch.device:
    """Return where the weights or buffers of a module lie; the cpu for one without any."""
    first = next(chain(module.parameters(), module.buffers()), None)
    return torch.device("cpu") if first is None else first.device


@contextmanager
def on_meta() -> Iterator[None]:
    """Build modules of shapes alone: no memory is taken, and no random number drawn.

    Some versions of torch import sympy for that.
    """
    with held(), torch.device("meta"):
        yield
