"""Folds: which rows train and which are held out, as users have them or drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.data.as_numpy import as_numpy
from edaphos_bridge.errors import InputError

Rows = NDArray[np.int64]

_WANTED = (
    "one whole number for each of the {n} patches, a list of the rows that each fold holds out, "
    "or a list of pairs (train, test) of rows"
)


@dataclass(frozen=True)
class Fold:
    """Rows counted from 0, ascending; what is in neither is left out.

    `name` is what the user calls the fold: its number in a vector, or its place in a list.
    """

    name: int
    train: Rows
    test: Rows


def read_folds(folds: Any, n: int, first: int = 0) -> list[Fold]:
    """Return the folds of `n` rows that a user gives.

    Parameters
    ----------
    folds : array-like of int, shape (N,), or iterable of rows, or of pairs (train, test) of rows
        The number of each row's fold; or the rows that each fold holds out, while all others
        train, as of caret; or what trains and what is held out, as of scikit-learn's splitters
        and of blockCV. Rows are counted from 0.
    first : int
        The name of the first fold of a list; folds of a vector are named by their numbers.

    Raises
    ------
    InputError
        If it is nothing of that, names rows that are not there or the same row twice, or leaves
        a fold without rows to train on or to hold out.
    """
    wanted = f"must be {_WANTED.format(n=n)}"
    is_tensor = isinstance(folds, torch.Tensor)
    if hasattr(folds, "split") and not (is_tensor or isinstance(folds, str | bytes)):
        raise InputError(
            "folds",
            wanted,
            found=type(folds).__name__,
            hint="Of a splitter of scikit-learn: list(splitter.split(x, y, groups)).",
        )
    if isinstance(folds, str | bytes | Mapping) or not isinstance(folds, Iterable):
        raise InputError("folds", wanted, found=type(folds).__name__)
    if is_tensor or (hasattr(folds, "dtype") and getattr(folds, "ndim", None) == 1):
        return _of_vector(folds, n, wanted)
    given = _listed(folds, wanted)
    if given and not any(_has_parts(item) for item in given):
        return _of_vector(given, n, wanted)
    if not given:
        raise InputError("folds", wanted, found=[])
    if all(_is_pair(item) for item in given):
        return [_of_pair(first + i, train, test, n) for i, (train, test) in enumerate(given)]
    return _of_held_out([rows_of("folds", item, n) for item in given], n, first)


def rows_of(argument: str, value: Any, n: int) -> Rows:
    """Return rows of `n` in ascending order, or raise `InputError`."""
    found = whole_numbers(argument, value, f"whole numbers: rows of the {n} patches")
    outside = found[(found < 0) | (found >= n)]
    if len(outside):
        raise InputError(
            argument,
            f"must name rows of the {n} patches; {len(outside)} of {len(found)} are none",
            rows=outside.tolist(),
        )
    rows, counts = np.unique(found, return_counts=True)
    if (counts > 1).any():
        raise InputError(
            argument, "must name each row once; some come again", rows=rows[counts > 1].tolist()
        )
    return rows


def whole_numbers(argument: str, value: Any, wanted: str) -> Rows:
    """Return a vector of whole numbers, or raise `InputError`."""
    array = np.ma.asarray(as_numpy(value, argument, wanted))
    if array.ndim != 1:
        raise InputError(argument, f"must be {wanted}", found=list(array.shape))
    usable = np.ma.getmaskarray(array) == False  # noqa: E712
    if array.dtype.kind == "f":
        usable &= (abs(array.data) < 2**63) & (array.data == np.trunc(array.data))
    if array.dtype.kind == "b" or not usable.all():
        found = "bool" if array.dtype.kind == "b" else array.data[~usable][0].item()
        raise InputError(argument, f"must be {wanted}", found=found)
    return array.data.astype(np.int64)


def complement(rows: Rows, n: int) -> Rows:
    """Return all rows of `n` but these."""
    others = np.ones(n, dtype=bool)
    others[rows] = False
    return np.flatnonzero(others)


def checked(name: int, train: Rows, test: Rows, argument: str = "folds") -> Fold:
    """Return a fold, or raise `InputError` where nothing trains, nothing is held out, or both."""
    where = f" in fold {name}" if argument == "folds" else ""
    if not len(test):
        raise InputError(argument, f"holds out no row{where}")
    if not len(train):
        raise InputError(argument, f"leaves no training row{where}")
    both = np.intersect1d(train, test)
    if len(both):
        raise InputError(
            argument, f"has rows that train and are held out{where}", rows=both.tolist()
        )
    return Fold(name, train, test)


def draw_folds(
    k: int,
    generator: torch.Generator,
    codes: NDArray[np.int64],
    strata: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Return the fold of each row, from 0 to k - 1; groups stay whole, folds are of like size.

    Parameters
    ----------
    codes : numpy.ndarray, shape (N,)
        The group of each row, from 0 on.
    strata : numpy.ndarray, shape (N,), optional
        Where each row is a group of its own: the class of each row. Every fold gets its share of
        each.
    """
    sizes = np.bincount(codes)
    order = torch.randperm(len(sizes), generator=generator).numpy()
    fold = np.empty(len(sizes), dtype=np.int64)
    if strata is not None:
        in_turn = order[np.argsort(strata[order], kind="stable")]
        fold[in_turn] = np.arange(len(in_turn)) % k
        return fold[codes]
    filled = np.zeros(k, dtype=np.int64)
    for group in order[np.argsort(-sizes[order], kind="stable")]:  # the largest first
        fold[group] = filled.argmin()
        filled[fold[group]] += sizes[group]
    return fold[codes]


