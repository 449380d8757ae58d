"""Maps without their single odd cells: majority filter, and Bayesian smoothing of probabilities.

A cell's value depends on the window around it and on nothing else, in the same arithmetic: a block
that is read with a halo of `halo_of` its window, cells beyond the raster being without data, gets
the bits that the whole map gets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edaphos_bridge.basics.interrupts import pause

NO_CLASS = 0
"""What stands for no data among codes of classes, which begin at 1."""

# Numbers of windows that are held at a time, 2 MiB: they stay in the cache.
_NUMBERS = 2**18

# Logits beyond these probabilities would be those of rounding, not of the classifier.
_LEAST = 1e-6


def halo_of(window: int) -> int:
    """Return how many cells beyond a block a window of that side reaches."""
    return window // 2


def within(window: int, height: int, width: int) -> int:
    """Return the side of the window that sees of a map all that one of `window` does."""
    return min(window, 2 * max(height, width, 1) - 1)


def most_probable(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the code, from 1 on, of each cell's most probable class, the first of equals.

    `NO_CLASS` where a cell of the K layers ``(K, h, w)`` has no data.
    """
    missing = np.isnan(probabilities).any(axis=0)
    return np.where(missing, NO_CLASS, probabilities.argmax(axis=0) + 1)


def majority(
    codes: NDArray[Any],
    window: int,
    valid: NDArray[np.bool_],
    go_on: Callable[[], None] = pause,
) -> NDArray[Any]:
    """Return the class that most cells of each cell's window have, shape (h, w).

    Of classes that are equally frequent it is the cell's own, if that is among them, else the one
    with the lowest code. Cells that are not `valid` have no vote and stay as they are; so have
    places beyond the map.

    Parameters
    ----------
    codes : numpy.ndarray of a whole number type, shape (h, w)
    window : int
        The side of the window, odd.
    """
    most = np.zeros(codes.shape, dtype=np.int64)
    winner, own = codes.copy(), np.zeros_like(most)
    for code in np.unique(codes[valid]):  # ascending: the first of equals stays
        go_on()
        here = valid & (codes == code)
        votes = _sums(here, window)
        better = votes > most
        winner[better], most[better] = code, votes[better]
        own[here] = votes[here]
    stays = ~valid | (own == most)
    winner[stays] = codes[stays]
    return winner


def _sums(cells: NDArray[np.bool_], window: int) -> NDArray[np.int64]:
    """Return how many cells of each window are true, by sums from the corner on."""
    half = halo_of(window)
    counts = cells.astype(np.int64)
    for axis in (0, 1):
        before = [(half + 1, half) if each == axis else (0, 0) for each in (0, 1)]
        sums = np.pad(counts, before).cumsum(axis=axis)
        n = counts.shape[axis]
        ends = np.arange(window, window + n)
        counts = sums.take(ends, axis=axis) - sums.take(ends - window, axis=axis)
    return counts


def bayesian(
    probabilities: NDArray[np.float64],
    window: int,
    neigh_fraction: float,
    smoothness: NDArray[np.float64],
    go_on: Callable[[], None] = pause,
) -> NDArray[np.float64]:
    """Return the probabilities of classes, given those of the cells around, shape (K, h, w).

    For each class k and cell, x is its logit ``log(p / (1 - p))``. Cells around it say what to
    expect of its mean: of the n logits of class k in the window, its own among them, the
    ``ceil(neigh_fraction * n)`` highest, but two at least, have the mean m and the variance s2
    (divided by their number less one). With the prior ``N(m, s2)`` and a logit of variance
    `smoothness` around its mean, the mean of the posterior is

        E = s2 / (s2 + smoothness[k]) * x  +  smoothness[k] / (s2 + smoothness[k]) * m.

    So where neighbours agree, a cell is drawn to them, and where they differ and s2 is large, it
    stays. Taking the highest logits lets a cell at the border of two classes see its own side. The
    result is ``1 / (1 + exp(-E))``, divided by its sum over classes, which changes no order.

    Cells without data (NaN) stay so, and do not count among the n; so do places beyond the map. A
    cell alone in its window keeps its probability.

    Parameters
    ----------
    window : int
        The side of the window, odd.
    neigh_fraction : float
        Above 0, at most 1.
    smoothness : numpy.ndarray, shape (K,)
        Above 0: the variance of a class's logits.

    Notes
    -----
    As ``sits_smooth`` of the R package sits 1.5, with these differences: a window at the edge of a
    map holds what is there, where sits mirrors the map; a cell without data gets no value from its
    neighbours; probabilities are brought to 1e-6 from 0 and 1 before their logits are taken, where
    sits does that with 0 and 1 only, and keeps no finer ones; and their sum is 1.

    References
    ----------
    Camara, G., Assunção, R., Carvalho, A., Simoes, R., Souza, F., Carlos, F., Souza, A., Rorato, A.
    and Dal'Asta, A. P. (2024). Bayesian inference for post-processing of remote-sensing image
    classification. Remote Sensing 16(23), 4572, section 2: the posterior of the normal model with
    a known variance, and its prior from a share of the neighbours.
    """
    missing = np.isnan(probabilities).any(axis=0)
    half = halo_of(window)
    smoothed = np.empty_like(probabilities)
    for layer, variance, out in zip(probabilities, smoothness, smoothed, strict=True):
        p = np.where(missing, np.nan, layer.clip(_LEAST, 1 - _LEAST))
        logits = np.log(p) - np.log1p(-p)
        around = np.pad(logits, half, constant_values=np.nan)
        windows = sliding_window_view(around, (window, window))
        for place in _parts(logits.shape, window * window):
            go_on()
            mean, spread = _prior(windows[place], neigh_fraction)
            x = logits[place].ravel()
            share = spread / (spread + variance)
            posterior = np.where(np.isnan(mean), x, share * x + (1 - share) * mean)
            out[place] = (1 / (1 + np.exp(-posterior))).reshape(logits[place].shape)
    total = np.zeros(missing.shape)
    for out in smoothed:
        total += out
    smoothed /= total
    return smoothed


def _parts(shape: tuple[int, ...], size: int) -> Iterator[tuple[slice, slice]]:
    """Yield rectangles of cells so small that their windows of `size` numbers are few at a time."""
    height, width = shape
    columns = max(1, min(width, _NUMBERS // size))
    rows = max(1, _NUMBERS // (size * columns))
    for row in range(0, height, rows):
        for column in range(0, width, columns):
            yield slice(row, row + rows), slice(column, column + columns)


def _prior(
    windows: NDArray[np.float64], neigh_fraction: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance of each window's highest logits; NaN of fewer than two cells."""
    falling = -windows.reshape(-1, windows.shape[-2] * windows.shape[-1])
    falling.sort(axis=1)  # NaN is last
    n = np.count_nonzero(~np.isnan(falling), axis=1)
    # what rounding adds to a whole number is no further neighbour
    taken = np.ceil(neigh_fraction * n - 1e-9)
    taken = np.maximum(taken, np.minimum(n, 2))  # two have a variance
    among = np.arange(falling.shape[1]) < taken[:, None]
    alone = n < 2
    taken[alone] = 2
    mean = np.where(among, falling, 0.0).sum(axis=1) / taken
    off = np.where(among, falling - mean[:, None], 0.0)
    spread = (off * off).sum(axis=1) / (taken - 1)
    mean[alone], spread[alone] = np.nan, 0.0
    return -mean, spread
