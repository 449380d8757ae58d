"""Several labels a patch: what a user calls them in, a table of zeros and ones out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge.data.as_numpy import as_numpy
from edaphos_bridge.errors import InputError

_WANTED = (
    "a table (N, L) of true and false, or of 0 and 1, with a column for each label; or for each "
    "patch a list of the names of its labels"
)


@dataclass(frozen=True)
class LabelSets:
    """Labels of N patches.

    Attributes
    ----------
    held : numpy.ndarray of bool, shape (N, L)
        Which patch has which label.
    labels : list of str
        Names of the L labels: in the order of columns, or sorted where lists were given.
    """

    held: NDArray[np.bool_]
    labels: list[str]

    def __len__(self) -> int:
        return len(self.held)


def as_label_sets(y: Any) -> LabelSets:
    """Return `y` as a table of what labels each patch has.

    Parameters
    ----------
    y : array-like, DataFrame or torch.Tensor (N, L) of bool or of 0 and 1, or N lists of str
        Columns without names are called label1, label2 and so on. A list may be empty: a patch
        with none of the labels.

    Raises
    ------
    InputError
        If `y` is none of these, a cell is missing or neither 0 nor 1, or two labels have one name.
    """
    if y is None or isinstance(y, str | bytes | dict) or np.isscalar(y):
        raise InputError("y", f"must be {_WANTED}", found=type(y).__name__)
    if isinstance(y, pd.DataFrame):
        return _of_table(_of_frame(y), [str(name) for name in y.columns])
    if not hasattr(y, "ndim") or str(getattr(y, "dtype", "")) == "object":
        rows = list(y) if isinstance(y, Iterable) else []
        if _are_names(rows):
            return _of_lists(rows)
    return _of_table(as_numpy(y, "y", _WANTED), None)


def _are_names(rows: list[Any]) -> bool:
    """Return whether rows are lists of names, and not all of them empty."""
    kinds = (list, tuple, set, frozenset, np.ndarray)
    if not all(isinstance(row, kinds) for row in rows):
        return False
    names = [name for row in rows for name in row]
    return bool(names) and all(isinstance(name, str) for name in names)


def _of_lists(rows: list[Any]) -> LabelSets:
    labels = sorted({str(name) for row in rows for name in row})
    place = {name: column for column, name in enumerate(labels)}
    held = np.zeros((len(rows), len(labels)), dtype=bool)
    for number, row in enumerate(rows):
        held[number, [place[str(name)] for name in row]] = True
    return LabelSets(held, labels)


def _of_frame(y: pd.DataFrame) -> NDArray[Any]:
    for name, column in y.items():
        if not pd.api.types.is_numeric_dtype(column.dtype):  # bool is one
            raise InputError(
                "y", f"must be {_WANTED}; column {name!r} is not", found=str(column.dtype)
            )
    return y.to_numpy(dtype=np.float64, na_value=np.nan)


def _of_table(array: NDArray[Any], names: list[str] | None) -> LabelSets:
    if array.ndim != 2 or array.shape[1] == 0:
        raise InputError("y", f"must be {_WANTED}", found=list(array.shape))
    values = np.asarray(np.ma.filled(array.astype(np.float64), np.nan))
    bad = np.flatnonzero(np.isnan(values).any(axis=1))
    if len(bad):
        raise InputError(
            "y",
            f"holds missing values in {len(bad)} of {len(values)} rows",
            rows=bad.tolist(),
            hint="Leave those patches out.",
        )
    bad = np.flatnonzero(~np.isin(values, (0.0, 1.0)).all(axis=1))
    if len(bad):
        first = values[bad[0]]
        raise InputError(
            "y",
            f"must hold 0 and 1 only; {len(bad)} of {len(values)} rows hold something else",
            rows=bad.tolist(),
            found=float(first[~np.isin(first, (0.0, 1.0))][0]),
            hint="foundation_fit_regressor() learns numbers.",
        )
    labels = names or [f"label{number + 1}" for number in range(array.shape[1])]
    if len(set(labels)) < len(labels):
        twice = sorted({name for name in labels if labels.count(name) > 1})
        raise InputError("y", "must have one name for each label", found=twice)
    return LabelSets(values.astype(bool), labels)
