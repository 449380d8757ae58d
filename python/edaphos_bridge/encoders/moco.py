"""The MoCo encoder of the R package edaphos: residual backbone and projection."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from edaphos_bridge.encoders.contrastive import ContrastiveEncoder, l2_normalise
from edaphos_bridge.encoders.encoder import mean_of_cells


class MoCoBackbone(nn.Module):
    """Five 3x3 convolutions with BatchNorm and two residual sums, then global average pooling."""

    def __init__(self, in_channels: int, feature_dim: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 32, kernel_size=3, padding=1)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 32, kernel_size=3, padding=1)
        self.bn2 = nn.BatchNorm2d(32)
        self.conv3 = nn.Conv2d(32, 64, kernel_size=3, stride=2, padding=1)
        self.bn3 = nn.BatchNorm2d(64)
        self.conv4 = nn.Conv2d(64, 64, kernel_size=3, padding=1)
        self.bn4 = nn.BatchNorm2d(64)
        self.conv5 = nn.Conv2d(64, feature_dim, kernel_size=3, padding=1)
        self.bn5 = nn.BatchNorm2d(feature_dim)

    def maps(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return maps of 32 channels, H x W cells, and of feature_dim channels, half as many."""
        h = functional.relu_(self.bn1(self.conv1(x)))
        fine = h + functional.relu_(self.bn2(self.conv2(h)))
        h = functional.relu_(self.bn3(self.conv3(fine)))  # (B, 64, ceil(H/2), ceil(W/2))
        h = h + functional.relu_(self.bn4(self.conv4(h)))
        return [fine, functional.relu_(self.bn5(self.conv5(h)))]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(B, C, H, W)`` to features ``(B, feature_dim)``."""
        return mean_of_cells(self.maps(x)[-1])


class MoCoProjection(nn.Module):
    """Two linear layers with BatchNorm between, onto the unit sphere."""

    def __init__(self, feature_dim: int, proj_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(feature_dim, feature_dim)
        self.bn1 = nn.BatchNorm1d(feature_dim)
        self.fc2 = nn.Linear(feature_dim, proj_dim)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map features ``(B, feature_dim)`` to unit vectors ``(B, proj_dim)``."""
        return l2_normalise(self.fc2(functional.relu(self.bn1(self.fc1(features)))))


class MoCoEncoder(ContrastiveEncoder):
    """MoCo encoder with the state-dict names of edaphos (44 tensors).

    References
    ----------
    Chen, X., Fan, H., Girshick, R. and He, K. (2020). Improved baselines with momentum
    contrastive learning. arXiv:2003.04297.
    """

    architecture = "moco"

    def __init__(self, in_channels: int, feature_dim: int = 64, proj_dim: int = 32) -> None:
        super().__init__(in_channels, feature_dim, proj_dim)
        self.backbone = MoCoBackbone(in_channels, feature_dim)
        self.proj = MoCoProjection(feature_dim, proj_dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map patches ``(B, C, H, W)`` to features ``(B, feature_dim)``."""
        return self.backbone(x)

    def maps(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return feature maps of patches, fine to coarse; features are the last one's means."""
        return self.backbone.maps(x)

    def groups(self) -> list[list[nn.Module]]:
        """Return the blocks below the head, input first: each convolution and its BatchNorm."""
        backbone = self.backbone
        numbers = range(1, 6)
        return [[getattr(backbone, f"{kind}{i}") for kind in ("conv", "bn")] for i in numbers]

    def project(self, features: torch.Tensor) -> torch.Tensor:
        """Map features ``(B, feature_dim)`` to unit vectors ``(B, proj_dim)``."""
        return self.proj(features)
