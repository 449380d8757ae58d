"""Class labels: what a user calls them in, integer codes and an ordered list of classes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from edaphos_bridge.data.as_numpy import read_masked
from edaphos_bridge.data.tensors import tensor_as_numpy
from edaphos_bridge.errors import InputError, warn

np.rec  # noqa: B018  (NumPy 2 imports it when pandas first asks, in the middle of a call)

ClassLabel = str | int | bool

CUT = "Cut measured numbers into a few classes, by numpy.digitize() or R's cut()."
"""What to do with numbers that are no classes."""

_CLASSES_WANTED = (
    "A classifier learns classes: cut measured numbers into a few (pandas.cut, R's cut()); "
    "foundation_fit_regressor() learns the numbers themselves."
)


_ELSEWHERE = {"True": "TRUE", "False": "FALSE", "TRUE": "True", "FALSE": "False"}
"""What truth values are called in the other language."""

_T = TypeVar("_T")


def of_label(table: Mapping[str, _T], label: ClassLabel) -> _T | None:
    """Return what a table by names has for a label: of R's TRUE what it has for True, if either."""
    text = str(label)
    return table.get(text, table.get(_ELSEWHERE.get(text, text)))


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
    ordered : bool
        Whether that order means something: an ordered Categorical or factor.
    """

    codes: torch.Tensor
    classes: list[ClassLabel]
    ordered: bool = False

    def __len__(self) -> int:
        return len(self.codes)

    def counts(self) -> list[int]:
        """Return how many labels each of `classes` has."""
        return torch.bincount(self.codes, minlength=len(self.classes)).tolist()


def as_labels(y: Any) -> Labels:
    """Return `y` as codes and classes, unused categories dropped as R's ``factor(y)`` does.

    Raises `InputError` if `y` is not one-dimensional, holds a missing label, is of another type,
    has text that R could not hold, or has fewer than two classes. Warns `EdaphosWarning` if nearly
    every label is a class of its own: those are measured numbers or names.

    Parameters
    ----------
    y : pandas.Categorical, Series, Index, or array-like of str, int or bool, shape (N,)
        One label a patch. Intervals of ``pandas.cut`` become their names.
    """
    categorical = _as_categorical(y).remove_unused_categories()
    classes = [_plain(value) for value in categorical.categories]
    if len(classes) < 2:
        raise InputError(
            "y", "must have at least two classes", found=classes, hint="There is nothing to learn."
        )
    # As scikit-learn's type_of_target(): half of the rows, where they are no toy.
    if len(categorical) > 20 and len(classes) > len(categorical) / 2:
        warn(
            f"`y` has {len(classes)} classes in {len(categorical)} rows, which leaves nearly every "
            f"class a single row. {_CLASSES_WANTED}"
        )
    codes = torch.from_numpy(categorical.codes.astype(np.int64))
    return Labels(codes, classes, bool(categorical.ordered))


def codes_where_known(y: Any) -> tuple[NDArray[np.int64], list[ClassLabel]]:
    """Return the code of each label, -1 where it is missing, and the classes.

    All else is as in `as_labels`. Whole numbers of a float type beside NaN are classes: NumPy has
    no other NA among whole numbers.
    """
    series = _as_series(y)
    rows = np.flatnonzero(series.notna())
    known = series.iloc[rows]
    if known.dtype.kind == "f" and len(rows) < len(series):
        is_whole = np.isfinite(known).all() and (known == np.trunc(known)).all()
        known = known.astype(np.int64) if is_whole else known
    labels = as_labels(known)
    codes = np.full(len(series), -1)
    codes[rows] = labels.codes.numpy()
    return codes, labels.classes


def codes_among(y: Any, classes: list[ClassLabel]) -> NDArray[np.intp]:
    """Return for each label its position in `classes`, in which it must be; one class will do.

    Raises
    ------
    InputError
        As `as_labels`, and if a label is none of `classes`. Labels are compared as text: in R the
        classes of any fit are that.
    """
    labels = _as_categorical(y)
    position = {str(name): code for code, name in enumerate(classes)}
    found = [of_label(position, name) for name in labels.categories]
    codes = np.asarray([-1 if code is None else code for code in found], np.intp)[labels.codes]
    unknown = np.flatnonzero(codes < 0)
    if len(unknown):
        raise InputError(
            "y",
            f"must hold classes of the fit, {', '.join(map(str, classes))}",
            rows=unknown.tolist(),
            found=_plain(labels[int(unknown[0])]),
        )
    return codes


def codes_and_classes(values: Any, argument: str) -> tuple[NDArray[np.int64], list[ClassLabel]]:
    """Return labels of which some may be missing as codes, -1 for those, and all their classes.

    Classes are in the order of a Categorical's categories, all of them, else sorted. `values` has
    one dimension. Raises `InputError`, about `argument`, if they are neither whole numbers, text
    nor bool.
    """
    try:
        categorical = pd.Categorical(values)
    except TypeError as error:  # of objects without a hash
        raise InputError(argument, "must hold whole numbers, text or bool") from error
    found = categorical.categories
    kind = pd.api.types.infer_dtype(found, skipna=True)
    if kind == "string":
        check_text(found, argument)
    elif kind in ("floating", "mixed-integer-float", "decimal"):  # as pandas has whole ones and NaN
        measured = [value for value in found if not float(value).is_integer()]
        if measured:
            raise InputError(
                argument,
                "must hold classes; some numbers are not whole",
                found=float(measured[0]),
                hint=CUT,
            )
        return categorical.codes.astype(np.int64), [int(value) for value in found]
    elif kind not in ("integer", "boolean", "interval", "empty"):
        raise InputError(argument, "must hold whole numbers, text or bool", found=kind)
    return categorical.codes.astype(np.int64), [_plain(value) for value in found]


def _as_categorical(y: Any) -> pd.Categorical:
    series = _as_series(y)
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
        if kind == "interval":  # of pandas.cut()
            return pd.Categorical(series).rename_categories(str)
    elif kind in ("floating", "mixed-integer-float", "decimal"):
        _refuse_measured(series)
    if kind not in ("string", "integer", "boolean", "empty"):
        raise InputError(
            "y",
            "must be a Categorical or a sequence of str, int or bool",
            found=kind,
            hint="Convert the labels, for example with .astype(str).",
        )
    if kind == "string":
        is_categorical = isinstance(series.dtype, pd.CategoricalDtype)
        check_text(series.cat.categories if is_categorical else series.astype(object), "y")
    if isinstance(series.dtype, pd.CategoricalDtype):
        return pd.Categorical(series)
    return pd.Categorical(series.astype(object))


def _as_series(y: Any) -> pd.Series:
    if isinstance(y, torch.Tensor):
        y = tensor_as_numpy(y, "y")
    if y is None or isinstance(y, str | bytes | dict | pd.DataFrame) or np.isscalar(y):
        raise _no_sequence(y)
    try:
        shape = y.shape if hasattr(y, "shape") else (len(y),) if hasattr(y, "__len__") else ()
        if len(shape) > 1:
            raise InputError("y", "must be one-dimensional", found=list(shape))
        if isinstance(y, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
            return pd.Series(y)
        if hasattr(y, "__array__") and hasattr(y, "dtype"):  # of NumPy, dask, xarray, zarr
            found = read_masked(y, "y")
            if isinstance(found, np.ma.MaskedArray):
                mask, found = np.ma.getmaskarray(found), found.data.astype(object)
                found[mask] = None
            return pd.Series(found)
        # A list goes through objects: NumPy would turn [1, "a"] and ["a", nan] into strings.
        return pd.Series(_objects(y))
    except InputError:
        raise
    except Exception as error:  # an array that refuses, in any way
        raise _no_sequence(y, f"{type(error).__name__}: {error}") from error


def _no_sequence(y: Any, hint: str = "") -> InputError:
    problem = "must be a sequence of labels, one a patch"
    return InputError("y", problem, found=type(y).__name__, hint=hint)


def _refuse_measured(labels: pd.Series) -> None:
    """Raise `InputError` where numbers that are not whole stand for classes."""
    numbers = labels.astype(float)
    measured = np.flatnonzero(numbers != np.trunc(numbers))
    if len(measured):
        raise InputError(
            "y",
            f"must hold classes; {len(measured)} of {len(labels)} numbers are not whole",
            rows=measured.tolist(),
            found=float(numbers.iloc[measured[0]]),
            hint=_CLASSES_WANTED,
        )


def check_text(labels: Iterable[str], argument: str) -> None:
    """Raise `InputError` for text that ends or changes on its way through C, R or a file."""
    for label in labels:
        if "\0" in label or not (label.isascii() or _is_utf8(label)):
            raise InputError(
                argument,
                "must hold labels of valid text (UTF-8, without NUL)",
                found=label,
                hint="Read the labels again in the encoding that they were written in.",
            )


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a pair, which stands for a byte that was no text
        return False
    return True


def _objects(y: Any) -> NDArray[np.object_]:
    try:
        values = list(y)
    except TypeError:
        raise _no_sequence(y) from None
    out = np.empty(len(values), dtype=object)
    out[:] = [None if value is np.ma.masked else value for value in values]
    return out


def _plain(value: Any) -> ClassLabel:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    return str(value)
