"""What a bootstrap draws: rows, or the groups or blocks that belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge.data.as_numpy import as_numpy
from edaphos_bridge.errors import InputError


@dataclass(frozen=True)
class Units:
    """What is drawn again and again.

    Attributes
    ----------
    kind : {"rows", "groups", "blocks"}
    codes : numpy.ndarray of int, shape (N,)
        The unit of each row, counted from 0.
    n : int
        How many units there are.
    """

    kind: str
    codes: NDArray[np.intp]
    n: int


def units_of(n_rows: int, groups: Any = None, blocks: Any = None) -> Units:
    """Return the groups or the blocks of the rows, or the rows themselves where none are given.

    Parameters
    ----------
    groups, blocks : array-like of str or int, shape (N,), optional
        For each row the name of its group or spatial block. One of the two at most.

    Raises
    ------
    InputError
        If both are given, or they are not one name for each row, or only one name.
    """
    if groups is not None and blocks is not None:
        raise InputError(
            "blocks", "cannot be given together with `groups`", hint="Give one of the two."
        )
    if groups is None and blocks is None:
        return Units("rows", np.arange(n_rows), n_rows)
    kind, given = ("groups", groups) if blocks is None else ("blocks", blocks)
    codes, names = pd.factorize(_names(kind, given))
    if len(codes) != n_rows:
        raise InputError(kind, f"must have one name for each of {n_rows} patches", found=len(codes))
    missing = np.flatnonzero(codes < 0)
    if len(missing):
        raise InputError(kind, f"misses {len(missing)} of {n_rows} names", rows=missing.tolist())
    if len(names) < 2:
        raise InputError(
            kind,
            "must name two or more",
            found=names.tolist(),
            hint="How scores vary between units cannot be seen in one.",
        )
    return Units(kind, codes, len(names))


def _names(kind: str, given: Any) -> Any:
    """Return the names as what pandas numbers."""
    wanted = InputError(
        kind, "must be a sequence of names, one for each row", found=type(given).__name__
    )
    if isinstance(given, pd.Series | pd.Categorical | pd.Index):
        return pd.Series(given).reset_index(drop=True)
    if isinstance(given, str | bytes | dict | pd.DataFrame) or np.isscalar(given):
        raise wanted
    try:
        if hasattr(given, "__array__"):
            found = as_numpy(given, kind, "names") if _is_numbers(given) else np.asarray(given)
        else:
            found = np.empty(len(given), dtype=object)
            found[:] = list(given)
    except InputError:
        raise
    except Exception as error:  # an object that refuses, in any way
        raise wanted from error
    if found.ndim != 1:
        raise InputError(kind, "must be one-dimensional", found=list(found.shape))
    return found


def _is_numbers(given: Any) -> bool:
    return getattr(getattr(given, "dtype", None), "kind", "") in "biuf"
