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
from edaphos_bridge.maps.row_values import RowValues


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
        self.encoders = self.modules = [encoder]
        self.reads = "features"
        self.device = device
        self._projection = projection
        self.layers = Layers(tuple(f"e{number}" for number in range(1, width + 1)))

    def of(self, n: int, batches: Batches, seed: tuple[int, ...]) -> NDArray[np.float32]:
        """Return the embeddings of n patches, ``(n, D)``."""
        fast: Any = folded(self.encoders[0])
        result = np.empty((n, len(self.layers.names)), dtype=np.float32)

        def compute(batch: torch.Tensor) -> torch.Tensor:
            features = encode_features(fast, batch)
            return fast.project(features) if self._projection else features

        over_batches(compute, batches, torch.from_numpy(result), self.device)
        check_features(result, [("encoder", self.encoders[0])], "stack")
        return result

    @torch.no_grad()
    def of_features(self, features: list[torch.Tensor]) -> NDArray[np.float32]:
        """Return features as they are, or their projections."""
        encoder: Any = self.encoders[0]
        found = encoder.project(features[0]) if self._projection else features[0]
        return found.cpu().numpy()

    def bytes_a_row(self) -> int:
        """Return what rows and layers take."""
        return 3 * 4 * len(self.layers.names)

    def identity(self) -> dict[str, Any]:
        """Return what tells the encoder from another one."""
        return {
            "encoder": digest_of_module(self.encoders[0]),
            "projection": self._projection,
            "device": self.device.type,
            "layers": self.layers.to_dict(),
        }
