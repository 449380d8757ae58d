"""A linear decoder: the linear probe of segmentation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from edaphos_bridge.heads.decoder import Decoder, MapShapes


class LinearDecoder(Decoder):
    """A 1x1 convolution of the coarsest map, interpolated to the cells of a patch.

    By bilinear interpolation, which reaches any size and keeps the whole linear in the map.

    References
    ----------
    Oquab, M. et al. (2023). DINOv2: learning robust visual features without supervision.
    arXiv:2304.07193: the linear evaluation of segmentation, here without its BatchNorm.
    """

    def __init__(self, shapes: MapShapes, n_outputs: int) -> None:
        super().__init__()
        self.linear = nn.Conv2d(shapes.width, n_outputs, kernel_size=1)

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the outputs for every cell of patches."""
        outputs: torch.Tensor = self.linear(maps[-1])
        return functional.interpolate(
            outputs, size=maps[0].shape[-2:], mode="bilinear", align_corners=False
        )
