"""What every decoder is: feature maps of patches in, outputs of a task for every cell out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from edaphos_bridge.errors import InputError

MAPS = "maps"


class Decoder(nn.Module):
    """Maps ``(B, D, h, w)`` from fine to coarse, and patches, to ``(B, n_outputs, H, W)``.

    What it is given may be kept for the next epoch: it writes to none of it.
    """

    reads: ClassVar[str] = MAPS

    @abstractmethod
    def forward(self, maps: Sequence[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """Return the outputs for every cell of patches ``(B, C, H, W)`` with these maps."""


@dataclass(frozen=True)
class MapShapes:
    """What a decoder must know of an encoder.

    Attributes
    ----------
    maps : list of (int, int, int)
        Channels, rows and columns of each map, from fine to coarse.
    patch : (int, int, int)
        Channels, rows and columns of the patches that they are of.
    """

    maps: list[tuple[int, int, int]]
    patch: tuple[int, int, int]

    @classmethod
    def of(cls, maps: Sequence[torch.Tensor], x: torch.Tensor) -> MapShapes:
        """Return the shapes of the maps that an encoder gives for patches."""
        return cls([_shape(h) for h in maps], _shape(x))

    @property
    def width(self) -> int:
        """Channels of the coarsest map."""
        return self.maps[-1][0]

    def doublings(self) -> int:
        """Return how often the coarsest map must be doubled to have the cells of a patch.

        Raises
        ------
        InputError
            If no number of times does.
        """
        (_, h, w), (_, height, width) = self.maps[-1], self.patch
        n = 0
        while h << n < height:
            n += 1
        if (h << n, w << n) != (height, width):
            raise InputError(
                "decoder",
                f"doubles maps of {h} x {w} cells, which cannot become the {height} x {width} of "
                "a patch",
                hint="Use patches whose size is that of the maps times 2, 4, 8 and so on, or "
                "another decoder: 'unet' and 'linear' reach any size.",
            )
        return n


def resized(outputs: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return outputs with the cells of patches, by the nearest where these are others."""
    size = x.shape[-2:]
    return outputs if outputs.shape[-2:] == size else functional.interpolate(outputs, size=size)


def _shape(x: torch.Tensor) -> tuple[int, int, int]:
    channels, h, w = x.shape[1:]
    return int(channels), int(h), int(w)
