"""Where a run takes its patches from: an array, in memory or in a file, or a raster's tiles."""

from __future__ import annotations

from typing import Protocol

import torch

from edaphos_bridge.data.normalisation import Normalisation
from edaphos_bridge.data.orientation import ROWS_FIRST, orientation_of
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.tiles import FoundationTileDataset

# Patches of a file that are digested at a time.
_BLOCK = 64


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

    def read_for(self, encoder: object) -> None:
        """Read patches of tiles from now on as an encoder learnt to see them.

        Raises `InputError` if it learnt from cells that were made other numbers.
        """

    def fingerprint(self) -> str:
        """Return a digest of what the patches are, for checkpoints."""


class PatchSource:
    """Patches of an array: one float32 tensor in memory, or read when a step asks for them.

    Raises `InputError` if any holds a missing or infinite value.
    """

    name = "patches"

    def __init__(self, patches: Patches) -> None:
        self._patches = patches
        self._x = patches.tensor() if patches.in_memory else None
        if self._x is None:
            patches.check()
        self.normalisation = patches.normalisation
        self.shape = patches.shape

    def read(self, rows: torch.Tensor) -> torch.Tensor:
        """Return these rows."""
        return self._patches.rows(rows) if self._x is None else self._x[rows]

    def read_for(self, encoder: object) -> None:
        """Turn the patches of a tile data set to the encoder's orientation."""
        self._patches.read_for(encoder, training=True)

    def fingerprint(self) -> str:
        """Return a digest of shape and values, the same wherever they are kept."""
        return self._patches.fingerprint()


class TileSource:
    """The patches of a tile dataset, read from its raster when a step asks for them.

    Raises `InputError` if it is no tile dataset.
    """

    name = "dataset"

    def __init__(self, dataset: FoundationTileDataset) -> None:
        if not isinstance(dataset, FoundationTileDataset):
            raise InputError(
                "dataset",
                "must be a tile dataset",
                found=type(dataset).__name__,
                hint="foundation_tile_dataset() makes one.",
            )
        self._dataset = dataset
        self.normalisation = dataset.normalisation
        side = dataset.patch_size
        self.shape = (dataset.n_patches, dataset.n_channels, side, side)

    def read(self, rows: torch.Tensor) -> torch.Tensor:
        """Return these rows."""
        return torch.from_numpy(self._dataset.read(rows.numpy()))

    def read_for(self, encoder: object) -> None:
        """Turn the patches to the encoder's orientation."""
        Patches(self._dataset, argument=self.name).read_for(encoder, training=True)
        self._dataset = self._dataset.oriented(orientation_of(encoder) or ROWS_FIRST)

    def fingerprint(self) -> str:
        """Return a digest of the cells that were drawn and of the raster's statistics."""
        return self._dataset.fingerprint()
