"""The encoder of Clay's segmentation network that is trained from scratch."""

from __future__ import annotations

import torch
from torch import nn

from edaphos_bridge.encoders.encoder import mean_of_cells
from edaphos_bridge.encoders.named import NamedEncoder


class FromScratchEncoder(NamedEncoder):
    """Two 3x3 convolutions to 64 channels with ReLU, then 2x2 max pooling.

    State-dict names are those of the original.

    References
    ----------
    Clay Foundation Model, fine-tuning: "the network we are using to train the downstream task
    from scratch", its ``encoder``.
    """

    architecture = "from_scratch"
    settings = ("in_channels",)

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.feature_dim = 64
        self.encoder = nn.Sequential(
            nn.Conv2d(in_channels, 64, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, 64, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=2, stride=2),
        )

    def maps(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return one map of patches ``(B, C, H, W)``: ``(B, 64, H // 2, W // 2)``."""
        return [self.encoder(x)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map patches ``(B, C, H, W)`` to features ``(B, 64)``: the means of the map."""
        return mean_of_cells(self.maps(x)[-1])

    def groups(self) -> list[list[nn.Module]]:
        """Return both convolutions, input first."""
        return [[self.encoder[0]], [self.encoder[2]]]
