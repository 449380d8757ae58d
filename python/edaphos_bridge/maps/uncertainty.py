"""How unsure class probabilities are: entropy, margin, least confidence.

All three are 0 where one class has all of the probability, and grow with doubt. They are those of
`sits_uncertainty` of the R package sits, and of uncertainty sampling in active learning.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def entropy(probabilities: Values, axis: int = 0) -> Values:
    """Return Shannon's entropy over that of K equal classes: ``-sum p log(p) / log(K)``, 0 to 1.

    Parameters
    ----------
    probabilities : numpy.ndarray, any shape, float64
        Of K classes, two or more, that lie along `axis`. NaN where there are no data, and so is
        the result.

    References
    ----------
    Shannon, C. E. (1948). A mathematical theory of communication. Bell System Technical Journal 27,
    379-423, section 6. Divided by ``log(K)`` as by ``sits_uncertainty(type = "entropy")``.
    """
    layers = np.moveaxis(probabilities, axis, 0)
    total = np.zeros(layers.shape[1:])
    for layer in layers:  # one by one: numpy would add in an order that depends on the shape
        # 0 log 0 is 0, its limit; NaN stays
        total -= layer * np.log(np.where(layer == 0, 1.0, layer))
    return np.clip(total / np.log(len(layers)), 0, 1)


def margin(probabilities: Values, axis: int = 0) -> Values:
    """Return ``1 - (p1 - p2)``, p1 and p2 of the two most probable classes, 0 to 1; as `entropy`.

    References
    ----------
    Scheffer, T., Decomain, C. and Wrobel, S. (2001). Active hidden Markov models for information
    extraction. IDA, 309-318. One minus their margin, so that it grows with doubt, as by
    ``sits_uncertainty(type = "margin")``.
    """
    layers = np.moveaxis(probabilities, axis, 0)
    two = np.sort(layers, axis=0)[-2:]  # NaN is last
    return 1 - (two[1] - two[0])


def least_confidence(probabilities: Values, axis: int = 0) -> Values:
    """Return ``1 - p1``, p1 of the most probable class, 0 to ``1 - 1 / K``; as `entropy`.

    References
    ----------
    Settles, B. (2009). Active learning literature survey. University of Wisconsin-Madison, Computer
    Sciences Technical Report 1648, section 3.1. As ``sits_uncertainty(type = "least")``.
    """
    return 1 - np.asarray(probabilities).max(axis=axis)  # NaN stays


MEASURES: dict[str, Callable[[Values, int], Values]] = {
    "entropy": entropy,
    "margin": margin,
    "least_confidence": least_confidence,
}
"""By their names. None looks beyond a cell: a block of a map needs no halo."""
