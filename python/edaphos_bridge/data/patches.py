"""Raster patches: any array ``(N, C, H, W)`` in, owned float32 tensors out.

The caller's memory is only read. It may be shared with R, which torch would overwrite
without noticing, so every tensor that leaves this file is a copy, but for batches that are
borrowed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.basics import (
    allocator,  # noqa: F401  (before anything is computed)
    vector_math,  # noqa: F401  (before anything is computed)
)
from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.data.as_numpy import read_slice
from edaphos_bridge.data.float32 import ReusedMemory, all_finite, can_be_borrowed, convert, empty
from edaphos_bridge.data.input_scale import warn_about_scale
from edaphos_bridge.data.masks import Masks
from edaphos_bridge.data.normalisation import normalisation_of
from edaphos_bridge.data.orientation import orientation_to_read
from edaphos_bridge.data.patch_arrays import open_array
from edaphos_bridge.data.rows_at_once import rows_at_once
from edaphos_bridge.errors import InputError, NoteWarning, warn

# Cells that are read and checked at a time: 64 MiB in float64.
_BLOCK_CELLS = 2**23
# Patches that are read at a time from memory, however large: in R's order, fewer of them lie in
# too short runs.
_FEWEST_IN_MEMORY = 64
# Patches that are looked at to know the scale of all.
_MOST_IN_SAMPLE = 64
_SHAPE_TEXT = "(N, C, H, W): patches, channels, height, width"


class Patches:
    """A checked view of the caller's patches, converted block by block when read.

    Raises `InputError` if `x` is not a real 4-D array or has a zero extent. Missing and non-finite
    values are reported by `check` and by what reads.

    Parameters
    ----------
    x : array-like, torch.Tensor, FoundationTileDataset or path, shape (N, C, H, W)
        The patches, of any real dtype and memory order. Masked entries count as missing, and so
        do the fill values of xarray, zarr and h5py (`edaphos_bridge.data.as_numpy.fill_values`).
        Arrays that are not in memory (``numpy.memmap``, zarr, h5py, dask, xarray, tile data
        sets, and the path of a .npy file or a .zarr folder) are read in parts, never whole.
        The dimensions of xarray are taken by position.
    missing_value : int, optional
        A number that stands for a missing cell (R's ``NA_integer_`` in an int32 array).
    allow_empty : bool
        Whether N = 0 is usable (prediction) or an error (training).

    Attributes
    ----------
    shape : tuple of four int
        (N, C, H, W).
    in_memory : bool
        Whether any patch is at hand; otherwise each read goes to a file or computes.
    normalisation : Normalisation or None
        How a tile data set makes its patches of raw cells, its bands in the order in which they are
        read; None of anything else.
    cells : numpy.ndarray, shape (N, 2), or None
        Row and column in the raster of each patch of a tile data set.
    """

    def __init__(
        self,
        x: Any,
        *,
        missing_value: int | None = None,
        allow_empty: bool = False,
        argument: str = "x",
    ) -> None:
        self.argument = argument
        self.normalisation = self._own = normalisation_of(x)
        self._order: list[int] | None = None  # of the bands, where an encoder has another
        self.cells = None if self.normalisation is None else getattr(x, "cells", None)
        self._array, self.in_memory, self._fills = open_array(x, argument)
        self._given = getattr(self._array, "patch_orientation", None)
        self._missing_values = self._fills if missing_value is None else (missing_value,)
        shape = tuple(self._array.shape)
        if len(shape) != 4:
            raise InputError(
                self.argument,
                f"must have the four dimensions {_SHAPE_TEXT}",
                found=list(shape),
                hint="One patch is an array of shape (1, C, H, W).",
            )
        if any(extent != extent for extent in shape):  # dask does not know it: NaN
            raise InputError(
                self.argument,
                f"must have known extents {_SHAPE_TEXT}",
                found=list(shape),
                hint="compute_chunk_sizes() of dask finds them.",
            )
        n, channels, height, width = (int(extent) for extent in shape)
        self.shape = (n, channels, height, width)
        if 0 in self.shape[1:] or (n == 0 and not allow_empty):
            raise InputError(
                self.argument,
                f"must not have an extent of zero in {_SHAPE_TEXT}",
                found=list(self.shape),
            )

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def channels(self) -> int:
        """Number of channels C."""
        return self.shape[1]

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Return rows ``start:stop`` as an owned, C-contiguous float32 tensor.

        Raises `InputError` if any of them holds a missing or infinite value; the message counts
        such patches over the whole of `x`.
        """
        return self._read_into(empty, start, stop)

    def rows(self, rows: torch.Tensor) -> torch.Tensor:
        """Return some patches in the order asked for, as `read` does.

        Raises `InputError` as `read`.

        Parameters
        ----------
        rows : torch.Tensor of int64, shape (B,)
            Which patches, counted from 0; any may come more than once. What is not in memory
            is read in ascending order, each patch once.

        Returns
        -------
        torch.Tensor, shape (B, C, H, W), float32, owned and C-contiguous
        """
        wanted, place = np.unique(rows.numpy(), return_inverse=True)
        out = empty((len(wanted), *self.shape[1:]))
        ends = np.flatnonzero(np.diff(wanted, append=-1) != 1) + 1
        first = 0
        for end in ends.tolist():  # a run of neighbours is a slice, which every array knows
            self._read(int(wanted[first]), int(wanted[end - 1]) + 1, out[first:end])
            first = end
        in_order = np.array_equal(place, np.arange(len(wanted)))
        return out if in_order else out[torch.from_numpy(place)]

    def tensor(self) -> torch.Tensor:
        """Return all patches as one owned, C-contiguous float32 tensor."""
        return self.read(0, len(self))

    def batches(self, size: int, *, borrow: bool = False) -> Iterator[torch.Tensor]:
        """Yield the patches in order, at most `size` at a time.

        With `borrow` a batch may be a view of the caller's memory, where that needs no
        conversion: for a reader that is known not to write.
        """
        memory = ReusedMemory()
        for start in range(0, len(self), size):
            pause()
            batch = self._borrowed(start, start + size) if borrow else None
            yield self._read_into(memory.empty, start, start + size) if batch is None else batch
            del batch  # else its memory could not be used again

    def fingerprint(self) -> str:
        """Return a digest of shape and values, the same wherever they are kept."""
        digest = hashlib.sha256(repr(self.shape).encode())
        for batch in self.batches(rows_at_once(self.shape)):
            digest.update(batch.numpy().data)
        return digest.hexdigest()[:16]

    def numbered_batches(
        self, size: int, *, borrow: bool = False
    ) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield each of `batches` with its rows."""
        start = 0
        for batch in self.batches(size, borrow=borrow):
            rows = slice(start, start + len(batch))
            start = rows.stop
            yield rows, batch
            del batch  # else its memory could not be used again

    @property
    def overlapping(self) -> int | None:
        """How many patches share cells with another, where that is known."""
        found: int | None = getattr(self._array, "overlapping", None)
        return found if isinstance(found, int) else None

    def check(self) -> None:
        """Read everything once, in blocks of which nothing is kept.

        Raises `InputError` if any patch holds a missing or infinite value; the message counts them.
        """
        size = min(self._block, len(self))
        out = empty((size, *self.shape[1:]))
        for start in range(0, len(self), max(size, 1)):
            stop = min(start + size, len(self))
            self._read(start, stop, out[: stop - start])

    def read_for(self, encoder: object, *, training: bool) -> None:
        """Read the patches of a tile data set as an encoder learnt to see them.

        They are turned to its orientation, and bands of the same names come in its order. Arrays
        are taken as they are.

        Raises `InputError` if a tile data set gives other numbers than the encoder expects. Warns
        `EdaphosWarning` if the cells of a tile data set have another size or CRS, or if they are an
        array and some of them look like other numbers.

        Parameters
        ----------
        encoder : object
            What may carry a normalisation and an orientation.
        training : bool
            Whether they are the data of a fit.
        """
        found, expected = self._own, normalisation_of(encoder)
        if found is not None:
            self._array = self._array.oriented(orientation_to_read(encoder))
            self._order = None if expected is None else found.order_for(expected.bands)
            if self._order is not None:
                found = found.in_order(self._order)
            self.normalisation = found
        if expected is None:
            return
        if found is None:
            if len(self) and len(expected.bands) == self.channels:
                warn_about_scale(self._sample(), expected, self.argument, training=training)
            return
        expected.require_same(found, self.argument)

    @property
    def are_turned(self) -> bool:
        """Whether `read_for` has turned them from how they were given."""
        return self.normalisation is not None and self._array.patch_orientation != self._given

    def masks(self) -> Masks | None:
        """Return the masks of a tile data set that has labels, turned as its patches are."""
        has_masks = self.normalisation is not None and self._array.classes is not None
        return self._array.masks() if has_masks else None

    def _sample(self) -> torch.Tensor:
        """Return a few patches: from all over what is in memory, else the first."""
        size = max(1, min(len(self), _MOST_IN_SAMPLE, _BLOCK_CELLS // math.prod(self.shape[1:])))
        if not self.in_memory:
            return self.read(0, size)
        return self.rows(torch.linspace(0, len(self) - 1, size).long())

    @property
    def _block(self) -> int:
        fewest = _FEWEST_IN_MEMORY if self.in_memory else 1
        return max(fewest, _BLOCK_CELLS // math.prod(self.shape[1:]))

    def _read(self, start: int, stop: int, out: torch.Tensor) -> None:
        """Write rows ``start:stop`` to `out`."""
        step = self._block
        if self.in_memory and not self._missing_values:
            step = max(stop - start, 1)  # `convert` takes blocks of its own
        for first in range(start, stop, step):
            pause()
            last = min(first + step, stop)
            x, mask = self._slice(first, last)
            usable = convert(x, out[first - start : last - start].numpy())
            if mask is not None or self._missing_values:
                usable = usable and not self._missing(x, mask).any()
            if not usable:
                raise self._unusable_error()

    def _read_into(
        self, make: Callable[[tuple[int, ...]], torch.Tensor], start: int, stop: int
    ) -> torch.Tensor:
        """Return rows ``start:stop`` in a tensor that `make` gives."""
        stop = min(stop, len(self))
        out = make((max(stop - start, 0), *self.shape[1:]))
        self._read(start, stop, out)
        return out

    def _borrowed(self, start: int, stop: int) -> torch.Tensor | None:
        """Return rows as a view of the caller's memory, or None where they need conversion."""
        if self._missing_values or not isinstance(self._array, np.ndarray | torch.Tensor):
            return None  # slices of other arrays are read, which happens once
        x: Any = self._array[start:stop]
        if isinstance(x, torch.Tensor):
            x = x.detach().numpy() if _numpy_shares(x) else None
        if not can_be_borrowed(x):
            return None
        batch = torch.from_numpy(x.reshape(-1)).view(x.shape)
        if not all_finite(batch):
            raise self._unusable_error()
        return batch

    def _slice(self, first: int, last: int) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Return rows as they are, and where they are masked."""
        rows = read_slice(self._array, slice(first, last), self.argument)
        if self._order is not None:
            rows = rows[:, self._order]
        expected = (last - first, *self.shape[1:])
        if rows.shape != expected or rows.dtype.kind not in "biuf":
            raise InputError(
                self.argument,
                f"must give real numbers of shape {list(expected)} for rows {first}:{last}",
                found=f"{rows.dtype}, {list(rows.shape)}",
            )
        if isinstance(rows, np.ma.MaskedArray):
            mask = np.ma.getmask(rows)
            return rows.data, None if mask is np.ma.nomask else mask
        return rows, None

    def _missing(self, x: NDArray[Any], mask: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """Return which cells are marked as missing, whatever their value."""
        missing = np.zeros((), dtype=bool) if mask is None else mask
        for value in self._missing_values:
            missing = missing | (x == value)
        return missing

    def _unusable_error(self) -> InputError:
        """Return the error for missing and infinite values; it counts them over all of `x`."""
        bad: list[int] = []
        for first in range(0, len(self), self._block):
            pause()
            x, mask = self._slice(first, min(first + self._block, len(self)))
            with np.errstate(over="ignore", invalid="ignore"):
                unusable = ~np.isfinite(x.astype(np.float32)) | self._missing(x, mask)
            bad += (first + np.flatnonzero(unusable.any(axis=(1, 2, 3)))).tolist()
        patches = f"{len(bad)} of {len(self)} patches"
        hint = "Fill those cells or leave the patches out."
        if self._fills:
            numbers = " and ".join(f"{value:g}" for value in self._fills)
            hint += f" Cells of {numbers} count as missing: the array says so."
        return InputError(
            self.argument, f"holds NA, NaN or infinite values in {patches}", rows=bad, hint=hint
        )


def warn_of_overlap(shared: int | None, n_patches: int) -> None:
    """Note if a random split would put the same cells into training and validation rows."""
    if shared:
        warn(
            f"{shared} of {n_patches} patches share cells with another: the validation accuracy of "
            "a random split says little about other places. Hold out whole blocks instead.",
            NoteWarning,
        )


def _numpy_shares(x: torch.Tensor) -> bool:
    """Return whether NumPy can see a tensor where it lies."""
    plain = type(x) in (torch.Tensor, torch.nn.Parameter)
    return plain and x.device.type == "cpu" and x.dtype == torch.float32 and not x.is_neg()
