"""Distances from many points to all rows of a bank, by products of matrices, in bounded memory.

``|a - b|^2 = |a|^2 + |b|^2 - 2 a.b`` loses the digits of what is small beside ``|a|`` and ``|b|``.
So it only says which pairs come into question, by a bound on its error, and those distances are
computed from the differences. What is returned has their digits and bits, however rows are put
together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.basics.interrupts import pause

Rows = NDArray[np.float64]
Allowed = Callable[[slice], NDArray[np.bool_]]
"""From rows of points to which rows of the bank count for each of them, shape (Q, B)."""

# Pairs of a point and a row of the bank that are held at a time, 2 MiB of doubles: they stay in the
# cache. But points enough for a product of matrices.
_PAIRS = 2**18
_POINTS = 16
_EPS = float(np.finfo(np.float64).eps)
# A squared distance so many times the bound on its error is exact enough for a mean.
_CLEAR = 1e10


def nearest(points: Rows, bank: Rows, allowed: Allowed | None = None) -> NDArray[np.float64]:
    """Return the distance of each point to the nearest row of the bank.

    It is infinite where no row is allowed, or where squares are beyond any double.

    Parameters
    ----------
    points, bank : numpy.ndarray, shapes (Q, D) and (B, D), float64
        Finite, C-contiguous and owned.
    """
    found = np.full(len(points), np.inf)
    for rows, squared, bound in _chunks(points, bank, allowed):
        lowest = squared.min(axis=1)
        # its own error and that of the nearest one
        limit = np.where(np.isfinite(lowest), lowest + 2 * bound, -np.inf)
        near, row = np.nonzero(squared <= limit[:, None])
        if len(near):
            distances = _distances(points[rows], bank, near, row)
            first = np.flatnonzero(np.diff(near, prepend=-1))
            found[rows.start + near[first]] = np.minimum.reduceat(distances, first)
    return found


def count_within(
    points: Rows, bank: Rows, radius: float, allowed: Allowed | None = None
) -> NDArray[np.int64]:
    """Return how many rows of the bank are at most `radius` from each point; as `nearest`."""
    counts = np.zeros(len(points), dtype=np.int64)
    for rows, squared, bound in _chunks(points, bank, allowed):
        unsure = bound[:, None]
        off = squared - radius**2
        with np.errstate(invalid="ignore"):
            counts[rows] = np.count_nonzero(off < -unsure, axis=1)
            near, row = np.nonzero(np.abs(off) <= unsure)
        inside = _distances(points[rows], bank, near, row) <= radius
        counts[rows] += np.bincount(near[inside], minlength=len(off))
    return counts


def mean_distance(bank: Rows) -> float:
    """Return the mean distance of two different rows of the bank, which has two or more."""
    total = 0.0
    for rows, squared, bound in _chunks(bank, bank, None):
        clear = squared > _CLEAR * bound[:, None]
        total += float(np.sqrt(np.where(clear, squared, 0.0)).sum())
        near, row = np.nonzero(~clear)
        total += float(_distances(bank[rows], bank, near, row).sum())
    return total / (len(bank) * (len(bank) - 1))


def _chunks(
    points: Rows, bank: Rows, allowed: Allowed | None
) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.float64]]]:
    """Yield rows of points, squared distances to the bank (Q, B), and a bound (Q,) on their errors.

    What is not allowed is infinite, and so or NaN is what is beyond any double. The bound holds for
    the sum of products in any order, beside the square of what `_distances` gives, and has room for
    the rounding of a square that is compared with them.
    """
    other = torch.from_numpy(bank).T
    ours = (bank * bank).sum(axis=1)
    size = max(_POINTS, _PAIRS // max(1, len(bank)))
    for start in range(0, len(points), size):
        pause()
        rows = slice(start, min(start + size, len(points)))
        chunk = points[rows]
        with np.errstate(over="ignore", invalid="ignore"):
            theirs = (chunk * chunk).sum(axis=1)
            squared = (torch.from_numpy(chunk) @ other).numpy()
            squared *= -2
            squared += theirs[:, None]
            squared += ours
            bound = 4 * (bank.shape[1] + 8) * _EPS * (theirs + ours.max(initial=0.0))
        if allowed is not None:
            squared[~allowed(rows)] = np.inf
        yield rows, squared, bound


def _distances(
    points: Rows, bank: Rows, point: NDArray[np.intp], row: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the distance of each pair, a row of `points` and one of `bank`, from differences."""
    found = np.empty(len(point))
    size = max(1, _PAIRS // max(1, bank.shape[1]))
    for start in range(0, len(point), size):
        part = slice(start, start + size)
        between = points[point[part]] - bank[row[part]]
        with np.errstate(over="ignore"):
            found[part] = np.sqrt((between * between).sum(axis=1))
    return found
