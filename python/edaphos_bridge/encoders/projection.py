"""The normalisation that both projection heads of edaphos end with."""

from __future__ import annotations

import torch


def l2_normalise(z: torch.Tensor) -> torch.Tensor:
    """Return ``z / sqrt(sum(z^2) + 1e-9)`` for each row of ``(B, D)``."""
    return z / torch.sqrt(z.square().sum(dim=1, keepdim=True) + 1e-9)
