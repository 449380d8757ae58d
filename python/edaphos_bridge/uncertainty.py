"""How unsure predictions are, cell by cell or row by row: `foundation_uncertainty()`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import choice
from edaphos_bridge.data.probabilities import LAYERS, ROWS, as_probabilities, class_axis
from edaphos_bridge.maps.uncertainty import MEASURES


@plain
def foundation_uncertainty(x: Any, measure: str = "entropy") -> NDArray[np.float64]:
    """Return how unsure class probabilities are: 0 where a class is certain, more with doubt.

    Parameters
    ----------
    x : array-like, DataFrame or torch.Tensor, shape (K, H, W) or (N, K)
        Probabilities of K classes: a layer for each, or a row for each case, as `predict_proba`
        gives them. NaN where there are no data.
    measure : str
        - ``"entropy"``: ``-sum p log(p) / log(K)``, from 0 to 1, where all classes are equal.
        - ``"margin"``: ``1 - (p1 - p2)``, p1 and p2 of the two most probable classes, 0 to 1.
        - ``"least_confidence"``: ``1 - p1``, 0 to ``1 - 1 / K``.

    Returns
    -------
    numpy.ndarray, shape (H, W) or (N,), float64
        NaN where a class has no number.

    Raises
    ------
    InputError
        If an argument cannot be used.

    References
    ----------
    Settles, B. (2009). Active learning literature survey. University of Wisconsin-Madison, Computer
    Sciences Technical Report 1648. As ``sits_uncertainty()`` of the R package sits.

    Examples
    --------
    >>> from edaphos_bridge import foundation_uncertainty
    >>> foundation_uncertainty([[0.5, 0.5], [1.0, 0.0]]).tolist()
    [1.0, 0.0]
    >>> foundation_uncertainty([[0.5, 0.25, 0.25]], "margin").tolist()
    [0.75]
    """
    return uncertainty_of(x, measure, LAYERS, ROWS)


def uncertainty_of(x: Any, measure: Any, *kinds: str) -> NDArray[np.float64]:
    """Do what `foundation_uncertainty` does, of these kinds of `as_probabilities` alone."""
    of = MEASURES[choice("measure", measure, list(MEASURES))]
    probabilities = as_probabilities(x, *kinds)
    return of(probabilities, class_axis(probabilities))
