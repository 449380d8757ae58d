"""Arrays of any real dtype and memory order into C-contiguous float32, checked on the way."""

from __future__ import annotations

import math
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.basics.interrupts import pause

# Cells that are converted at a time, so that they are still in the cache when they are looked
# at (2 MiB).
_BLOCK_CELLS = 2**19
# Cells of a patch that are turned at a time where the patches lie fastest in memory (R): enough
# of them that writing comes in long runs, and few enough that so many patches fit a block that
# reading does, too.
_TURNED_CELLS = 512
_TURNED_BLOCK_CELLS = 2**19
# Threads pay from some milliseconds of work on.
_FEWEST_CELLS_FOR_THREADS = 2**21
# Half a kilobyte of doubles, where patches are so large that a block would hold few of them.
_FEWEST_PATCHES = 64


def empty(shape: tuple[int, ...]) -> torch.Tensor:
    """Return a float32 tensor with memory of its own, not yet written.

    NumPy asks the system for huge pages, torch does not: most of the time of a large array goes
    into its pages. The memory is aligned as torch's, since kernels may choose by alignment.
    """
    return torch.from_numpy(_memory(math.prod(shape))).view(shape)


class ReusedMemory:
    """Memory for tensors that come one after the other, such as batches.

    Fresh pages cost as much as what is written to them, so that a tensor is put where an earlier
    one was, if nobody holds that one or a view of it any more.
    """

    _MOST = 2  # a loop still holds one batch when it asks for the next

    def __init__(self) -> None:
        self._places: list[tuple[NDArray[np.float32], weakref.ref[NDArray[np.float32]]]] = []

    def empty(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Return a float32 tensor, not yet written, as the function `empty` does."""
        size = math.prod(shape)
        free = [memory for memory, user in self._places if user() is None and memory.size >= size]
        memory = free[0] if free else _memory(size)
        part = memory[:size]  # torch holds it as long as the tensor or a view of it lives
        others = [place for place in self._places if place[0] is not memory]
        self._places = [*others, (memory, weakref.ref(part))][-self._MOST :]
        return torch.from_numpy(part).view(shape)


def _memory(size: int) -> NDArray[np.float32]:
    buffer = np.empty(size + 16, dtype=np.float32)
    start = -(buffer.ctypes.data // buffer.itemsize) % 16
    return buffer[start : start + size]


def convert(x: NDArray[Any], out: NDArray[np.float32]) -> bool:
    """Write `x` ``(N, C, H, W)`` to `out` and return whether all of `out` is finite.

    `x` is of any real dtype and memory order, and only read; `out` is float32 and C-contiguous. A
    double that is too large becomes infinite.
    """
    exact = x.dtype.kind in "biu"  # whole numbers are finite
    if _patches_lie_fastest(x):
        return _turn(x, out, exact)
    finite = True
    step = max(1, _BLOCK_CELLS // math.prod(x.shape[1:]))
    copy = _copy_by_torch if _is_plain(x) else _copy_by_numpy
    for first in range(0, len(x), step):
        pause()
        block = out[first : first + step]
        copy(block, x[first : first + step])
        finite = (exact or all_finite(torch.from_numpy(block))) and finite
    return finite


def can_be_borrowed(x: object) -> bool:
    """Return whether `x` is a plain array that is float32 in C order already."""
    return type(x) is np.ndarray and x.dtype == np.float32 and x.flags.aligned and _is_plain(x)


def _is_plain(x: NDArray[Any]) -> bool:
    """Return whether torch can read `x` without a word, and in the order of its memory."""
    return (
        x.dtype in (np.float32, np.float64)
        and x.dtype.isnative
        and x.flags.c_contiguous
        and x.flags.writeable
    )


def _copy_by_torch(out: NDArray[np.float32], x: NDArray[Any]) -> None:
    """Copy with all of torch's threads."""
    # Flat: an extent of one may have any stride, also one that torch refuses.
    torch.from_numpy(out.reshape(-1)).copy_(torch.from_numpy(x.reshape(-1)))


def _copy_by_numpy(out: NDArray[np.float32], x: NDArray[Any]) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        np.copyto(out, x, casting="unsafe")


def _patches_lie_fastest(x: NDArray[Any]) -> bool:
    return len(x) > 1 and abs(x.strides[0]) < abs(x.strides[3]) and x.strides[0] != 0


def _turn(x: NDArray[Any], out: NDArray[np.float32], exact: bool) -> bool:
    """Do what `convert` does where the patches lie fastest in memory.

    Shares of the patches go to as many threads as torch would take; NumPy leaves them free while
    it copies.
    """
    threads = torch.get_num_threads()
    size = -(-len(x) // (threads * 16)) * 16  # whole cache lines
    if threads == 1 or out.size < _FEWEST_CELLS_FOR_THREADS:
        return _turn_share(x, out, exact)
    shares = [np.s_[first : first + size] for first in range(0, len(x), size)]
    with ThreadPoolExecutor(threads) as pool:
        finite = list(pool.map(lambda share: _turn_share(x[share], out[share], exact), shares))
    return all(finite)


def _turn_share(x: NDArray[Any], out: NDArray[np.float32], exact: bool) -> bool:
    """Cast some channels of many patches in the order of `x`, and turn them in the cache."""
    n, channels, height, width = x.shape
    together = min(channels, max(1, _TURNED_CELLS // (height * width)))
    step = max(_FEWEST_PATCHES, _TURNED_BLOCK_CELLS // (together * height * width))
    # Even shares, of an odd number of cache lines: at a power of two, few places of the cache
    # would do all the work.
    shares = max(1, round(n / step))
    step = min(n, (-(-n // (shares * 16)) | 1) * 16)

    memory = np.empty(together * height * width * step, dtype=np.float32)
    finite = True
    for first in range(0, n, step):
        pause()
        for channel in range(0, channels, together):
            part = np.s_[first : first + step, channel : channel + together]
            cells = x[part]
            block = memory[: cells.size].reshape(*cells.shape[1:], len(cells))
            turned = block.transpose(3, 0, 1, 2)
            _copy_by_numpy(turned, cells)
            finite = (exact or _all_finite_by_numpy(block)) and finite
            np.copyto(out[part], turned)
    return finite


def all_finite(x: torch.Tensor) -> bool:
    """Return whether a tensor has neither NaN nor infinity.

    They survive any sum, so that a finite sum answers in one pass that writes nothing. A sum
    may also overflow; then each cell is asked.
    """
    return math.isfinite(x.sum().item()) or bool(x.isfinite().all())


def _all_finite_by_numpy(block: NDArray[np.float32]) -> bool:
    """Do what `all_finite` does in this thread alone."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(np.einsum("i->", block.reshape(-1)))  # four times as fast as sum()
    return math.isfinite(total) or bool(np.isfinite(block).all())
