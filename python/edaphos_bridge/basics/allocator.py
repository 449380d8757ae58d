"""Let the C library keep the memory that torch frees between one batch and the next.

The GNU C library gives large blocks back to the system as soon as they are freed, so that every
batch waits for fresh pages again: up to a fifth of a prediction. What counts as large rises by
itself to the largest block freed so far, up to 32 MiB (mallopt(3), ``M_MMAP_THRESHOLD``). Freeing
one block of that size settles it as if it had been an array of the user's; nothing is written to
it, so that it costs nothing. From then on up to twice as much freed memory may stay with the
process. Other C libraries take no notice.

Importing this module does so.
"""

from __future__ import annotations

import ctypes
import os

import torch

_BYTES = 2**25 - 2**16  # below the limit with its header and alignment
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)


def _settle() -> None:
    torch.empty(_BYTES, dtype=torch.uint8, device="cpu")


def keep_here() -> None:
    """Do so where the environment has fixed the limits, which then do not rise by themselves.

    A nanny of dask's has its workers give back all that is free beyond 64 KiB
    (``MALLOC_TRIM_THRESHOLD_``): a third of a map's time went into fresh pages.
    """
    if os.name != "posix":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 2**25)
        mallopt(_TRIM_THRESHOLD, 2**26)


_settle()
