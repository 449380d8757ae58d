"""How rates change over the steps of a phase."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

SCHEDULES = ("constant", "one_cycle", "cosine", "exponential")


def factor_and_beta1(phase: Any, step: int, steps: int) -> tuple[float, float]:
    """Return what the rates of a `Phase` are multiplied by in a step, and Adam's beta1.

    Parameters
    ----------
    step, steps : int
        Of the phase; the first is 0.

    References
    ----------
    fastai 2.8 (``combined_cos``, ``SchedExp``); it takes a share of the steps in single precision,
    and so does this, so that rates are equal to the last digits.
    """
    position, beta1 = step / steps, phase.betas[0]
    if phase.schedule == "one_cycle":
        part, share = _part_of(position, phase.pct_start)
        ends = ((1 / phase.div, 1.0), (1.0, 1 / phase.final_div))[part]
        if phase.momentum is not None:
            high, low = phase.momentum
            begin, end = ((high, low), (low, high))[part]
            beta1 = _half_cosine(begin, end, share)
        return _half_cosine(ends[0], ends[1], share), beta1
    if phase.schedule == "cosine":
        return _half_cosine(1.0, 1 / phase.final_div, position), beta1
    if phase.schedule == "exponential":
        last = max(steps - 1, 1)
        return phase.final_div ** (step / last), beta1
    return 1.0, beta1


def _part_of(position: float, pct_start: float) -> tuple[int, float]:
    """Return in which of two parts of a cycle a position is, and how far in it."""
    middle = np.float32(pct_start)
    if np.float32(position) < middle:
        return 0, float(np.float32(position) / middle)
    end = middle + np.float32(1 - pct_start)
    return 1, float((np.float32(position) - middle) / (end - middle))


def _half_cosine(start: float, end: float, share: float) -> float:
    return start + (1 + math.cos(math.pi * (1 - share))) * (end - start) / 2
