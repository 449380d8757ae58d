"""Class probabilities that a user has: a row for each case, or a layer for each class of a map."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge.data.tables import numbers_of, numbers_of_frame
from edaphos_bridge.errors import InputError

ROWS, LAYERS = "a table (N, K) of a row for each case", "an array (K, H, W) of a layer each class"

# Of what was written as float32, or in per mille.
_OFF = 1e-3


def as_probabilities(x: Any, *kinds: str, argument: str = "x") -> NDArray[np.float64]:
    """Return probabilities of K classes, two or more, as doubles; a case that lacks one is NaN.

    Parameters
    ----------
    kinds : str
        `ROWS` for a table ``(N, K)``, `LAYERS` for a map ``(K, H, W)``, or both.

    Raises
    ------
    InputError
        If `x` holds no numbers, is of another shape, or the numbers of a case are not between 0
        and 1 with a sum of 1, to a thousandth.
    """
    wanted = f"class probabilities, {' or '.join(kinds)}"
    if isinstance(x, pd.DataFrame):
        x = numbers_of_frame(x, argument)
    values = numbers_of(x, argument, wanted)
    dimensions = [2 if kind == ROWS else 3 for kind in kinds]
    if values.ndim not in dimensions:
        raise InputError(argument, f"must be {wanted}", found=list(values.shape))
    axis = class_axis(values)
    if values.shape[axis] < 2:
        problem = f"must be {wanted}, of two classes or more"
        raise InputError(argument, problem, found=list(values.shape))
    missing = ~np.isfinite(values).all(axis=axis)
    np.moveaxis(values, axis, -1)[missing] = np.nan  # R's NA is a NaN that arithmetic warns of
    total = np.where(missing, 1.0, values.sum(axis=axis))
    lowest = np.where(missing, 0.0, values.min(axis=axis))
    bad = (np.abs(total - 1) > _OFF) | (lowest < -_OFF)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        found = np.moveaxis(values, axis, -1).reshape(-1, values.shape[axis])[first].tolist()
        raise InputError(
            argument,
            "must have probabilities: from 0 to 1, with a sum of 1 over classes, which "
            f"{bad.sum()} of {bad.size} {'rows' if values.ndim == 2 else 'cells'} have not",
            found=found,
            hint="Divide per cent by 100, and leave out layers of anything else, such as entropy; "
            "scores of several labels are no such probabilities.",
        )
    return values.clip(0, 1)


def class_axis(probabilities: NDArray[Any]) -> int:
    """Return where the classes are: last of a table, first of a map."""
    return 0 if probabilities.ndim == 3 else probabilities.ndim - 1
