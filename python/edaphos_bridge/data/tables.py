"""Tables of users, column by column: of pandas and packages that are like it, structured arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge.data.as_numpy import as_numpy
from edaphos_bridge.errors import InputError

_NUMBERS = ("floating", "integer", "mixed-integer-float", "decimal", "empty")


def columns_of(table: Any) -> list[Any] | None:
    """Return the names of a table's columns, or None for anything else."""
    if isinstance(table, np.ndarray):
        return None if table.dtype.names is None else list(table.dtype.names)
    try:
        names = getattr(table, "columns", None)
        return None if names is None or callable(names) else list(names)
    except Exception:  # an object that refuses in a way of its own is no table
        return None


def numbers_in(column: Any, argument: str, name: Any, wanted: str) -> NDArray[np.float64]:
    """Return a column's numbers, missing ones as NaN, or raise `InputError`."""
    if not isinstance(column, pd.Series):
        return numbers_of(column, argument, wanted)
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind not in _NUMBERS:
        raise InputError(argument, f"must have numbers in its column {name!r}", found=kind)
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def numbers_of_frame(table: pd.DataFrame, argument: str) -> NDArray[np.float64]:
    """Return the numbers of all columns, missing ones as NaN, or raise `InputError`."""
    for name, column in table.items():
        if not pd.api.types.is_numeric_dtype(column.dtype) or column.dtype.kind == "c":
            raise InputError(
                argument, f"must have numbers in column {str(name)!r}", found=str(column.dtype)
            )
    return table.to_numpy(dtype=np.float64, na_value=np.nan)


def numbers_of(array: Any, argument: str, wanted: str) -> NDArray[np.float64]:
    """Return numbers as a new plain array of the same shape; masked ones are NaN."""
    return np.ma.filled(as_numpy(array, argument, wanted).astype(np.float64), np.nan)
