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
COARSEST_MAP = "coarsest map"
"""What a decoder may read of an encoder (`encoders.features.encode`)."""


class Decoder(nn.Module):
    """Patches ``(B, C, H, W)`` and their maps ``(B, D, h, w)``, to ``(B, n_outputs, H, W)``.

    They are one list from fine to coarse, of which the patches are the first; one that reads the
    coarsest map alone may ask these for their size and for nothing else. What it is given may be
    kept for the next epoch: it writes to none of it.
    """

    reads: ClassVar[str] = COARSEST_MAP

    @abstractmethod
    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the outputs for every cell of the patches ``maps[0]``."""


@dataclass(frozen=True)
class MapShapes:
    """What a decoder must know of an encoder.

    Attributes
    ----------
    patch : (int, int, int)
        Channels, rows and columns of the patches.
    maps : list of (int, int, int)
        Channels, rows and columns of each map, from fine to coarse.
    """

    patch: tuple[int, int, int]
    maps: list[tuple[int, int, int]]

    @classmethod
    def of(cls, shapes: Sequence[Sequence[int]]) -> MapShapes:
        """Return them of the shapes of patches and maps, each without the batch."""
        patch, *maps = ((c, h, w) for c, h, w in shapes)
        return cls(patch, maps)

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
