"""A decoder of the user's: a module, or what makes one."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edaphos_bridge.errors import EdaphosError, InputError
from edaphos_bridge.heads.decoder import MAPS, Decoder, MapShapes, resized
from edaphos_bridge.heads.registry import reads_of


class OwnDecoder(Decoder):
    """A module from the coarsest map ``(B, D, h, w)`` to ``(B, n_outputs, h', w')``.

    Where its cells are not those of a patch, the nearest one is taken.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.decoder = module

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the outputs for every cell of patches."""
        return resized(self.decoder(maps[-1]), maps[0])


def own_decoder(given: Any, shapes: MapShapes, n_outputs: int) -> nn.Module:
    """Return a copy of a user's module as a decoder, or of what a factory makes.

    Parameters
    ----------
    given : torch.nn.Module or callable
        The callable is given the channels of the coarsest map and `n_outputs`. A module that has
        ``reads = "maps"`` is called with the list of the patches and all of their maps, as a
        `Decoder` is; any other one with the coarsest map.

    Raises
    ------
    InputError
        If it does not give `n_outputs` real numbers for cells of a patch, or fails.
    """
    at = f"maps of {[list(shape) for shape in shapes.maps]}"
    try:
        if isinstance(given, torch.jit.ScriptModule):
            raise InputError("decoder", "must not be TorchScript, whose copies do not train")
        made = given if isinstance(given, nn.Module) else given(shapes.width, n_outputs)
        if not isinstance(made, nn.Module):
            raise InputError(
                "decoder", "must be, or make, a torch.nn.Module", found=type(made).__name__
            )
        made = copy.deepcopy(made)  # a function may give the same module again and again
        if any(p.is_meta for p in made.parameters()):
            raise InputError("decoder", "has weights on the meta device, which hold no values")
        decoder = made if reads_of(made) == MAPS else OwnDecoder(made)
        device = next((p.device for p in decoder.parameters()), torch.device("cpu"))
        maps = [torch.zeros(2, *shape, device=device) for shape in (shapes.patch, *shapes.maps)]
        with torch.enable_grad():
            found = decoder.eval()(maps)
    except EdaphosError:
        raise
    except Exception as error:  # a user's code may fail in any way
        raise InputError("decoder", f"fails on {at}: {type(error).__name__}: {error}") from error
    wanted = [2, n_outputs, *shapes.patch[1:]]
    shape = list(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
    if shape != wanted:
        raise InputError("decoder", f"must give outputs {wanted} of {at}", found=shape)
    if not found.is_floating_point():
        raise InputError("decoder", "must give real numbers", found=str(found.dtype))
    if any(p.requires_grad for p in decoder.parameters()) and not found.requires_grad:
        raise InputError(
            "decoder",
            "gives outputs that no gradient leads back from, so it cannot train",
            found=type(made).__name__,
        )
    return decoder
