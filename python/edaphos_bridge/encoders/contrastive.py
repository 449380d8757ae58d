"""What the encoders of edaphos have in common: widths, and a projection onto the unit sphere."""

from __future__ import annotations

import torch
from torch import nn

from edaphos_bridge.data.normalisation import Normalisation
from edaphos_bridge.data.orientation import ROWS_FIRST


class ContrastiveEncoder(nn.Module):
    """What the encoders of edaphos have in common.

    Calling one gives the features before the projection; `project` takes them further.

    Parameters
    ----------
    in_channels : int
        Channels C of the patches.
    feature_dim, proj_dim : int
        Widths of the features and of the projection.

    Attributes
    ----------
    normalisation : Normalisation or None
        How raw raster cells become the input; None where it was pretrained on patches as they
        are, or not at all.
    patch_orientation : {"rows_first", "transposed"} or None
        How the patches lay that it was pretrained on, where they came from a raster: what reads
        one for this encoder gives it the same. None is not known.
    """

    architecture: str
    made_of = ("in_channels", "feature_dim", "proj_dim")
    normalisation: Normalisation | None = None
    patch_orientation: str | None = ROWS_FIRST

    def __init__(self, in_channels: int, feature_dim: int, proj_dim: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.feature_dim = feature_dim
        self.proj_dim = proj_dim


def l2_normalise(z: torch.Tensor) -> torch.Tensor:
    """Return ``z / sqrt(sum(z^2) + 1e-9)`` for each row of ``(B, D)``."""
    return z / torch.sqrt(z.square().sum(dim=1, keepdim=True) + 1e-9)
