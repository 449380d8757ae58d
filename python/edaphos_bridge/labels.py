"""Class labels: what a user calls them in, integer codes and an ordered list of classes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from edaphos_bridge.errors import InputError

ClassLabel = str | int | bool


@dataclass(frozen=True)
class Labels:
    """Labels of N patches.

    Attributes
    ----------
    codes : torch.Tensor, shape (N,), int64
        Position of each label in `classes`.
    classes : list of str, int or bool
        The classes that occur, in the order that columns have everywhere: the order of
        a Categorical's categories, else sorted.
    """

    codes: torch.Tensor
    classes: list[ClassLabel]

    def __len__(self) -> int:
        return len(self.codes)

    def counts(self) -> list[int]:
        """Return how many labels each of `classes` has."""
        return torch.bincount(self.codes, minlength=len(self.classes)).tolist()


def as_labels(y: Any) -> Labels:
    """Return `y` as codes and classes, unused categories dropped as R's ``factor(y)`` does.

    Parameters
    ----------
    y : pandas.Categorical, Series, Index, or array-like of str, int or bool, shape (N,)
        One label a patch.

    Raises
    ------
    InputError
        If `y` is not one-dimensional, holds a missing label, is of another type, or has
        fewer than two classes.
    """
    categorical = _as_categorical(y).remove_unused_categories()
    classes = [_plain(value) for value in categorical.categories]
    if len(classes) < 2:
        raise InputError(
            "y", "must have at least two classes", found=classes, hint="There is nothing to learn."
        )
    return Labels(torch.from_numpy(categorical.codes.astype(np.int64)), classes)


def _as_categorical(y: Any) -> pd.Categorical:
    if isinstance(y, torch.Tensor):
        y = y.detach().cpu().numpy()
    if isinstance(y, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(y)
        y = y.data.astype(object)
        y[mask] = None
    if y is None or isinstance(y, str | bytes | dict | pd.DataFrame) or np.isscalar(y):
        raise InputError("y", "must be a sequence of labels, one a patch", found=type(y).__name__)
    shape = np.shape(y) if isinstance(y, np.ndarray) else (len(y),) if hasattr(y, "__len__") else ()
    if len(shape) > 1:
        raise InputError("y", "must be one-dimensional", found=list(shape))
    # A list goes through objects: NumPy would turn [1, "a"] and ["a", nan] into strings.
    series = pd.Series(y if hasattr(y, "dtype") else np.array(_objects(y), dtype=object))
    missing = np.flatnonzero(series.isna())
    if len(missing):
        raise InputError(
            "y",
            f"holds NA in {len(missing)} of {len(series)} labels",
            rows=missing.tolist(),
            hint="Leave those patches out.",
        )
    kind = pd.api.types.infer_dtype(series, skipna=True)
    if kind == "categorical":
        kind = pd.api.types.infer_dtype(series.cat.categories, skipna=True)
    if kind not in ("string", "integer", "boolean", "empty"):
        raise InputError(
            "y",
            "must be a Categorical or a sequence of str, int or bool",
            found=kind,
            hint="Convert the labels, for example with .astype(str).",
        )
    if isinstance(series.dtype, pd.CategoricalDtype):
        return pd.Categorical(series)
    return pd.Categorical(series.astype(object))


def _objects(y: Any) -> NDArray[np.object_]:
    try:
        values = list(y)
    except TypeError:
        raise InputError(
            "y", "must be a sequence of labels, one a patch", found=type(y).__name__
        ) from None
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def _plain(value: Any) -> ClassLabel:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    return str(value)
