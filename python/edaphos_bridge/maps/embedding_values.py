"""Embeddings of patches, as layers of a map."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge.encoders.digest import digest_of_module
from edaphos_bridge.encoders.features import check_features, encode_features, over_batches
from edaphos_bridge.encoders.folding import folded
from edaphos_bridge.fits.prediction import Batches
from edaphos_bridge.maps.layers import Layers
from edaphos_bridge.maps.patch_values import RowValues


class EmbeddingValues(RowValues):
    """Features of an encoder, or its projections.

    Parameters
    ----------
    encoder : torch.nn.Module
        In eval mode, on `device`.
    width : int
        How many features or projections it gives of a patch.
    """

    def __init__(
        self, encoder: nn.Module, width: int, device: torch.device, *, projection: bool = False
    ) -> None:
        self.encoder = encoder
        self.device = device
        self._projection = projection
        self.layers = Layers(tuple(f"e{number}" for number in range(1, width + 1)))

    def of(self, n: int, batches: Batches, seed: tuple[int, ...]) -> NDArray[np.float32]:
        """Return the embeddings of n patches, ``(n, D)``."""
        fast: Any = folded(self.encoder)
        result = np.empty((n, len(self.layers.names)), dtype=np.float32)

        def compute(batch: torch.Tensor) -> torch.Tensor:
            features = encode_features(fast, batch)
            return fast.project(features) if self._projection else features

        over_batches(compute, batches, torch.from_numpy(result), self.device)
        check_features(result, [("encoder", self.encoder)], "stack")
        return result

    def bytes_a_row(self) -> int:
        """Return what rows and layers take."""
        return 3 * 4 * len(self.layers.names)

    def identity(self) -> dict[str, Any]:
        """Return what tells the encoder from another one."""
        return {
            "encoder": digest_of_module(self.encoder),
            "projection": self._projection,
            "device": self.device.type,
        }
