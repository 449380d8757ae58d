"""Where a model may be used: how unlike cases are to those that it learnt from.

Dissimilarity index, area of applicability and local point density are those of the R package CAST.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.data.folds import Fold
from edaphos_bridge.data.predictors import Predictors, as_predictors, in_order
from edaphos_bridge.errors import InputError
from edaphos_bridge.maps.nearest import Allowed, count_within, mean_distance, nearest

_ARRAYS = ("train", "center", "scale", "train_di", "train_lpd")
_OTHERS = ("threshold", "mean_distance", "by", "names")


class Applicability(NamedTuple):
    """What is known of N cases, arrays (N,); without data `inside` is false and the others NaN.

    ``di`` is the dissimilarity index, ``inside`` whether a case is in the area of applicability,
    and ``lpd`` the local point density.
    """

    di: NDArray[np.float64]
    inside: NDArray[np.bool_]
    lpd: NDArray[np.float64]


@dataclass(eq=False, repr=False)
class FoundationApplicability:
    """What a model learnt from, as returned by `foundation_applicability`.

    Attributes
    ----------
    train : numpy.ndarray, shape (N, D), float64
        Training rows, ``(x - center) * scale``: distances between them are in units of their mean.
    center, scale : numpy.ndarray, shape (D,), float64
        Means of the columns, and their weights over standard deviation and `mean_distance`.
    names : list of str or None
        Of the columns.
    threshold : float
        The largest dissimilarity index in the area of applicability.
    mean_distance : float
        That of two training rows whose columns are scaled and weighted.
    train_di, train_lpd : numpy.ndarray, shape (N,), float64
        Of the training rows, each beside those that train where it is held out; NaN of a row that
        no fold holds out.
    by : str
        ``"folds"``, or ``"rows"`` where each training row was compared with all others.
    """

    train: NDArray[np.float64]
    center: NDArray[np.float64]
    scale: NDArray[np.float64]
    names: list[str] | None
    threshold: float
    mean_distance: float
    train_di: NDArray[np.float64]
    train_lpd: NDArray[np.float64]
    by: str

    def __len__(self) -> int:
        return len(self.train)

    def di(self, x: Any) -> NDArray[np.float64]:
        """Return the dissimilarity index of each row of `x`, shape (N,): 0 of a training row.

        Parameters
        ----------
        x : array-like, DataFrame or torch.Tensor, shape (N, D)
            Predictors as those that were learnt from; a DataFrame's columns are found by name.
            A row that lacks a value has NaN.

        Raises
        ------
        InputError
            If `x` has other columns.
        """
        return self.measure(x, lpd=False).di

    def inside(self, x: Any) -> NDArray[np.bool_]:
        """Return which rows are in the area of applicability: ``di(x) <= threshold``; as `di`."""
        return self.measure(x, lpd=False).inside

    def lpd(self, x: Any) -> NDArray[np.float64]:
        """Return the local point density: how many training rows are so near; as `di`.

        Those within `threshold`, so that it is 1 or more in the area of applicability and 0
        outside.
        """
        return self.measure(x).lpd

    @plain
    def measure(self, x: Any, *, lpd: bool = True) -> Applicability:
        """Return all three at once; `lpd` is NaN if it is not wanted. As `di`."""
        return self.of(as_predictors(x, asked=self.names), lpd=lpd)

    def of(self, x: Predictors, *, lpd: bool = True) -> Applicability:
        """Do what `measure` does, of a table that is read already."""
        values = in_order(x, self.names, len(self.center))
        known = np.isfinite(values).all(axis=1)
        rows = values[known]
        rows -= self.center
        rows *= self.scale
        di, density = np.full(len(values), np.nan), np.full(len(values), np.nan)
        di[known] = nearest(rows, self.train)
        if lpd:
            density[known] = count_within(rows, self.train, self.threshold)
        return Applicability(di, di <= self.threshold, density)

    def as_table(self) -> pd.DataFrame:
        """Return ``di``, ``inside`` and ``lpd`` of the training rows."""
        inside = self.train_di <= self.threshold
        return pd.DataFrame({"di": self.train_di, "inside": inside, "lpd": self.train_lpd})

    def to_dict(self) -> dict[str, Any]:
        """Return plain values and arrays, from which `from_dict` makes it again."""
        return {name: getattr(self, name) for name in (*_ARRAYS, *_OTHERS)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FoundationApplicability:
        """Return what `to_dict` told."""
        found: dict[str, Any] = {name: values[name] for name in _OTHERS}
        for name in _ARRAYS:
            found[name] = np.array(values[name], dtype=np.float64, order="C")
        return cls(**found)

    def digest(self) -> str:
        """Return what tells it from another one."""
        digest = hashlib.sha256(repr([getattr(self, name) for name in _OTHERS]).encode())
        for name in _ARRAYS:
            digest.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return digest.hexdigest()

    def describe(self) -> list[str]:
        """Return the lines that printing shows, the same in R and Python."""
        n_used = int(np.count_nonzero(self.scale))
        of = "" if n_used == len(self.scale) else f", {n_used} of them used"
        compared = "those of other folds" if self.by == "folds" else "all others"
        held_out = self.train_di[~np.isnan(self.train_di)]
        n_inside = int((held_out <= self.threshold).sum())
        lines = {
            "training rows": f"{len(self)}, each compared with {compared}",
            "predictors": f"{len(self.center)}{of}",
            "mean distance": f"{self.mean_distance:.4g}",
            "threshold": f"{self.threshold:.4g}, of the dissimilarity index",
            "inside": f"{n_inside} of {len(held_out)} training rows",
            "point density": f"{np.nanmean(self.train_lpd):.1f}, mean of training rows",
        }
        width = max(map(len, lines)) + 1
        shown = [f"  {name + ':':<{width}} {value}" for name, value in lines.items()]
        return ["<edaphos_foundation_applicability>", *shown]

    def __repr__(self) -> str:
        return "\n".join(self.describe())


def applicability_of(
    x: Predictors, folds: list[Fold] | None, weights: NDArray[np.float64]
) -> FoundationApplicability:
    """Return the dissimilarity of training rows to each other, and the threshold that follows.

    Columns become ``weight * (x - mean) / sd``, sd with N - 1; those that have one value only have
    no weight. The dissimilarity index of a row is its Euclidean distance to the nearest training
    row over the mean distance of two training rows, whatever their folds (Meyer and Pebesma
    2021; ``trainDI`` of CAST). A training row's is that to the nearest row that trains where it is
    held out. The threshold is the upper whisker of these, ``Q3 + 1.5 (Q3 - Q1)``, or the
    largest of them where that is less. Rows within it are the local point density (Schumacher
    et al. 2025).

    Parameters
    ----------
    x : Predictors
        Two rows or more, all finite, not all equal where `weights` are above 0.
    folds : list of Fold, optional
        That `held_out_by` takes.
    weights : numpy.ndarray, shape (D,)
        0 or more, one of them above 0; of columns with one value only 0.
    """
    values, used = x.values, weights > 0
    center = values.mean(axis=0)
    spread = np.ones(len(weights))
    spread[used] = values[:, used].std(axis=0, ddof=1)
    largest = weights.max()  # the index knows weights beside each other only
    scale = weights / largest / spread
    mean = mean_distance((values - center) * scale)
    scale = scale / mean
    train = (values - center) * scale
    allowed = _others(len(train)) if folds is None else _beside(folds, len(train))
    di = nearest(train, train, allowed)
    compared = np.isfinite(di)
    threshold = _whisker(di[compared])
    lpd = count_within(train, train, threshold, allowed).astype(np.float64)
    di[~compared], lpd[~compared] = np.nan, np.nan
    by = "rows" if folds is None else "folds"
    return FoundationApplicability(
        train, center, scale, x.names, threshold, mean * largest, di, lpd, by
    )


def _whisker(di: NDArray[np.float64]) -> float:
    low, high = np.quantile(di, [0.25, 0.75])
    return float(min(high + 1.5 * (high - low), di.max()))


def _others(n: int) -> Allowed:
    def allowed(rows: slice) -> NDArray[np.bool_]:
        these = np.arange(rows.start, rows.stop)
        return these[:, None] != np.arange(n)

    return allowed


def held_out_by(folds: list[Fold], n: int) -> NDArray[np.int64]:
    """Return the place of the fold that holds out each of n rows, -1 where none does.

    Raises
    ------
    InputError
        If several do.
    """
    held_out = np.full(n, -1)
    for place, fold in enumerate(folds):
        again = fold.test[held_out[fold.test] >= 0]
        if len(again):
            raise InputError(
                "folds", "must hold out each row once at most; some come again", rows=again.tolist()
            )
        held_out[fold.test] = place
    return held_out


def _beside(folds: list[Fold], n: int) -> Allowed:
    """Return which rows train where each row is held out: none for a row of no fold."""
    held_out = held_out_by(folds, n)

    def allowed(rows: slice) -> NDArray[np.bool_]:
        these = held_out[rows]
        found = np.zeros((len(these), n), dtype=bool)
        for place in np.unique(these[these >= 0]):
            found[np.ix_(these == place, folds[place].train)] = True
        return found

    return allowed
