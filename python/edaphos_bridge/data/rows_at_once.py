"""How many patches are computed with at a time."""

from __future__ import annotations

from collections.abc import Sequence

# A layer of 32 channels has so many activations in one batch: on a cpu 4 MiB, near what a cache
# holds, for encoders of ours; others are run as they are, and most shrink what they compute soon.
_ELEMENTS_PER_BATCH = {"cpu": 2**20}
_ELEMENTS_FOR_OTHERS = {"cpu": 2**22}
_ELEMENTS_ELSEWHERE = 2**23
_MOST_PATCHES_PER_BATCH = 256
_MOST_FOR_OTHERS = 1024


def rows_at_once(shape: Sequence[int], device: str = "cpu", *, ours: bool = True) -> int:
    """Return how many patches ``(N, C, H, W)`` to encode at once, in bounded memory.

    `ours` says whether the encoder is one of ours.
    """
    _, channels, height, width = shape
    elements = max(channels, 32) * height * width
    known = _ELEMENTS_PER_BATCH if ours else _ELEMENTS_FOR_OTHERS
    most = _MOST_PATCHES_PER_BATCH if ours else _MOST_FOR_OTHERS
    return max(1, min(most, known.get(device, _ELEMENTS_ELSEWHERE) // elements))