def _listed(folds: Iterable[Any], wanted: str) -> list[Any]:
    try:
        return list(folds)
    except Exception as error:  # a generator that fails, an array without dimensions
        raise InputError(
            "folds",
            wanted,
            found=type(folds).__name__,
            hint=f"{type(error).__name__}: {error}",
        ) from error


def _has_parts(item: Any) -> bool:
    return hasattr(item, "__len__") and not isinstance(item, str | bytes)


def _is_pair(item: Any) -> bool:
    return isinstance(item, tuple | list) and len(item) == 2 and all(map(_has_parts, item))


def _of_vector(values: Any, n: int, wanted: str) -> list[Fold]:
    numbers = whole_numbers("folds", values, wanted.removeprefix("must be "))
    if len(numbers) != n:
        raise InputError("folds", wanted, found=f"{len(numbers)} numbers")
    names = np.unique(numbers)
    if len(names) < 2:
        raise InputError("folds", "must have at least two folds", found=names.tolist())
    return [
        Fold(int(name), np.flatnonzero(numbers != name), np.flatnonzero(numbers == name))
        for name in names
    ]


def _of_held_out(tests: list[Rows], n: int, first: int) -> list[Fold]:
    if 2 * sum(map(len, tests)) > n * len(tests):
        raise InputError(
            "folds",
            "holds out more than half of the rows on average: are those the rows that train?",
            hint="Give pairs (train, test) instead, list(train, test) in R.",
        )
    return [checked(first + i, complement(test, n), test) for i, test in enumerate(tests)]


def _of_pair(name: int, train: Any, test: Any, n: int) -> Fold:
    return checked(name, rows_of("folds", train, n), rows_of("folds", test, n))


def chosen(folds: Sequence[Fold], fold: Any) -> Fold:
    """Return the fold of that name; the first where none is named."""
    if fold is None:
        return folds[0]
    for each in folds:
        if not isinstance(fold, bool) and fold == each.name:
            return each
    names = [each.name for each in folds]
    shown = ", ".join(map(str, names[:10])) + (", ..." if len(names) > 10 else "")
    raise InputError("fold", f"must be one of the folds {shown}", found=fold)
