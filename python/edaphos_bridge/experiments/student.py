"""Quantiles of Student's t distribution, for intervals of means of a few numbers."""

from __future__ import annotations

import math

from edaphos_bridge.basics.arguments import number, whole


def student_quantile(share: float, df: int) -> float:
    """Return the t of which a `share` of the distribution lies between -t and t.

    By bisection of the finite sum that its distribution is for whole degrees of freedom.

    Parameters
    ----------
    share : float
        In (0, 1).
    df : int
        Degrees of freedom.

    References
    ----------
    Abramowitz, M. and Stegun, I. A. (1964). Handbook of mathematical functions, 26.7.3, 26.7.4.
    """
    wanted, df = number("share", share, above=0, below=1), whole("df", df)
    low, high = 0.0, math.pi / 2  # of the angle whose tangent is t / sqrt(df)
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, df) < wanted else (low, middle)
    return math.sqrt(df) * math.tan((low + high) / 2)


def _within(angle: float, df: int) -> float:
    """Return the share of the distribution between the angles ``-angle`` and ``angle``."""
    sine, cosine = math.sin(angle), math.cos(angle)
    if df == 1:
        return 2 * angle / math.pi
    term = total = cosine if df % 2 else 1.0
    for k in range(2 + df % 2, df - 1, 2):
        term *= cosine**2 * (k - 1) / k
        total += term
    return 2 / math.pi * (angle + sine * total) if df % 2 else sine * total
