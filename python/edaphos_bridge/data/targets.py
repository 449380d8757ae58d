"""Numbers to be learnt: what a user calls them in, one double a patch and target out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge.data.as_numpy import as_numpy
from edaphos_bridge.errors import InputError

_WANTED = "a number for each patch, or a table (N, T) of T numbers for each"
_CLASSES = (
    "foundation_fit_classifier() learns classes, foundation_fit_multilabel() several of a patch."
)


@dataclass(frozen=True)
class Targets:
    """Targets of N patches.

    Attributes
    ----------
    values : numpy.ndarray, shape (N, T), float64
        Finite.
    names : list of str or None
        Of the T targets; None where they were given as one number a patch, without a table.
    """

    values: NDArray[np.float64]
    names: list[str] | None

    def __len__(self) -> int:
        return len(self.values)


def as_targets(y: Any) -> Targets:
    """Return `y` as numbers.

    Parameters
    ----------
    y : array-like, Series, DataFrame or torch.Tensor of real numbers, shape (N,) or (N, T)
        Columns of a table without names are called y1, y2 and so on.

    Raises
    ------
    InputError
        If `y` holds anything but finite numbers, in that shape, or two columns have one name.
    """
    names = [str(name) for name in y.columns] if isinstance(y, pd.DataFrame) else None
    array = _read(y)
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] == 0):
        raise InputError("y", f"must be {_WANTED}", found=list(array.shape))
    if array.ndim == 1:
        return Targets(_finite(array[:, None]), None)
    names = names or [f"y{number + 1}" for number in range(array.shape[1])]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InputError("y", "must have one name for each column", found=twice)
    return Targets(_finite(array), names)


def _read(y: Any) -> NDArray[np.float64]:
    if y is None or isinstance(y, str | bytes | dict) or np.isscalar(y):
        raise InputError("y", f"must be {_WANTED}", found=type(y).__name__)
    if isinstance(y, pd.Series | pd.Index | pd.DataFrame | pd.api.extensions.ExtensionArray):
        y = _of_pandas(y)
    array = as_numpy(y, "y", _WANTED)
    if array.dtype.kind == "b":
        raise InputError("y", f"must be {_WANTED}", found=array.dtype, hint=_CLASSES)
    values = np.ma.filled(array.astype(np.float64), np.nan)
    return np.asarray(values, dtype=np.float64)


def _of_pandas(y: Any) -> NDArray[np.float64]:
    """Return numbers of pandas, whose own missing values become NaN."""
    columns = [y.iloc[:, k] for k in range(y.shape[1])] if isinstance(y, pd.DataFrame) else [y]
    for column in columns:
        numeric = pd.api.types.is_numeric_dtype(column.dtype)
        if not numeric or column.dtype.kind not in "iuf":
            raise InputError("y", f"must be {_WANTED}", found=str(column.dtype), hint=_CLASSES)
    found = [pd.array(column).to_numpy(dtype=np.float64, na_value=np.nan) for column in columns]
    return np.stack(found, axis=1) if isinstance(y, pd.DataFrame) else found[0]


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise InputError(
            "y",
            f"holds missing or infinite values in {len(bad)} of {len(values)} rows",
            rows=bad.tolist(),
            hint="Leave those patches out.",
        )
    return values
