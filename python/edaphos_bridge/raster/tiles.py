"""A data set of random patches of a raster, read when they are needed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from edaphos_bridge.basics.arguments import seed_number, whole
from edaphos_bridge.basics.seeding import draw_seed
from edaphos_bridge.data.as_numpy import as_numpy
from edaphos_bridge.data.labels import ClassLabel
from edaphos_bridge.data.masks import UNLABELLED, Masks
from edaphos_bridge.data.normalisation import Normalisation
from edaphos_bridge.data.orientation import ROWS_FIRST, TRANSPOSED, turn
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.centres import count_overlapping, window_start
from edaphos_bridge.raster.kept_tiles import read_kept
from edaphos_bridge.raster.raster import Raster
from edaphos_bridge.raster.reopened import ReopenedRaster

# Patches are read in float64 and normalised this many at a time.
_BLOCK = 64


class FoundationTileDataset:
    """Random patches of a raster, as returned by `foundation_tile_dataset`.

    Attributes
    ----------
    raster : Raster
        Where the patches are read; its files stay open.
    normalisation : Normalisation
        How raw cells become patches.
    cells : numpy.ndarray, shape (n_patches, 2), int64
        Row and column of each centre, counted from 0.
    seed : int
        The seed that was used.
    patch_orientation : {"rows_first", "transposed"}
        How its patches and masks lie; see `oriented`.
    """

    patch_orientation = ROWS_FIRST

    def __init__(
        self,
        raster: Raster,
        normalisation: Normalisation,
        cells: NDArray[np.int64],
        seed: int,
        masks: Masks | None = None,
    ) -> None:
        self.raster = raster
        self.normalisation = normalisation
        self.cells = cells
        self.seed = seed
        self._masks = masks

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, rows: int | slice) -> NDArray[np.float32]:
        """Return patches as an array ``(N, C, patch_size, patch_size)`` would."""
        chosen = np.arange(len(self))[rows]
        patches = self.read(np.atleast_1d(chosen))
        return patches if chosen.ndim else patches[0]

    def __repr__(self) -> str:
        return "\n".join(self.describe())

    # With these three, whatever takes patches takes a data set.
    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of all patches, ``(n_patches, C, patch_size, patch_size)``."""
        return self.n_patches, self.n_channels, self.patch_size, self.patch_size

    @property
    def ndim(self) -> int:
        """Number of dimensions, 4."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """Type of the cells of patches, float32."""
        return np.dtype(np.float32)

    @property
    def n_patches(self) -> int:
        """Number of patches."""
        return len(self.cells)

    @property
    def patch_size(self) -> int:
        """Height and width of a patch, in cells."""
        return self.normalisation.patch_size

    @property
    def n_channels(self) -> int:
        """Number of bands C."""
        return len(self.normalisation.bands)

    @property
    def overlapping(self) -> int:
        """How many patches share a cell with another."""
        return count_overlapping(self.cells, self.patch_size)

    @property
    def bands(self) -> list[str]:
        """Names of the bands."""
        return list(self.normalisation.bands)

    @property
    def means(self) -> tuple[float, ...]:
        """Mean of each band's valid cells."""
        return self.normalisation.means

    @property
    def sds(self) -> tuple[float, ...]:
        """Standard deviation of each band's valid cells; 1 where it would be 0."""
        return self.normalisation.sds

    @property
    def height(self) -> int:
        """Rows of the raster."""
        return self.raster.height

    @property
    def width(self) -> int:
        """Columns of the raster."""
        return self.raster.width

    @property
    def coords(self) -> NDArray[np.float64]:
        """Return x and y of the centres of patches, ``(n_patches, 2)``, in the middle of cells.

        They are in the CRS of the raster; without coordinates x is the column and y the row.
        """
        a, b, c, d, e, f = self.raster.transform
        rows, columns = self.cells.T + 0.5
        return np.stack([a * columns + b * rows + c, d * columns + e * rows + f], axis=1)

    @property
    def classes(self) -> list[ClassLabel] | None:
        """Classes of the cells in their order; None of a data set without labels."""
        return None if self._masks is None else list(self._masks.classes)

    def masks(self, rows: ArrayLike | None = None) -> Masks:
        """Return the masks of patches, cut and turned as these are.

        Parameters
        ----------
        rows : array-like of int, optional
            Which patches, counted from 0, in this order; by default all.

        Returns
        -------
        Masks
            ``codes`` of shape ``(len(rows), patch_size, patch_size)``, int16, are positions in
            ``classes``, -1 where a cell is unlabelled.

        Raises
        ------
        InputError
            If the data set has no labels.
        """
        if self._masks is None:
            raise InputError(
                "labels",
                "are needed for masks, and this tile data set has none",
                hint="Give them to foundation_tile_dataset().",
            )
        codes = self._masks.codes
        codes = codes.clone() if rows is None else codes[torch.from_numpy(self._rows(rows))]
        if self.patch_orientation == TRANSPOSED:
            codes = codes.transpose(1, 2).contiguous()
        return Masks(codes, list(self._masks.classes))

    def read(self, rows: ArrayLike) -> NDArray[np.float32]:
        """Return some patches in the order asked for.

        Parameters
        ----------
        rows : array-like of int
            Which patches, counted from 0.

        Returns
        -------
        numpy.ndarray, shape (len(rows), C, patch_size, patch_size), float32
        """
        wanted = self._rows(rows)
        size = self.patch_size
        result = np.empty((len(wanted), self.n_channels, size, size), dtype=np.float32)
        starts = window_start(self.cells[wanted], size)
        # In the order of the file, so that its blocks are decoded once.
        order = np.lexsort((starts[:, 1], starts[:, 0]))
        for first in range(0, len(order), _BLOCK):
            some = order[first : first + _BLOCK]
            pairs = [self.raster.read(int(row), int(col), size, size) for row, col in starts[some]]
            values, valid = (np.stack(parts) for parts in zip(*pairs, strict=True))
            patches = self.normalisation.apply(values, valid)
            result[some] = turn(patches, self.patch_orientation)
        return result

    def _rows(self, rows: ArrayLike) -> NDArray[np.int64]:
        known = f"whole numbers from 0 to {len(self) - 1}"
        given = as_numpy(rows, "rows", known)
        usable = given.ndim == 1 and (given.size == 0 or given.dtype.kind in "iu")
        if not usable or np.ma.is_masked(given) or ((given < 0) | (given >= len(self))).any():
            raise InputError("rows", f"must be {known}", found=given.tolist())
        return given.astype(np.int64)

    def oriented(self, orientation: str) -> FoundationTileDataset:
        """Return the same data set, on the same open files, with patches in an orientation."""
        turned = FoundationTileDataset(
            self.raster, self.normalisation, self.cells, self.seed, self._masks
        )
        turned.patch_orientation = orientation
        return turned

    def sample(
        self, batch_size: int, seed: int | None = None, draw: Callable[[], int] = draw_seed
    ) -> NDArray[np.float32]:
        """Return distinct patches at random, ``(batch_size, C, patch_size, patch_size)`` float32.

        `draw` gives the seed when there is none.
        """
        number = whole("batch_size", batch_size)
        if number > len(self):
            raise InputError(
                "batch_size", f"must not be larger than n_patches, {len(self)}", found=number
            )
        used = draw() if seed is None else seed_number(seed)
        generator = np.random.Generator(np.random.PCG64(used % 2**64))
        return self.read(generator.choice(len(self), number, replace=False))

    def fingerprint(self) -> str:
        """Return a digest of places, statistics and masks: equal for equal data sets.

        It is the same wherever the files lie.
        """
        normalisation = self.normalisation.to_dict()
        del normalisation["cell_size"], normalisation["crs"]  # older checkpoints have none
        known = [normalisation, self.height, self.width]
        digest = hashlib.sha256(json.dumps(known).encode())
        digest.update(self.cells.astype("<i8").tobytes())
        if self._masks is not None:
            digest.update(json.dumps(self._masks.classes).encode())
            digest.update(self._masks.codes.numpy().astype("<i2").tobytes())
        return digest.hexdigest()[:16]

    def describe(self) -> list[str]:
        """Return the lines that printing shows."""
        size = self.patch_size
        lines = [
            "<edaphos_tile_dataset>",
            f"  stack       : {self.height} x {self.width} x {self.n_channels} "
            "(rows x cols x channels)",
            f"  patch_size  : {size} x {size}",
            f"  n_patches   : {self.n_patches}",
            f"  channels    : {', '.join(self.bands)}",
        ]
        if self._masks is not None:
            share = 100 * (self._masks.codes != UNLABELLED).double().mean().item()
            lines += [
                f"  classes     : {', '.join(map(str, self._masks.classes))}",
                f"  labelled    : {share:.3g} % of the cells of patches",
            ]
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return plain values from which `from_dict` opens the same data set again.

        All are JSON values but ``cells``, the array of that name, ``masks``, the codes of masks
        where there are any, and the bytes of files that lie nowhere.

        Raises
        ------
        InputError
            If the raster is an array, which no file holds.
        """
        stack = self.raster.describe()
        if stack is None:
            raise InputError(
                "stack",
                "must be in files for a data set to be kept as plain values",
                found="an array",
                hint="Write it to a GeoTIFF first.",
            )
        values = {
            "stack": stack,
            "height": self.height,
            "width": self.width,
            "normalisation": self.normalisation.to_dict(),
            "cells": self.cells.copy(),
            "seed": self.seed,
        }
        if self._masks is not None:
            codes, classes = self._masks.codes.numpy().copy(), list(self._masks.classes)
            values |= {"classes": classes, "masks": codes}
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FoundationTileDataset:
        """Return what `to_dict` gave, without opening the raster.

        Its files are opened when the first patch is read: an `InputError` then says if they
        are gone or are another raster.

        Raises
        ------
        WeightsError
            If these are no values of a data set.
        """
        return cls(*read_kept(values))

    def __getstate__(self) -> dict[str, Any]:
        """Return what copies and pickles hold: of files, what they are and not that they are open.

        An array goes with the data set.
        """
        described = self.raster.describe()
        if described is None:
            return self.__dict__
        raster = ReopenedRaster(described, self.bands, self.height, self.width)
        return {**self.__dict__, "raster": raster}
