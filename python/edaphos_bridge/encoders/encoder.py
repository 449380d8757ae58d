"""What the engine asks of an encoder beside its features, of ours and of any module of a user's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from edaphos_bridge.errors import InputError


def maps_of(encoder: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """Return the feature maps ``(B, D, h, w)`` of patches ``(B, C, H, W)``, from fine to coarse.

    Raises `InputError` if the encoder shows none, or something else.
    """
    own = _method(encoder, "maps")
    if own is None:
        raise InputError(
            "encoder",
            "must show its feature maps for this",
            found=type(encoder).__name__,
            hint="Give it a method `maps(x)` that returns them in a list, from fine to coarse.",
        )
    maps = list(own(x))
    n = x.shape[0]  # not len(): torch.export would take it for a constant
    are_maps = (isinstance(h, torch.Tensor) and h.ndim == 4 and h.shape[0] == n for h in maps)
    if not maps or not all(are_maps):
        found = [list(h.shape) if isinstance(h, torch.Tensor) else type(h).__name__ for h in maps]
        raise InputError(
            "encoder", f"must return maps (B, D, h, w) for {len(x)} patches", found=found
        )
    return maps


def pooled_maps(encoder: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return the maxima, then the means, of the coarsest maps of patches, ``(B, 2 * D)``.

    What fastai's ``AdaptiveConcatPool2d`` gives.
    """
    return concat_pooled(maps_of(encoder, x)[-1]).float()


def concat_pooled(maps: torch.Tensor) -> torch.Tensor:
    """Return the maxima, then the means, of maps ``(B, D, h, w)``, ``(B, 2 * D)``."""
    return torch.cat([maps.amax(dim=(2, 3)), mean_of_cells(maps)], dim=1)


def mean_of_cells(maps: torch.Tensor) -> torch.Tensor:
    """Return the means of maps ``(B, D, h, w)``, ``(B, D)``, with a gradient in their layout.

    torch's of ``mean(dim=(2, 3))`` has rows of cells always, and where maps are channels last, the
    activation below it takes ten times as long as with one of its own layout. Bits are the same.
    """
    if maps.is_contiguous(memory_format=torch.channels_last):
        return maps.permute(0, 2, 3, 1).mean(dim=(1, 2))
    return maps.mean(dim=(2, 3))


def groups_of(encoder: nn.Module) -> list[list[nn.Module]]:
    """Return the blocks of an encoder, input first: its own `groups`, else its top-level parts."""
    own = _method(encoder, "groups")
    if own is not None:
        return [list(group) for group in own()]
    return [[part] for part in encoder.children()] or [[encoder]]


def _method(encoder: nn.Module, name: str) -> Callable[..., Any] | None:
    """Return a method of the encoder; `groups` is also the name of a convolution's setting."""
    method = getattr(encoder, name, None)
    return method if callable(method) else None
