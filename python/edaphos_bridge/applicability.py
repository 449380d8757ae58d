"""Where a model may be used: `foundation_applicability()`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.data.folds import read_folds
from edaphos_bridge.data.predictors import Predictors, as_predictors
from edaphos_bridge.data.tables import numbers_of
from edaphos_bridge.embeddings import features_of
from edaphos_bridge.errors import InputError, NoteWarning, warn
from edaphos_bridge.interpretation.outputs import as_patches
from edaphos_bridge.maps.applicability import (
    FoundationApplicability,
    applicability_of,
    held_out_by,
)


@plain
def foundation_applicability(
    x: Any, object: Any = None, *, folds: Any = None, weights: Any = None
) -> FoundationApplicability:
    """Learn where a model may be used: how unlike its training rows are to each other.

    A model knows nothing of what is unlike all that it was trained on. The *dissimilarity index* of
    a new case is its distance to the nearest training row, over the mean distance of two training
    rows; columns are scaled to mean 0 and standard deviation 1 before, and weighted. Up to the
    largest index that cross-validation has met, outliers left out, a case is in the *area of
    applicability*: there the errors of the cross-validation may be expected. The *local point
    density* counts the training rows within that distance.

    Parameters
    ----------
    x : array-like, DataFrame or torch.Tensor, shape (N, D)
        Predictors of the training rows: embeddings, or any others. With `object`, patches
        (N, C, H, W) as `foundation_embed` takes them.
    object : torch.nn.Module, or a fit that holds one, optional
        The encoder: the predictors are its features of `x`. New cases are then rows of
        ``foundation_embed(object, newx)``.
    folds : array-like of int, shape (N,), list of rows, or list of pairs of rows, optional
        Those of the cross-validation, as in `foundation_cross_validate`; each row is held out once
        at most, and rows that no fold holds out do not count for the threshold. A training row
        is compared with those that train where it is held out. Without folds it is compared with
        all others, which is right if the cross-validation drew single rows.
    weights : array-like or Series, shape (D,), optional
        How much each column counts, such as its importance for the model; 0 or more. A Series
        beside columns with names is read by these. All count the same by default.

    Returns
    -------
    FoundationApplicability
        With ``di(x)``, ``inside(x)`` and ``lpd(x)`` of new cases, ``threshold``, and
        ``as_table()`` of the training rows.

    Raises
    ------
    InputError
        If an argument cannot be used.

    Warns
    -----
    NoteWarning
        If columns have one value only: they are left out.

    Notes
    -----
    As ``trainDI()`` and ``aoa()`` of the R package CAST 1.0 with Euclidean distances. There a row
    at exactly the threshold is in the area of applicability, but does not count for the local
    point density; here it counts, so that the density is 0 outside and 1 or more inside. Columns
    with one value only are an error there.

    References
    ----------
    Meyer, H. and Pebesma, E. (2021). Predicting into unknown space? Estimating the area of
    applicability of spatial prediction models. Methods in Ecology and Evolution 12, 1620-1633.

    Schumacher, F., Knoth, C., Ludwig, M. and Meyer, H. (2025). Estimation of local training data
    point densities to support the assessment of spatial prediction uncertainty. Geoscientific
    Model Development 18, 10185-10202.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_applicability
    >>> train = np.random.default_rng(1).normal(size=(100, 3))
    >>> known = foundation_applicability(train, folds=np.arange(100) % 5)
    >>> known.inside([[0.0, 0.0, 0.0], [9.0, 9.0, 9.0]]).tolist()
    [True, False]
    >>> known.di(train[:2]).tolist()
    [0.0, 0.0]
    """
    return applicability(x, object, folds, weights)


def applicability(
    x: Any, object: Any, folds: Any, weights: Any, *, names: Any = None, first: int = 0
) -> FoundationApplicability:
    """Do what `foundation_applicability` does: what all entrances have in common.

    `names` are those of the columns of an array; `first` is the name of the first fold of a list.
    """
    patches = None if object is None else as_patches(x)
    table = None if patches is not None else as_predictors(x, names=names)
    n = len(patches) if patches is not None else _checked_rows(table)
    if n < 2:
        raise InputError("x", "must have two rows or more", found=n)
    parted = None if folds is None else read_folds(folds, n, first)
    if parted is not None:
        held_out_by(parted, n)
    given = None if weights is None else _read_weights(weights, table)
    if table is None:
        table = Predictors(features_of(object, patches).astype(np.float64), None)
    return applicability_of(table, parted, _weights_of(table.values, given))


def _checked_rows(table: Predictors | None) -> int:
    assert table is not None
    missing = np.flatnonzero(~np.isfinite(table.values).all(axis=1))
    if len(missing):
        raise InputError(
            "x",
            f"holds missing or infinite values in {len(missing)} of {len(table.values)} rows",
            rows=missing.tolist(),
            hint="Leave those rows out: a model has not learnt from them.",
        )
    return len(table.values)


def _read_weights(weights: Any, table: Predictors | None) -> NDArray[np.float64]:
    wanted = "a number for each column"
    if isinstance(weights, pd.Series) and table is not None and table.names is not None:
        of_name = weights.set_axis(weights.index.map(str))
        lacking = [name for name in table.names if name not in of_name.index]
        if lacking or of_name.index.has_duplicates:
            problem = "must have one number for each column, by its name"
            raise InputError("weights", problem, found=of_name.index.tolist())
        weights = of_name[table.names].to_numpy()
    values = numbers_of(weights, "weights", wanted)
    if values.ndim != 1:
        raise InputError("weights", f"must be {wanted}", found=list(values.shape))
    bad = values[~(np.isfinite(values) & (values >= 0))]
    if len(bad):
        raise InputError("weights", "must be finite and 0 or more", found=float(bad[0]))
    return values


def _weights_of(values: NDArray[np.float64], given: NDArray[np.float64] | None) -> NDArray[Any]:
    """Return the weight of each column, 0 of those with one value only."""
    n_columns = values.shape[1]
    weights = np.ones(n_columns) if given is None else given
    if len(weights) != n_columns:
        raise InputError(
            "weights", f"must be a number for each of the {n_columns} columns", found=len(weights)
        )
    varies = (values.max(axis=0) > values.min(axis=0)) & (values.std(axis=0) > 0)
    used = np.where(varies, weights, 0.0)
    if not used.any():
        if varies.any():
            raise InputError("weights", "must be above 0 for a column that varies", found=0.0)
        raise InputError("x", "has one value only in each column: no row is unlike another")
    alike = int(np.count_nonzero(~varies & (weights > 0)))
    if alike:
        warn(
            f"{alike} of {n_columns} columns have one value only in all training rows, and are "
            "left out: nothing is known of how unlike another value is.",
            NoteWarning,
        )
    return used
