"""Does a patch of one sensor find its twin, that of the same place, among those of the other?

A way of finding gives the likeness ``(n, n)`` of n patches of sensor a and n of sensor b, twins on
the diagonal, after it has learnt from other pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.interpretation.baselines import learnt_values

Values = NDArray[np.float64]

PENALTY = 0.1
NEAR = 10


@dataclass(frozen=True)
class Found:
    """The rank of each twin, 1 the first, from a to b and from b to a."""

    from_a: NDArray[np.int64]
    from_b: NDArray[np.int64]

    @classmethod
    def of(cls, from_a: Values, from_b: Values) -> Found:
        """Return the ranks from likenesses ``(n, n)``: rows ask, columns answer."""
        return cls(ranks(from_a), ranks(from_b))


def ranks(likeness: Values) -> NDArray[np.int64]:
    """Return how many columns are at least as like a row as its twin is; equal ones come before."""
    return (likeness >= np.diag(likeness)[:, None]).sum(axis=1)


def scores(found: NDArray[np.int64]) -> dict[str, float]:
    """Return the share of twins that come first, and among the first ten, and the median rank."""
    return {
        "top_1": float((found == 1).mean()),
        "top_10": float((found <= NEAR).mean()),
        "median_rank": float(np.median(found)),
    }


def by_chance(n: int) -> dict[str, float]:
    """Return what is expected of a random order of n patches."""
    return {"top_1": 1 / n, "top_10": min(1.0, NEAR / n), "median_rank": (n + 1) / 2}


def by_cosine(a: Values, b: Values) -> Found:
    """Find by the cosine of features ``(n, D)`` of both sensors."""
    likeness = _unit(a) @ _unit(b).T
    return Found.of(likeness, likeness.T)


def by_cca(known: tuple[Values, Values], asked: tuple[Values, Values]) -> Found:
    """Find by canonical correlation analysis, which learns from the pairs `known`.

    Features are standardised, `PENALTY` is added to their variances, and canonical variates count
    by their correlations.

    References
    ----------
    Vinod, H. D. (1976). Canonical ridge and econometrics of joint production. Journal of
    Econometrics 4, 147-166.
    """
    scaled = [_standardised(*each) for each in zip(known, asked, strict=True)]
    (a, new_a), (b, new_b) = scaled
    n = len(a)
    roots = [
        np.linalg.cholesky(each.T @ each / n + PENALTY * np.eye(each.shape[1])) for each in (a, b)
    ]
    between = np.linalg.solve(roots[0], a.T @ b / n)
    between = np.linalg.solve(roots[1], between.T).T
    left, correlations, right = np.linalg.svd(between, full_matrices=False)
    variates = [
        new @ np.linalg.solve(root.T, axes) * correlations
        for new, root, axes in ((new_a, roots[0], left), (new_b, roots[1], right.T))
    ]
    return by_cosine(*variates)


def by_ridge(known: tuple[Values, Values], asked: tuple[Values, Values]) -> Found:
    """Find what is nearest to the values that ridge regression predicts of the other sensor."""
    likenesses = []
    for one, other in ((0, 1), (1, 0)):
        predicted = learnt_values(
            torch.from_numpy(known[one]), known[other], torch.from_numpy(asked[one]), None
        )
        likenesses.append(-_squared_distances(predicted, asked[other]))
    return Found.of(*likenesses)


def _squared_distances(a: Values, b: Values) -> Values:
    return (a**2).sum(axis=1)[:, None] - 2 * a @ b.T + (b**2).sum(axis=1)[None]


def _standardised(known: Values, asked: Values) -> tuple[Values, Values]:
    mean, sd = known.mean(axis=0), known.std(axis=0)
    sd = np.where(sd > 0, sd, 1.0)
    return (known - mean) / sd, (asked - mean) / sd


def _unit(a: Values) -> Values:
    length = np.linalg.norm(a, axis=1, keepdims=True)
    return a / np.where(length > 0, length, 1.0)
