"""What every encoder that is made by its name has: how it was made, and what it carries."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from edaphos_bridge.data.normalisation import Normalisation
from edaphos_bridge.data.orientation import ROWS_FIRST


class NamedEncoder(nn.Module):
    """An encoder of `foundation_encoder`: patches ``(B, C, H, W)`` to ``(B, feature_dim)``.

    Attributes
    ----------
    architecture : str
        Its name.
    settings : tuple of str
        What it is made from: arguments of its class, each kept under its name.
    in_channels, feature_dim : int
        Channels C of the patches, and the width of the features.
    normalisation : Normalisation or None
        How raw raster cells become the input; None where it was pretrained on patches as they
        are, or not at all.
    patch_orientation : {"rows_first", "transposed"} or None
        How the patches lay that it was pretrained on, where they came from a raster: what reads
        one for this encoder gives it the same. None is not known.
    """

    architecture: ClassVar[str]
    settings: ClassVar[tuple[str, ...]]
    in_channels: int
    feature_dim: int
    normalisation: Normalisation | None = None
    patch_orientation: str | None = ROWS_FIRST
