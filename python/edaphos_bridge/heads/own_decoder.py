"""A decoder of the user's: a module, or what makes one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edaphos_bridge.heads.decoder import MAPS, Decoder, MapShapes, resized
from edaphos_bridge.heads.own_module import own_module
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


def as_decoder(module: nn.Module) -> nn.Module:
    """Return a user's module as a decoder: itself where it reads all maps or is one already."""
    is_one = isinstance(module, Decoder) or reads_of(module) == MAPS
    return module if is_one else OwnDecoder(module)


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
    inputs = (shapes.patch, *shapes.maps)
    return own_module(
        "decoder",
        given,
        (shapes.width, n_outputs),
        lambda device: [torch.zeros(2, *shape, device=device) for shape in inputs],
        [2, n_outputs, *shapes.patch[1:]],
        f"maps of {[list(shape) for shape in shapes.maps]}",
        as_decoder,
    )
