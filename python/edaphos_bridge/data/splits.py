"""Which rows of a fit validate, where a user says it: groups, blocks, folds, or the rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from edaphos_bridge.basics.arguments import number
from edaphos_bridge.data.as_numpy import as_numpy
from edaphos_bridge.data.folds import Fold, checked, chosen, complement, read_folds, rows_of
from edaphos_bridge.data.tensors import tensor_as_numpy
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.coords import read_coords

Rows = NDArray[np.int64]
WAYS = ("groups", "blocks", "folds", "validation")
"""Arguments of which a fit takes at most one."""

_ARGUMENTS = ("groups", "blocks", "block_size", "buffer", "folds", "fold", "validation")

# Pairs of a training and a validation row whose distance is looked at at a time.
_PAIRS = 2**22


def parting_in(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a fit's arguments that `read_split` takes."""
    return {name: arguments[name] for name in _ARGUMENTS}


class Split(ABC):
    """How the rows of a fit are parted; without one they are drawn one by one."""

    @abstractmethod
    def rows(self, val_split: float, generator: torch.Generator) -> tuple[Rows, Rows]:
        """Return the rows that train and those that validate, counted from 0 and ascending."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return how it was said, as JSON values."""


@dataclass(frozen=True)
class KnownRows(Split):
    """Rows that are known beforehand; `described` says how."""

    fold: Fold
    described: dict[str, Any]

    def rows(self, val_split: float, generator: torch.Generator) -> tuple[Rows, Rows]:
        """Return them, whatever the share."""
        return self.fold.train, self.fold.test

    def describe(self) -> dict[str, Any]:
        """Return how they were said."""
        return self.described


@dataclass(frozen=True)
class WholeGroups(Split):
    """Groups of rows that stay on one side.

    Attributes
    ----------
    codes : numpy.ndarray, shape (N,)
        The group of each row, from 0 on.
    points : numpy.ndarray, shape (N, 2), or None
        Where the rows lie.
    buffer : float
        Training rows nearer than that to a row that is held out are left out.
    """

    codes: Rows
    described: dict[str, Any]
    points: NDArray[np.float64] | None = None
    buffer: float = 0.0

    def rows(self, val_split: float, generator: torch.Generator) -> tuple[Rows, Rows]:
        """Draw groups until they have at least the share of the rows; one group always trains.

        Raises
        ------
        InputError
            If the buffer leaves no row to train on.
        """
        held_out = np.zeros(len(self.codes), dtype=bool)
        if val_split > 0:
            sizes = np.bincount(self.codes)
            order = torch.randperm(len(sizes), generator=generator).numpy()
            reached = np.cumsum(sizes[order]) >= val_split * len(self.codes)
            n_groups = min(int(reached.argmax()) + 1, len(sizes) - 1)
            held_out = np.isin(self.codes, order[:n_groups])
        return self.beside(np.flatnonzero(held_out)), np.flatnonzero(held_out)

    def beside(self, held_out: Rows) -> Rows:
        """Return the rows that may train beside those that are held out."""
        others = complement(held_out, len(self.codes))
        if self.points is None or self.buffer == 0 or not len(held_out):
            return others
        far = others[~near(self.points[others], self.points[held_out], self.buffer)]
        if not len(far):
            raise InputError(
                "buffer",
                f"leaves no training row beside the {len(held_out)} that are held out",
                found=self.buffer,
                hint="Give a smaller buffer, or smaller blocks.",
            )
        return far

    def describe(self) -> dict[str, Any]:
        """Return what the groups are."""
        return self.described


def any_row_validates(split: Split | None, val_split: float) -> bool:
    """Return whether a fit has validation rows: known ones, or some by the share."""
    return val_split > 0 or isinstance(split, KnownRows)


def read_split(
    n: int,
    *,
    groups: Any = None,
    blocks: Any = None,
    block_size: Any = None,
    buffer: Any = 0.0,
    folds: Any = None,
    fold: Any = None,
    validation: Any = None,
    first: int = 0,
) -> Split | None:
    """Return the split that a fit's arguments about its `n` rows ask for; None for a random one.

    Parameters
    ----------
    groups : array-like, shape (N,)
        The group of each row.
    blocks : array-like, shape (N, 2), table, or points of geopandas
        Where each row lies; blocks are squares of `block_size`.
    block_size, buffer : float
        In the units of the coordinates.
    folds : as in `read_folds`
    fold : int, optional
        The name of the fold that validates; the first by default.
    validation : array-like of int or of bool
        The rows that validate, counted from 0, or whether each one does.
    first : int
        How the caller counts the folds of a list.

    Raises
    ------
    InputError
        If more than one of them is given, one cannot be used, or something is given that
        belongs to another one.
    """
    only_one(groups=groups, blocks=blocks, folds=folds, validation=validation)
    check_block_settings(blocks, block_size, buffer)
    needs("fold", fold, "folds", folds)
    if groups is not None or blocks is not None:
        return read_groups(n, groups, blocks, block_size, buffer)
    if folds is not None:
        found = read_folds(folds, n, first)
        held = chosen(found, fold)
        return KnownRows(held, {"by": "folds", "fold": held.name, "n_folds": len(found)})
    if validation is not None:
        return KnownRows(_read_validation(validation, n), {"by": "validation"})
    return None


