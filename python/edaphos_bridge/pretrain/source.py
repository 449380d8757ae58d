"""Where a run takes its patches from: an array, in memory or in a file, or a raster's tiles.

Of one sensor or of two, whose channels then lie one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
import torch

from edaphos_bridge.data.normalisation import Normalisation, normalisation_of
from edaphos_bridge.data.orientation import orientation_of, orientation_to_read
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.sensors import SensorEncoder
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
    def name_of_a(self) -> str:
        """Return what it calls those of the first sensor, or of the only one."""

    @property
    def normalisation(self) -> Normalisation | None:
        """Return how they were made of raw cells; None where they are taken as they are."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Return (N, C, H, W)."""

    @property
    def channels(self) -> tuple[int, ...]:
        """Return the channels of each sensor, one or two, which make up C."""

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

    def __init__(self, patches: Patches) -> None:
        self._patches = patches
        self.name = self.name_of_a = patches.argument
        self._x = patches.tensor() if patches.in_memory else None
        if self._x is None:
            patches.check()
        self.normalisation = patches.normalisation
        self.shape = patches.shape
        self.channels = self.shape[1:2]
        self.cells = patches.cells

    def read(self, rows: torch.Tensor) -> torch.Tensor:
        """Return these rows."""
        return self._patches.rows(rows) if self._x is None else self._x[rows]

    def read_for(self, encoder: object) -> None:
        """Turn the patches of a tile data set to the encoder's orientation."""
        self._patches.read_for(encoder, training=True)
        self.normalisation = self._patches.normalisation

    def fingerprint(self) -> str:
        """Return a digest of shape and values, the same wherever they are kept."""
        return self._patches.fingerprint()


class TileSource:
    """The patches of a tile dataset, read from its raster when a step asks for them.

    Parameters
    ----------
    dataset : FoundationTileDataset
    bands_b : sequence of str, optional
        Names of the bands that are those of a second sensor; the others come first.

    Raises
    ------
    InputError
        If it is no tile dataset, or has no such bands.
    """

    name = name_of_a = "dataset"

    def __init__(self, dataset: FoundationTileDataset, bands_b: Any = None) -> None:
        if not isinstance(dataset, FoundationTileDataset):
            raise InputError(
                "dataset",
                "must be a tile dataset",
                found=type(dataset).__name__,
                hint="foundation_tile_dataset() makes one.",
            )
        self._dataset = dataset
        self.normalisation = dataset.normalisation
        self.channels: tuple[int, ...] = (dataset.n_channels,)
        self._order = None
        if bands_b is not None:
            order, n_b = _second_last(dataset.bands, bands_b)
            self._order = torch.tensor(order)
            self.normalisation = dataset.normalisation.in_order(order)
            self.channels = (dataset.n_channels - n_b, n_b)
        side = dataset.patch_size
        self.shape = (dataset.n_patches, dataset.n_channels, side, side)

    def read(self, rows: torch.Tensor) -> torch.Tensor:
        """Return these rows."""
        patches = torch.from_numpy(self._dataset.read(rows.numpy()))
        return patches if self._order is None else patches[:, self._order]

    def read_for(self, encoder: object) -> None:
        """Turn the patches to the encoder's orientation. One of one sensor may know that of a.

        Without a second sensor, bands of the same names come in the encoder's order.
        """
        expected = normalisation_of(encoder)
        order = None if expected is None else self.normalisation.order_for(expected.bands)
        if order is not None and self._order is None:
            self._order = torch.tensor(order)
            self.normalisation = self.normalisation.in_order(order)
        found = self.normalisation
        if len(self.channels) > 1 and not isinstance(encoder, SensorEncoder):
            found, _ = found.parted(self.channels)
        if expected is not None:
            expected.require_same(found, self.name)
        self._dataset = self._dataset.oriented(orientation_to_read(encoder))

    def fingerprint(self) -> str:
        """Return a digest of the cells that were drawn and of the raster's statistics."""
        digest = self._dataset.fingerprint()
        return digest if self._order is None else f"{digest} {self._order.tolist()}"


