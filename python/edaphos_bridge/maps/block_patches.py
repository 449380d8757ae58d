"""The patches of a block of a map: views of windows that are read once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.data.normalisation import Normalisation
from edaphos_bridge.data.orientation import TRANSPOSED
from edaphos_bridge.maps.grid import MapGrid
from edaphos_bridge.raster.centres import window_start
from edaphos_bridge.raster.raster import Raster, Window

# Cells of a window that are normalised at a time: in double precision they take 8 MiB.
_CELLS_AT_ONCE = 2**20


@dataclass(frozen=True)
class PatchReader:
    """How patches of a raster are read for an encoder.

    Attributes
    ----------
    grid : MapGrid
        Where their centres lie.
    normalisation : Normalisation
        How raw cells become the encoder's input.
    order : tuple of int
        Where the raster has each band of the encoder.
    orientation : str
        See `edaphos_bridge.data.orientation`.
    channels_last : bool
        Whether patches lie in memory as the encoders of this package like them best, and no module
        of a user's expects it.
    """

    grid: MapGrid
    normalisation: Normalisation
    order: tuple[int, ...]
    orientation: str
    channels_last: bool = False

    def strips(self, raster: Raster, block: Window) -> Iterator[Strip]:
        """Yield parts of a block whose patches overlap, from above; each is a window read once.

        Patches that do not touch are read row by row, without the cells between the rows.
        """
        size, rows = self.normalisation.patch_size, self.grid.rows(block)
        together = self.grid.stride < size
        for part in [rows] if together else [rows[i : i + 1] for i in range(len(rows))]:
            yield self._strip(raster, part, self.grid.cols(block))

    def strip_cells(self, height: int, width: int) -> int:
        """Return how many cells the largest window has that `strips` reads of such a block."""
        size, stride = self.normalisation.patch_size, self.grid.stride
        extents = [stride * (extent - 1) + size for extent in (height, width)]
        return (extents[0] if stride < size else size) * extents[1]

    def _strip(self, raster: Raster, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> Strip:
        size = self.normalisation.patch_size
        row, col = int(window_start(rows[:1], size)[0]), int(window_start(cols[:1], size)[0])
        height, width = int(rows[-1] - rows[0]) + size, int(cols[-1] - cols[0]) + size
        values, valid = raster.read(row, col, height, width)
        centres = np.ix_(rows - rows[0] + size // 2, cols - cols[0] + size // 2)
        known = np.zeros((len(rows), len(cols)), dtype=bool)
        shape = len(self.order), height, width
        window = np.empty(shape, dtype=np.float32)
        if self.channels_last:
            window = np.empty((*shape[1:], shape[0]), dtype=np.float32).transpose(2, 0, 1)
        step = max(1, _CELLS_AT_ONCE // (len(self.order) * width))
        for channel in self.order:
            known |= valid[channel][centres]
        for first in range(0, height, step):
            part = np.s_[:, first : first + step]
            window[part] = self.normalisation.apply(
                values[part][list(self.order)], valid[part][list(self.order)]
            )
        transposed = self.orientation == TRANSPOSED
        return Strip(
            torch.from_numpy(window), rows - rows[0], cols - cols[0], known, size, transposed
        )


@dataclass(frozen=True)
class Strip:
    """A window of normalised cells, and the patches in it.

    Attributes
    ----------
    window : torch.Tensor, shape (C, h, w), float32
    rows, cols : numpy.ndarray of int64
        First rows and columns of patches, counted in the window: all pairs are meant.
    known : numpy.ndarray of bool, shape (len(rows), len(cols))
        At which pairs any band has data in the patch's centre; patches elsewhere have no value.
    """

    window: torch.Tensor
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    known: NDArray[np.bool_]
    patch_size: int
    transposed: bool

    def batches(self, size: int) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield places among the known patches, row by row, and those ``(B, C, H, W)``.

        A batch has at most `size` patches and memory of its own.
        """
        extent = self.patch_size
        views = self.window.unfold(1, extent, 1).unfold(2, extent, 1)  # (C, rows, cols, H, W)
        views = views.transpose(3, 4) if self.transposed else views
        # copied in the order of the window's memory, whose runs are the longer the better
        last = self.window.stride(0) == 1
        views = views.permute(1, 2, 3, 4, 0) if last else views.permute(1, 2, 0, 3, 4)
        down, right = np.nonzero(self.known)
        rows, cols = torch.from_numpy(self.rows[down]), torch.from_numpy(self.cols[right])
        for first in range(0, len(rows), size):
            part = slice(first, min(first + size, len(rows)))
            batch = views[rows[part], cols[part]]
            yield part, batch.permute(0, 3, 1, 2) if last else batch
