"""Raster patches: any array ``(N, C, H, W)`` in, owned float32 tensors out.

The caller's memory is only read. It may be shared with R, which torch would overwrite
without noticing, so every tensor that leaves this file is a copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge import vector_math  # noqa: F401  (before anything is computed)
from edaphos_bridge.errors import InputError

# Casting this many patches at a time reads an R array (column-major, patches fastest)
# in runs of whole cache lines and keeps the intermediate copy small.
_BLOCK = 64
_SHAPE_TEXT = "(N, C, H, W): patches, channels, height, width"


class Patches:
    """A checked view of the caller's patches, converted block by block when read.

    Parameters
    ----------
    x : array-like or torch.Tensor, shape (N, C, H, W), any real dtype and memory order
        The patches. NumPy masked entries count as missing.
    missing_value : int, optional
        A number that stands for a missing cell (R's ``NA_integer_`` in an int32 array).
    allow_empty : bool
        Whether N = 0 is usable (prediction) or an error (training).
    argument : str
        What the caller's function calls `x`, for its errors.

    Raises
    ------
    InputError
        If `x` is not a real 4-D array or has a zero extent. Missing and non-finite
        values are reported by `read` and `tensor`.
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
        self._missing_value = missing_value
        self._mask: Any = None
        self._array: Any = _as_array(x, argument)
        if isinstance(self._array, np.ma.MaskedArray):
            self._mask = np.ma.getmaskarray(self._array)
            self._array = self._array.data
        self.shape: tuple[int, int, int, int] = tuple(self._array.shape)
        if len(self.shape) != 4:
            raise InputError(
                self.argument,
                f"must have the four dimensions {_SHAPE_TEXT}",
                found=list(self.shape),
                hint="One patch is an array of shape (1, C, H, W).",
            )
        if 0 in self.shape[1:] or (self.shape[0] == 0 and not allow_empty):
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

        Raises
        ------
        InputError
            If any of them holds a missing or infinite value; the message counts such
            patches over the whole of `x`.
        """
        stop = min(stop, len(self))
        out = torch.empty((max(stop - start, 0), *self.shape[1:]), dtype=torch.float32)
        for first in range(start, stop, _BLOCK):
            last = min(first + _BLOCK, stop)
            block, usable = self._cast(first, last)
            if not usable.all():
                raise self._unusable_error()
            out[first - start : last - start].copy_(block)
        return out

    in_memory = True

    def tensor(self) -> torch.Tensor:
        """Return all patches as one owned, C-contiguous float32 tensor."""
        return self.read(0, len(self))

    def batches(self, size: int) -> Iterator[torch.Tensor]:
        """Yield the patches in order, at most `size` at a time."""
        for start in range(0, len(self), size):
            yield self.read(start, start + size)

    def _cast(self, first: int, last: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return rows as float32 in the caller's memory order, and which rows are usable."""
        rows = self._array[first:last]
        if isinstance(rows, torch.Tensor):
            block = rows.detach().to(device="cpu", dtype=torch.float32)
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                block = torch.from_numpy(rows.astype(np.float32, order="K", copy=True))
        finite = torch.isfinite(block)
        usable = finite.flatten(1).all(dim=1) if not finite.all() else torch.ones(len(block)) > 0
        if self._missing_value is not None and isinstance(rows, np.ndarray):
            usable = usable & _rows_without(rows == self._missing_value)
        if self._mask is not None:
            usable = usable & _rows_without(self._mask[first:last])
        return block, usable

    def _unusable_error(self) -> InputError:
        bad: list[int] = []
        for first in range(0, len(self), _BLOCK):
            _, usable = self._cast(first, min(first + _BLOCK, len(self)))
            bad += (first + torch.nonzero(~usable).flatten()).tolist()
        patches = f"{len(bad)} of {len(self)} patches"
        return InputError(
            self.argument,
            f"holds NA, NaN or infinite values in {patches}",
            rows=bad,
            hint="Fill those cells or leave the patches out.",
        )


def _rows_without(unwanted: NDArray[np.bool_]) -> torch.Tensor:
    return torch.from_numpy(~unwanted.any(axis=(1, 2, 3)))


def _as_array(x: Any, argument: str) -> Any:
    if isinstance(x, torch.Tensor):
        if x.is_complex():
            raise InputError(argument, "must hold real numbers", found=x.dtype)
        return x
    try:
        array = np.asanyarray(x)
    except (ValueError, TypeError) as error:  # ragged lists, objects that refuse
        raise InputError(
            argument, f"must be an array {_SHAPE_TEXT}", found=type(x).__name__
        ) from error
    if array.dtype.kind not in "biuf":
        found = type(x).__name__ if array.ndim == 0 else array.dtype
        raise InputError(argument, "must be an array of real numbers (N, C, H, W)", found=found)
    return array
