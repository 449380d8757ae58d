"""Percentile intervals by the bootstrap over rows, groups or blocks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.interpretation.units import Units

Measure = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From how often each row counts, shape (N,), to scores, shape (M,)."""


def intervals(
    measure: Measure, units: Units, n_boot: int, seed: int, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the scores of the rows as they are, and the ends of their percentile intervals.

    Each draw takes as many units as there are, with replacement; all rows of a unit come with it.
    A draw in which a score is not defined (NaN) is left out of that score's interval.

    Parameters
    ----------
    measure : callable
        Gives the scores.
    n_boot : int
        How many draws; 0 gives no interval (NaN).

    Returns
    -------
    estimate, low, high : numpy.ndarray, shape (M,)

    References
    ----------
    Efron, B. and Tibshirani, R. J. (1993). An introduction to the bootstrap, chapter 13.
    """
    estimate = measure(np.ones(len(units.codes)))
    generator = Randomness(seed).generator
    drawn = np.full((n_boot, len(estimate)), np.nan)
    for draw in range(n_boot):
        pause()
        taken = torch.randint(units.n, (units.n,), generator=generator).numpy()
        times = np.bincount(taken, minlength=units.n)
        drawn[draw] = measure(times[units.codes].astype(float))
    ends = np.full((2, len(estimate)), np.nan)
    known = ~np.isnan(drawn).all(axis=0)
    if n_boot and known.any():
        share = [50 * (1 - level), 50 * (1 + level)]
        ends[:, known] = np.nanpercentile(drawn[:, known], share, axis=0)
    return estimate, ends[0], ends[1]
