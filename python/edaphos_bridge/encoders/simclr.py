"""The SimCLR encoder of the R package edaphos: two convolutions and a projection."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from edaphos_bridge.encoders.contrastive import ContrastiveEncoder, l2_normalise
from edaphos_bridge.encoders.encoder import mean_of_cells


class SimCLREncoder(ContrastiveEncoder):
    """SimCLR encoder with the state-dict names of edaphos (8 tensors).

    References
    ----------
    Chen, T., Kornblith, S., Norouzi, M. and Hinton, G. (2020). A simple framework for
    contrastive learning of visual representations. ICML 2020.
    """

    architecture = "simclr"

    def __init__(self, in_channels: int, feature_dim: int = 32, proj_dim: int = 16) -> None:
        super().__init__(in_channels, feature_dim, proj_dim)
        self.conv1 = nn.Conv2d(in_channels, 16, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(16, feature_dim, kernel_size=3, padding=1)
        self.proj = nn.Sequential(
            nn.Linear(feature_dim, feature_dim), nn.ReLU(), nn.Linear(feature_dim, proj_dim)
        )

    def maps(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return feature maps of patches, all of H x W cells; features are the last one's means."""
        h = functional.relu_(self.conv1(x))
        return [h, functional.relu_(self.conv2(h))]

    def groups(self) -> list[list[nn.Module]]:
        """Return the blocks below the head, input first."""
        return [[self.conv1], [self.conv2]]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map patches ``(B, C, H, W)`` to features ``(B, feature_dim)``."""
        return mean_of_cells(self.maps(x)[-1])

    def project(self, features: torch.Tensor) -> torch.Tensor:
        """Map features ``(B, feature_dim)`` to unit vectors ``(B, proj_dim)``."""
        return l2_normalise(self.proj(features))
