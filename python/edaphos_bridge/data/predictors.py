"""A table of predictors: what a user calls them in, doubles and the columns' names out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge.data.tables import numbers_of, numbers_of_frame
from edaphos_bridge.errors import InputError

_WANTED = "a table of numbers (N, D), a row for each case and a column for each predictor"


@dataclass(frozen=True)
class Predictors:
    """Predictors of N cases.

    Attributes
    ----------
    values : numpy.ndarray, shape (N, D), float64
        An array of its own, C-contiguous; NaN or infinite where a value is missing.
    names : list of str or None
        Of the columns; None where the table has none.
    argument : str
        What the caller's function calls it.
    """

    values: NDArray[np.float64]
    names: list[str] | None
    argument: str = "x"


def as_predictors(
    x: Any, *, argument: str = "x", names: Any = None, asked: Sequence[str] | None = None
) -> Predictors:
    """Return a table as numbers.

    Parameters
    ----------
    x : array-like, DataFrame or torch.Tensor of real numbers, shape (N, D)
    names : sequence of str, optional
        Of the columns of an array that comes without them.
    asked : sequence of str, optional
        Of the columns that are asked for: where a DataFrame has them all, its others are left out.

    Raises
    ------
    InputError
        If `x` is no such table, or two columns have one name.
    """
    if isinstance(x, pd.DataFrame):
        if asked is not None and set(asked) <= set(map(str, x.columns)):
            x = x.loc[:, [str(name) in asked for name in x.columns]]
        names, x = [str(name) for name in x.columns], numbers_of_frame(x, argument)
    values = numbers_of(x, argument, _WANTED)
    if values.ndim != 2 or values.shape[1] == 0:
        hint = (
            "foundation_embed() makes a row of features of each patch." if values.ndim == 4 else ""
        )
        raise InputError(argument, f"must be {_WANTED}", found=list(values.shape), hint=hint)
    known = None if names is None else [str(name) for name in names]
    if known is not None and len(set(known)) < len(known):
        twice = sorted({name for name in known if known.count(name) > 1})
        raise InputError(argument, "must have one name for each column", found=twice)
    return Predictors(np.ascontiguousarray(values), known, argument)


def in_order(table: Predictors, names: Sequence[str] | None, n_columns: int) -> NDArray[np.float64]:
    """Return the columns that were learnt from, in their order: by name where both have names.

    Raises
    ------
    InputError
        If there are others than `n_columns`, or one of `names` is not there.
    """
    values, argument = table.values, table.argument
    if names is not None and table.names is not None:
        lacking = [name for name in names if name not in table.names]
        if lacking:
            raise InputError(argument, f"must have the column {lacking[0]!r}", found=table.names)
        places = [table.names.index(name) for name in names]
        return values if places == list(range(values.shape[1])) else values[:, places].copy()
    if values.shape[1] != n_columns:
        raise InputError(
            argument,
            f"must have {n_columns} columns, the predictors that were learnt from",
            found=values.shape[1],
        )
    return values
