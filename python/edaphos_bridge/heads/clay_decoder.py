"""Clay's decoder of frozen embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from edaphos_bridge.heads.decoder import Decoder, MapShapes, resized

_WIDTHS = (64, 32, 16, 8)


class ClayDecoder(Decoder):
    """A 1x1 convolution to 64 channels, then 3x3 transposed ones 64-32-16-8-n_outputs.

    The coarsest map is doubled (nearest) before each of them, as often as it needs, and what is
    left to double after the last. With five doublings, of patches of 32 cells for each cell of
    the map, it is the original's, with its state-dict names. All but the last have ReLU.

    References
    ----------
    Clay Foundation Model, fine-tuning: the decoder of the Cloud to Street segmentation.
    """

    def __init__(self, shapes: MapShapes, n_outputs: int) -> None:
        super().__init__()
        left = shapes.doublings()
        layers: list[nn.Module] = [nn.Conv2d(shapes.width, _WIDTHS[0], kernel_size=1)]
        for wide, narrow in zip(_WIDTHS, (*_WIDTHS[1:], n_outputs), strict=True):
            if left:
                layers.append(_doubled())
                left -= 1
            layers.append(nn.ConvTranspose2d(wide, narrow, kernel_size=3, padding=1))
            layers.append(nn.ReLU(inplace=True))
        layers[-1:] = [_doubled() for _ in range(left)]  # no ReLU after the last one
        self.decoder = nn.Sequential(*layers)

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the outputs for every cell of patches."""
        return resized(self.decoder(maps[-1]), maps[0])


def _doubled() -> nn.Module:
    return nn.Upsample(scale_factor=2.0, mode="nearest")
