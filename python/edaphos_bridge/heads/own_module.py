"""A head or a decoder of the user's: a module, or a function that makes one, checked."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from edaphos_bridge.basics.devices import device_of
from edaphos_bridge.errors import EdaphosError, InputError


def own_module(
    argument: str,
    given: Any,
    widths: tuple[int, int],
    example: Callable[[torch.device], Any],
    wanted: list[int],
    of: str,
    as_head: Callable[[nn.Module], nn.Module] = lambda made: made,
) -> nn.Module:
    """Return a copy of a module of the user's, or of what a factory makes of `widths`.

    Parameters
    ----------
    example : callable
        Gives what it reads of two patches, on a device.
    wanted : list of int
        The shape of the outputs that it must give of it.
    of : str
        What that is, for messages.
    as_head : callable, optional
        Gives the module that is called, of the user's.

    Raises
    ------
    InputError
        If it gives something else than real numbers of that shape, from which gradients lead
        back, or fails.
    """
    try:
        if isinstance(given, torch.jit.ScriptModule):
            raise InputError(argument, "must not be TorchScript, whose copies do not train")
        made = given if isinstance(given, nn.Module) else given(*widths)
        if not isinstance(made, nn.Module):
            raise InputError(
                argument, "must be, or make, a torch.nn.Module", found=type(made).__name__
            )
        made = copy.deepcopy(made)  # a function may give the same module again and again
        if any(p.is_meta for p in made.parameters()):
            raise InputError(argument, "has weights on the meta device, which hold no values")
        head = as_head(made)
        with torch.enable_grad():
            found = head.eval()(example(device_of(head)))
    except EdaphosError:
        raise
    except Exception as error:  # a user's code may fail in any way
        raise InputError(argument, f"fails on {of}: {type(error).__name__}: {error}") from error
    shape = list(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
    if shape != wanted:
        raise InputError(argument, f"must give outputs {wanted} of {of}", found=shape)
    if not found.is_floating_point():
        raise InputError(argument, "must give real numbers", found=str(found.dtype))
    if any(p.requires_grad for p in head.parameters()) and not found.requires_grad:
        raise InputError(
            argument,
            "gives outputs that no gradient leads back from, so it cannot train",
            found=type(made).__name__,
        )
    return head
