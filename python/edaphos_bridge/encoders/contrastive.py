"""What the encoders of edaphos have in common: widths, and a projection onto the unit sphere."""

from __future__ import annotations

import torch

from edaphos_bridge.encoders.named import NamedEncoder


class ContrastiveEncoder(NamedEncoder):
    """What the encoders of edaphos have in common.

    Calling one gives the features before the projection; `project` takes them further. Features
    are the means of the last map.

    Parameters
    ----------
    in_channels : int
        Channels C of the patches.
    feature_dim, proj_dim : int
        Widths of the features and of the projection.
    """

    settings = ("in_channels", "feature_dim", "proj_dim")

    def __init__(self, in_channels: int, feature_dim: int, proj_dim: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.feature_dim = feature_dim
        self.proj_dim = proj_dim

    def project(self, features: torch.Tensor) -> torch.Tensor:
        """Map features ``(B, feature_dim)`` to unit vectors ``(B, proj_dim)``."""
        raise NotImplementedError


def l2_normalise(z: torch.Tensor) -> torch.Tensor:
    """Return ``z / sqrt(sum(z^2) + 1e-9)`` for each row of ``(B, D)``."""
    return z / torch.sqrt(z.square().sum(dim=1, keepdim=True) + 1e-9)