def _second_last(bands: Sequence[str], bands_b: Any) -> tuple[list[int], int]:
    """Return the numbers of all bands, those of `bands_b` last, and how many these are."""
    given = [bands_b] if isinstance(bands_b, str) else bands_b
    known = isinstance(given, Sequence) and all(isinstance(name, str) for name in given)
    if not known or not given or len(set(given)) < len(given) or not set(given) <= set(bands):
        raise InputError(
            "bands_b",
            "must be names of bands of the tile dataset, each once",
            found=given if known else type(bands_b).__name__,
            hint=f"It has {', '.join(bands)}.",
        )
    if any(bands.count(name) > 1 for name in given):
        raise InputError(
            "bands_b",
            "must name bands that have names of their own, which several have here",
            found=given,
            hint="Name the bands of the rasters before foundation_tile_align().",
        )
    own = [number for number, name in enumerate(bands) if name not in given]
    if not own:
        raise InputError("bands_b", "must leave a band for the other sensor", found=given)
    return own + [bands.index(name) for name in given], len(given)


class PairSource:
    """Patches of two sensors: row by row the same place, the channels of `b` after those of `a`.

    Raises `InputError` if they are not as many, of another size, or tiles of other places.
    """

    def __init__(self, a: PatchSource, b: PatchSource) -> None:
        n, _, height, width = a.shape
        if b.shape[0] != n:
            raise InputError(
                b.name,
                f"must have a patch for each of the {n} of `{a.name}`",
                found=b.shape[0],
                hint="Row by row both show the same place.",
            )
        if b.shape[2:] != (height, width):
            raise InputError(
                b.name,
                f"must have patches of {height} x {width} cells, as `{a.name}`",
                found=list(b.shape[2:]),
                hint="foundation_tile_align() brings rasters on one grid.",
            )
        self._sources = a, b
        self.name, self.name_of_a = f"{a.name} and {b.name}", a.name
        self.channels = a.shape[1], b.shape[1]
        self.shape = n, sum(self.channels), height, width
        self.normalisation = self._joined(a.normalisation, b.normalisation)

    def read(self, rows: torch.Tensor) -> torch.Tensor:
        """Return these rows of both."""
        return torch.cat([source.read(rows) for source in self._sources], dim=1)

    def read_for(self, encoder: object) -> None:
        """Turn the patches to the encoder's orientation. One of one sensor may know that of a."""
        a, b = self._sources
        if isinstance(encoder, SensorEncoder):
            a.read_for(encoder.of("a"))
            b.read_for(encoder.of("b"))
        else:
            a.read_for(encoder)
            b.read_for(SimpleNamespace(patch_orientation=orientation_of(encoder)))

    def fingerprint(self) -> str:
        """Return the digests of both."""
        return " ".join(source.fingerprint() for source in self._sources)

    def _joined(self, a: Normalisation | None, b: Normalisation | None) -> Normalisation | None:
        one, other = self._sources
        if a is None and b is None:
            return None
        if a is None or b is None:
            raise InputError(
                other.name,
                f"must be a tile dataset where `{one.name}` is one, and only there",
                found="an array" if b is None else "a tile dataset",
            )
        same = (a.normalise, a.cell_size, a.crs) == (b.normalise, b.cell_size, b.crs)
        cells: list[Any] = [one.cells, other.cells]
        if not same or not np.array_equal(*cells):
            raise InputError(
                other.name,
                f"must be a tile dataset of the cells that `{one.name}` has, of the same grid",
                hint="Of the bands of both in one raster, foundation_swav_pretrain_tiles() takes "
                "one tile dataset.",
            )
        return a.beside(b)


def sensors_of(a: Patches, b: Patches | None) -> Source:
    """Return the source of patches of one sensor, or of two."""
    return PatchSource(a) if b is None else PairSource(PatchSource(a), PatchSource(b))
