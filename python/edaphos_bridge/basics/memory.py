"""Sizes that no machine at hand could hold, refused before the system is asked for them."""

from __future__ import annotations

import os

import torch

from edaphos_bridge.errors import InputError

_WHERE_UNKNOWN = 2**40


def check_memory(argument: str, n_bytes: int, found: object) -> None:
    """Raise `InputError` if what an argument asks for needs more than all of the memory.

    It needs `n_bytes` at least; `found` is its value.
    """
    limit = _all_memory()
    if n_bytes > limit:
        raise InputError(
            argument,
            f"needs {n_bytes / 1e9:.3g} GB of memory; this machine has {limit / 1e9:.3g} GB",
            found=found,
            hint="Give a smaller number.",
        )


def fits_in_memory(n_bytes: int, device: torch.device, share: float) -> bool:
    """Return whether so much is at most a `share` of all memory of the cpu or of a gpu.

    Not of what is free at the moment, which would let two runs of one call differ.
    """
    if device.type == "cuda":
        return n_bytes <= share * torch.cuda.get_device_properties(device).total_memory
    return n_bytes <= share * _all_memory()


def _all_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows
        return _WHERE_UNKNOWN
