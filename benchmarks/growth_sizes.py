"""The sizes of the growth table, a measured cell, and the exponent of a power law."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

N, C, SIDE = 500, 31, 16
AXES: dict[str, tuple[int, ...]] = {
    "N": (500, 5_000, 50_000),
    "C": (4, 31, 128),
    "H": (9, 16, 64),
}
QUICK_AXES: dict[str, tuple[int, ...]] = {"N": (100, 300), "C": (4, 31), "H": (9, 16)}
MEMMAP_N = (5_000, 50_000)
ALLOWED = 600e6  # bytes that a job on a file may take


@dataclass(frozen=True)
class Cell:
    """Time and peak memory above `x` of one job at one size."""

    job: str
    axis: str
    size: int
    seconds: float
    peak: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """N, C and H."""
        return shape_at(self.axis, self.size)


def shape_at(axis: str, size: int) -> tuple[int, int, int]:
    """Return N, C and H where one of them is `size` and the others are as usual."""
    values = {"N": N, "C": C, "H": SIDE, axis: size}
    return values["N"], values["C"], values["H"]


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return the slope of a straight line through the logarithms, by least squares.

    NaN where a value is not positive: memory too small to be seen.
    """
    if min(values) <= 0:
        return math.nan
    slope, _ = np.polyfit(np.log(sizes), np.log(values), 1)
    return float(slope)
