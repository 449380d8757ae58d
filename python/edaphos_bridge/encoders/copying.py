"""Taking an encoder from a user: which module it is, and a copy that is ours to change."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from edaphos_bridge.errors import InputError


def as_module(encoder: Any, argument: str = "encoder") -> nn.Module:
    """Return the ``torch.nn.Module`` in `encoder`: itself, or the ``encoder`` of a fit.

    Raises `InputError` if there is none.
    """
    if isinstance(encoder, nn.Module):
        return encoder
    try:
        inner = getattr(encoder, "encoder", None)
    except Exception:  # an object that refuses in a way of its own holds none either
        inner = None
    if isinstance(inner, nn.Module):
        return inner
    raise InputError(
        argument,
        "must be a fit of edaphos_bridge or a torch.nn.Module from (B, C, H, W) to features",
        found=encoder if isinstance(encoder, type) else type(encoder).__name__,
        hint="foundation_encoder() makes one.",
    )


def own_copy(encoder: nn.Module) -> nn.Module:
    """Return a deep copy without gradients and without the lock of `freeze`."""
    try:
        with torch.no_grad():  # TorchScript copies its weights by an operation that has gradients
            module = copy.deepcopy(encoder)
        _complete_scripts(encoder, module)
    except Exception as error:  # a user's module may fail in any way
        raise InputError(
            "encoder",
            f"cannot be copied ({type(error).__name__}: {error}), and a fit must not change yours",
            found=type(encoder).__name__,
        ) from error
    if any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers())):
        raise InputError(
            "encoder",
            "has weights on the meta device, which hold no values",
            found=type(encoder).__name__,
            hint="Load weights into it first.",
        )
    _unlock(module)
    return module


def _complete_scripts(encoder: nn.Module, copied: nn.Module) -> None:
    """Give copies of TorchScript modules what TorchScript does not copy."""
    for given, made in zip(encoder.modules(), copied.modules(), strict=False):
        if isinstance(given, torch.jit.ScriptModule):
            for name, value in vars(given).items():  # set from Python, such as a normalisation
                if not (name.startswith("_") or callable(value)) or _is_lock(value):
                    made.__dict__.setdefault(name, value)
            for theirs, ours in zip(given.parameters(), made.parameters(), strict=True):
                ours.requires_grad_(theirs.requires_grad)


def freeze(module: nn.Module) -> nn.Module:
    """Put `module` in eval mode for good: no gradients, and later ``.train()`` calls do nothing.

    BatchNorm that slips back into training mode inside a larger model is the most reported
    bug of frozen backbones, so every submodule is locked by itself.
    """
    module.eval()
    for parameter in module.parameters():  # TorchScript has no requires_grad_() of a module
        parameter.requires_grad_(False)
    for submodule in module.modules():
        submodule.__dict__["train"] = _Lock(submodule)
    return module


class _Lock:
    """The ``train`` of a frozen module, which does nothing: an object that copies and pickles.

    A method would be pickled by its name, and come back as the one that unfreezes.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def __call__(self, mode: bool = True) -> nn.Module:
        return self._module


def is_frozen(module: nn.Module) -> bool:
    """Return whether `freeze` has locked `module`."""
    return _is_lock(module.__dict__.get("train"))


def _is_lock(method: object) -> bool:
    return isinstance(method, _Lock)


def _unlock(module: nn.Module) -> None:
    for submodule in module.modules():
        if _is_lock(submodule.__dict__.get("train")):
            del submodule.__dict__["train"]
            for parameter in submodule.parameters(recurse=False):
                parameter.requires_grad_(parameter.is_floating_point())


def draw_anew(module: nn.Module) -> None:
    """Give the layers of a module their initial weights once more, as torch draws them."""
    for layer in module.modules():
        reset = getattr(layer, "reset_parameters", None)
        if callable(reset):
            reset()