def read_groups(n: int, groups: Any, blocks: Any, block_size: Any, buffer: Any) -> WholeGroups:
    """Return the groups of `n` rows: those given, or those of blocks."""
    if groups is not None:
        codes = _group_codes(groups, n)
        described: dict[str, Any] = {"by": "groups", "n_groups": _several(codes, "groups")}
        return WholeGroups(codes, described)
    if block_size is None:
        raise InputError(
            "block_size", "is needed with `blocks`: the side of a block, in their units", found=None
        )
    size = number("block_size", block_size, above=0)
    width = number("buffer", buffer, minimum=0)
    points = _points(blocks, n)
    with np.errstate(over="ignore"):
        places = np.floor(points / size)
    if not np.isfinite(places).all():
        raise InputError("block_size", "is too small for these coordinates", found=size)
    codes = np.unique(places, axis=0, return_inverse=True)[1].ravel().astype(np.int64)
    n_blocks = _several(codes, "block_size", size)
    described = {"by": "blocks", "block_size": size, "buffer": width, "n_blocks": n_blocks}
    return WholeGroups(codes, described, points, width)


def only_one(**given: Any) -> None:
    """Raise `InputError` if more than one of these arguments is given."""
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise InputError(
            names[1], f"cannot be given together with `{names[0]}`: each says which rows validate"
        )


def check_block_settings(blocks: Any, block_size: Any, buffer: Any) -> None:
    """Raise `InputError` if `buffer` is no distance, or either is given without `blocks`."""
    needs("block_size", block_size, "blocks", blocks)
    width = None if buffer is None else number("buffer", buffer, minimum=0)
    needs("buffer", width or None, "blocks", blocks)


def needs(argument: str, value: Any, other: str, given: Any) -> None:
    """Raise `InputError` if an argument is given without the one that it belongs to."""
    if value is not None and given is None:
        raise InputError(argument, f"needs `{other}`", found=value)


def near(
    points: NDArray[np.float64], others: NDArray[np.float64], distance: float
) -> NDArray[np.bool_]:
    """Return which points ``(N, 2)`` are nearer than `distance` to any of the others ``(M, 2)``."""
    others = others[np.argsort(others[:, 0], kind="stable")]
    order = np.argsort(points[:, 0], kind="stable")
    found = np.zeros(len(points), dtype=bool)
    size = max(1, _PAIRS // max(1, len(others)))
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        x = points[rows, 0]
        # of those sorted by x, only a strip can be near
        low = np.searchsorted(others[:, 0], x[0] - 1.001 * distance, side="left")
        high = np.searchsorted(others[:, 0], x[-1] + 1.001 * distance, side="right")
        strip = others[low:high]
        with np.errstate(over="ignore"):  # infinitely far is far
            between = points[rows, None, :] - strip[None, :, :]
            found[rows] = (np.hypot(between[..., 0], between[..., 1]) < distance).any(axis=1)
    return found


def _group_codes(groups: Any, n: int) -> Rows:
    """Return the group of each row as a number, in the order in which groups appear."""
    wanted = f"must be one group for each of the {n} patches"
    if isinstance(groups, str | bytes | Mapping) or not hasattr(groups, "__len__"):
        raise InputError("groups", wanted, found=type(groups).__name__)
    try:
        if isinstance(groups, torch.Tensor):
            groups = tensor_as_numpy(groups, "groups")
        series = pd.Series(groups)
        values = series.astype(object) if isinstance(series.dtype, pd.CategoricalDtype) else series
        missing = np.flatnonzero(values.isna())
        codes = pd.factorize(values)[0]
    except Exception as error:  # lists of lists, several dimensions, an object that refuses
        raise InputError(
            "groups",
            wanted,
            found=type(groups).__name__,
            hint=f"{type(error).__name__}: {error}",
        ) from error
    if len(codes) != n:
        raise InputError("groups", wanted, found=len(codes))
    if len(missing):
        raise InputError(
            "groups", f"holds NA in {len(missing)} of {n} groups", rows=missing.tolist()
        )
    return codes.astype(np.int64)


def _several(codes: Rows, argument: str, found: Any = 1) -> int:
    n_groups = int(codes.max()) + 1
    if n_groups < 2:
        what = "puts all points in one block" if argument == "block_size" else "is one group only"
        raise InputError(argument, f"{what}: two or more are needed", found=found)
    return n_groups


def _points(blocks: Any, n: int) -> NDArray[np.float64]:
    points = read_coords(blocks, "blocks", stack=None)
    if len(points) != n:
        raise InputError(
            "blocks", f"must have one point for each of the {n} patches", found=len(points)
        )
    missing = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(missing):
        raise InputError(
            "blocks",
            f"holds NA, NaN or infinite coordinates in {len(missing)} of {n} points",
            rows=missing.tolist(),
        )
    return points


def _read_validation(validation: Any, n: int) -> Fold:
    found = as_numpy(validation, "validation", "rows that validate, or whether each row does")
    if found.dtype.kind == "b":
        if found.shape != (n,) or np.ma.is_masked(found):
            raise InputError(
                "validation",
                f"must have one true/false value for each of the {n} patches, or be rows",
                found=list(found.shape),
            )
        rows = np.flatnonzero(found)
    else:
        rows = rows_of("validation", found, n)
    return checked(0, complement(rows, n), rows, "validation")
