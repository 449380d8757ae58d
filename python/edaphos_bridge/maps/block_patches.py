"""The patches of a block of a map: views of windows that are read once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

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
    margin : int
        Cells of a window around the patches.
    """

    grid: MapGrid
    normalisation: Normalisation
    order: tuple[int, ...]
    orientation: str
    channels_last: bool = False
    margin: int = 0

    def strips(self, raster: Raster, block: Window) -> Iterator[Strip]:
        """Yield parts of a block whose patches overlap, from above; each is a window read once.

        Patches that do not touch are read row by row, without the cells between the rows.
        """
        rows, cols = self.grid.rows(block), self.grid.cols(block)
        for part in [rows] if self._together else [rows[i : i + 1] for i in range(len(rows))]:
            yield self._strip(raster, part, cols)

    @property
    def _together(self) -> bool:
        return self.grid.stride < self.normalisation.patch_size

    def strip_cells(self, height: int, width: int) -> int:
        """Return how many cells the largest window has that `strips` reads of such a block."""
        size, stride = self.normalisation.patch_size, self.grid.stride
        size += 2 * self.margin
        extents = [stride * (extent - 1) + size for extent in (height, width)]
        return (extents[0] if self._together else size) * extents[1]

    def _strip(self, raster: Raster, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> Strip:
        size = self.normalisation.patch_size
        margin = self.margin
        row, col = (int(window_start(first, size)) - margin for first in (rows[0], cols[0]))
        height, width = (int(m[-1] - m[0]) + size + 2 * margin for m in (rows, cols))
        rows, cols = rows - rows[0] + margin, cols - cols[0] + margin
        cells, known = self.cells(raster, Window(row, col, height, width))
        centres = np.ix_(rows + size // 2, cols + size // 2)
        return Strip(cells, rows, cols, known[centres], size, self.orientation == TRANSPOSED)

    def cells(self, raster: Raster, window: Window) -> tuple[torch.Tensor, NDArray[np.bool_]]:
        """Return a window as the encoder expects it, and which cells have data in any band."""
        order, (_, _, height, width) = list(self.order), window
        values, valid = raster.read(*window)
        shape = len(order), height, width
        cells = np.empty(shape, dtype=np.float32)
        if self.channels_last:
            cells = np.empty((*shape[1:], shape[0]), dtype=np.float32).transpose(2, 0, 1)
        step = max(1, _CELLS_AT_ONCE // (len(order) * width))
        for first in range(0, height, step):
            part = np.s_[:, first : first + step]
            cells[part] = self.normalisation.apply(values[part][order], valid[part][order])
        return torch.from_numpy(cells), valid.any(axis=0)

    def identity(self) -> dict[str, Any]:
        """Return JSON values that tell which patches are read."""
        return {
            "stride": self.grid.stride,
            "normalisation": self.normalisation.to_dict(),
            "order": list(self.order),
            "orientation": self.orientation,
        }


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
