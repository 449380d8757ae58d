"""What the encoders have in common that are made by name and live in files."""

from __future__ import annotations

from torch import nn

from edaphos_bridge.data.normalisation import Normalisation
from edaphos_bridge.data.orientation import ROWS_FIRST


class NamedEncoder(nn.Module):
    """An encoder that `foundation_encoder` makes.

    Calling one gives features ``(B, feature_dim)`` of patches ``(B, in_channels, H, W)``. What its
    constructor takes, whole numbers, it keeps under the same names; `SIZES` of ``files/schema.py``
    lists them.

    Attributes
    ----------
    architecture : str
        Its name.
    normalisation : Normalisation or None
        How raw raster cells become the input; None where it was pretrained on patches as they
        are, or not at all.
    patch_orientation : {"rows_first", "transposed"} or None
        How the patches lay that it was pretrained on, where they came from a raster: what reads
        one for this encoder gives it the same. None is not known.
    """

    architecture: str
    in_channels: int
    feature_dim: int
    normalisation: Normalisation | None = None
    patch_orientation: str | None = ROWS_FIRST
