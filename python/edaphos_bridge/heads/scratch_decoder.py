"""The decoder of Clay's segmentation network that is trained from scratch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from edaphos_bridge.errors import InputError
from edaphos_bridge.heads.decoder import Decoder, MapShapes, resized


class ScratchDecoder(Decoder):
    """Transposed convolutions to 128 and 512 channels with ReLU, doubled, then a convolution.

    All are 3x3. State-dict names are those of the original, whose ``encoder`` is
    `encoders.from_scratch.FromScratchEncoder`.

    References
    ----------
    Clay Foundation Model, fine-tuning: "the network we are using to train the downstream task
    from scratch", its ``decoder``.
    """

    def __init__(self, shapes: MapShapes, n_outputs: int) -> None:
        super().__init__()
        if shapes.doublings() != 1:
            raise InputError(
                "decoder",
                "doubles maps once",
                found=f"maps of {shapes.maps[-1][1:]} cells for patches of {shapes.patch[1:]}",
                hint="It is that of the network that is trained from scratch.",
            )
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(shapes.width, 128, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(128, 512, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Upsample(scale_factor=2.0, mode="nearest"),
            nn.Conv2d(512, n_outputs, kernel_size=3, padding=1),
        )

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the outputs for every cell of patches."""
        return resized(self.decoder(maps[-1]), maps[0])
