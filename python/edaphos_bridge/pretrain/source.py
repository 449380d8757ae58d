"""Where a run takes its patches from: an array in memory, or the tiles of a raster."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

import torch

from edaphos_bridge.normalisation import Normalisation
from edaphos_bridge.patches import Patches

if TYPE_CHECKING:
    from edaphos_bridge.raster.tiles import FoundationTileDataset


class Source(Protocol):
    """N patches of one shape, read by rows."""

    @property
    def name(self) -> str:
        """Return what the caller's function calls them."""

    @property
    def normalisation(self) -> Normalisation | None:
        """Return how they were made of raw cells; None where they are taken as they are."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Return (N, C, H, W)."""

    def read(self, rows: torch.Tensor) -> torch.Tensor:
        """Return these rows as float32 ``(len(rows), C, H, W)`` on the cpu."""

    def fingerprint(self) -> str:
        """Return a digest of what the patches are, for checkpoints."""


class PatchSource:
    """Patches of an array: all of them in memory, as one float32 tensor.

    Raises
    ------
    InputError
        If any holds a missing or infinite value.
    """

    name = "patches"
    normalisation = None

    def __init__(self, patches: Patches) -> None:
        self._x = patches.tensor()
        self.shape = patches.shape

    def read(self, rows: torch.Tensor) -> torch.Tensor:
        """Return these rows."""
        return self._x[rows]

    def fingerprint(self) -> str:
        """Return a digest of shape and values."""
        digest = hashlib.sha256(repr(self.shape).encode())
        digest.update(self._x.numpy().data)
        return digest.hexdigest()[:16]


class TileSource:
    """The patches of a tile dataset, read from its raster when a step asks for them."""

    name = "dataset"

    def __init__(self, dataset: FoundationTileDataset) -> None:
        self._dataset = dataset
        self.normalisation = dataset.normalisation
        side = dataset.patch_size
        self.shape = (dataset.n_patches, dataset.n_channels, side, side)

    def read(self, rows: torch.Tensor) -> torch.Tensor:
        """Return these rows."""
        return torch.from_numpy(self._dataset.read(rows.numpy()))

    def fingerprint(self) -> str:
        """Return a digest of the cells that were drawn and of the raster's statistics."""
        return self._dataset.fingerprint()
