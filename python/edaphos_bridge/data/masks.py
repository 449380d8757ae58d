"""Masks: what a user calls the classes of the cells of patches in, codes and classes out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from edaphos_bridge.data.as_numpy import read_masked
from edaphos_bridge.data.labels import CUT, ClassLabel, check_text, of_label
from edaphos_bridge.errors import EdaphosError, InputError

UNLABELLED = -1
"""The code of a cell whose class is not known."""

_MOST_CLASSES = 256
_WANTED = (
    "an array (N, H, W) with the class of each cell of each patch: whole numbers, text or bool"
)
_MISSING = "Cells whose class is not known are NaN (R's NA), None, masked, or `unlabelled`."
_KINDS = {str, int, bool}


@dataclass(frozen=True)
class Masks:
    """Masks of N patches.

    Attributes
    ----------
    codes : torch.Tensor, shape (N, H, W), int16
        Position of the class of each cell in `classes`, or `UNLABELLED`.
    classes : list of str, int or bool
        At least two, in the order that they have everywhere.
    """

    codes: torch.Tensor
    classes: list[ClassLabel]

    def __len__(self) -> int:
        return len(self.codes)

    def counts(self) -> list[int]:
        """Return how many cells each of `classes` has."""
        return cells_of_classes(self.codes, len(self.classes))


def cells_of_classes(codes: torch.Tensor, n_classes: int) -> list[int]:
    """Return how many cells of codes ``(N, H, W)`` each class has."""
    counts = torch.zeros(n_classes, dtype=torch.int64, device=codes.device)
    for part in codes.split(256):  # counting takes eight bytes a cell
        counts += torch.bincount(part.flatten().long() + 1, minlength=n_classes + 1)[1:]
    return counts.tolist()


def as_masks(
    masks: Any,
    *,
    classes: Sequence[ClassLabel] | None = None,
    unlabelled: ClassLabel | float | None = None,
    shape: tuple[int, int, int] | None = None,
) -> Masks:
    """Return masks as codes and classes.

    Parameters
    ----------
    masks : array-like, shape (N, H, W) or (N, 1, H, W), of int, str, bool, or whole float
        NaN, None, ``pandas.NA``, masked cells and the nodata value that an array names are
        unlabelled.
    classes : sequence of str, int or bool, optional
        All classes in their order, also those that do not occur. Names for masks of whole numbers
        are those of 0, 1 and so on. Else the classes are what occurs, sorted, and both of bool.
    unlabelled : str, int, float or bool, optional
        One more value that stands for unlabelled cells.
    shape : (int, int, int), optional
        Patches, rows and columns that there must be.

    Raises
    ------
    InputError
        If masks are of another shape or type, hold what is none of the classes, label nothing, or
        have fewer than two classes; if `unlabelled` is of another type than they are.
    """
    values, known = _read(masks)
    if values.ndim == 4 and values.shape[1] == 1:
        values, known = values[:, 0], known if known is None else known[:, 0]
    if values.ndim != 3:
        raise InputError("masks", f"must be {_WANTED}", found=list(values.shape))
    if shape is not None and values.shape != tuple(shape):
        n, h, w = shape
        raise InputError(
            "masks",
            f"must have {h} x {w} cells for each of the {n} patches of `x`: [{n}, {h}, {w}]",
            found=list(values.shape),
        )
    kind = _kind_of(values)
    _check_unlabelled(unlabelled, kind)
    flat = values.reshape(-1)
    places, found = pd.factorize(flat, use_na_sentinel=True)  # -1: NaN, None, NA
    if known is not None:
        places[~known.reshape(-1)] = -1
    places = places.reshape(values.shape)
    occurs = np.bincount(places.reshape(-1) + 1, minlength=len(found) + 1)[1:] > 0
    labels = _labels(found, places, kind, occurs)
    is_left_out = [label is not None and bool(label == unlabelled) for label in labels]
    there = [
        label
        for label, occurring, left_out in zip(labels, occurs, is_left_out, strict=True)
        if occurring and not left_out and label is not None
    ]
    if not there:
        raise InputError("masks", "label no cell", hint=f"There is nothing to learn. {_MISSING}")
    ordered = _sorted(there) if classes is None else as_classes(classes)
    if classes is None and len(ordered) < 2:
        raise InputError(
            "masks",
            "must have at least two classes",
            found=ordered,
            hint="Give `classes` where others do not occur in these masks.",
        )
    position = _positions(ordered, kind)
    found_at = [None if label is None else of_label(position, label) for label in labels]
    codes = np.array(
        [
            UNLABELLED if left_out or label is None else -2 if code is None else code
            for label, code, left_out in zip(labels, found_at, is_left_out, strict=True)
        ]
        + [UNLABELLED],  # for the place -1
        dtype=np.int16,
    )[places]
    if -2 in codes:
        outside = codes == -2
        value = labels[int(places[outside][0])]
        raise InputError(
            "masks",
            f"must hold classes among {_shown(list(position))}",
            rows=np.flatnonzero(outside.any(axis=(1, 2))).tolist(),
            found=value,
            hint=_MISSING,
        )
    return Masks(torch.from_numpy(codes), ordered)


def _read(masks: Any) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return the values of masks, and which of them are not masked where some may be."""
    if masks is None or isinstance(masks, str | bytes | dict) or np.isscalar(masks):
        raise InputError("masks", f"must be {_WANTED}", found=type(masks).__name__)
    try:
        array = read_masked(masks, "masks")
        if isinstance(masks, list | tuple) and array.dtype.kind in "US":
            array = np.array(masks, dtype=object)  # where NaN and 1 are not text
    except EdaphosError:
        raise
    except Exception as error:  # ragged lists, objects that refuse, in ways of their own
        raise InputError(
            "masks",
            f"must be {_WANTED}",
            found=type(masks).__name__,
            hint=f"{type(error).__name__}: {error}",
        ) from error
    if not isinstance(array, np.ma.MaskedArray):
        return array, None
    return np.asarray(array.data), ~np.ma.getmaskarray(array)


def _kind_of(values: NDArray[Any]) -> type:
    """Return what a value of masks is: text, a whole number or bool."""
    if values.dtype.kind == "O":
        kind = pd.api.types.infer_dtype(values.reshape(-1), skipna=True)
        kinds = {
            "string": str, "integer": int, "boolean": bool, "empty": int,
            "floating": int, "mixed-integer-float": int, "decimal": int,
        }  # fmt: skip
    else:
        kind = values.dtype.kind
        kinds = {"U": str, "i": int, "u": int, "f": int, "b": bool}
    if kind not in kinds:
        raise InputError(
            "masks",
            f"must be {_WANTED}",
            found=kind if values.dtype.kind == "O" else values.dtype,
        )
    return kinds[kind]


def _labels(
    found: Any, places: NDArray[np.intp], kind: type, occurs: NDArray[np.bool_]
) -> list[ClassLabel | None]:
    """Return the values that occur as labels; None for those that are masked everywhere."""
    if kind is int:
        numbers = np.asarray(found, dtype=np.float64)
        measured = np.flatnonzero(occurs & (numbers != np.trunc(numbers)))
        endless = np.flatnonzero(occurs & ~np.isfinite(numbers))
        for bad, what in ((measured, "are not whole"), (endless, "are infinite")):
            if len(bad):
                raise InputError(
                    "masks",
                    f"must hold classes; some numbers {what}",
                    rows=np.flatnonzero(np.isin(places, bad).any(axis=(1, 2))).tolist(),
                    found=float(numbers[bad[0]]),
                    hint=CUT,
                )
    if int(occurs.sum()) > _MOST_CLASSES + 1:
        raise InputError(
            "masks",
            f"must hold at most {_MOST_CLASSES} classes",
            found=f"{int(occurs.sum())} values",
            hint=CUT,
        )
    labels = [kind(v) if there else None for v, there in zip(found, occurs, strict=True)]
    if kind is str:
        check_text([label for label in labels if label is not None], "masks")
    return labels


def _check_unlabelled(value: Any, kind: type) -> None:
    """Raise `InputError` for a value that no cell of such masks can have."""
    numbers = (int, float, np.integer, np.floating)
    kinds = {str: (str,), int: numbers, bool: (bool, np.bool_)}[kind]
    if value is None or (
        isinstance(value, kinds) and (kind is bool or not isinstance(value, bool))
    ):
        return
    what = {str: "text", int: "a number", bool: "True or False"}[kind]
    raise InputError("unlabelled", f"must be {what}, as the values of `masks` are", found=value)


def _sorted(labels: list[ClassLabel]) -> list[ClassLabel]:
    if isinstance(labels[0], bool):
        return [False, True]
    return sorted(labels)


def as_classes(classes: Sequence[ClassLabel]) -> list[ClassLabel]:
    """Return the classes that a user or a file names, or raise `InputError`."""
    wanted = "must be at least two different names, all text or all whole numbers"
    if isinstance(classes, str) or not hasattr(classes, "__iter__"):
        raise InputError("classes", wanted, found=classes)
    plain = [c.item() if isinstance(c, np.generic) else c for c in classes]
    kinds = {type(c) for c in plain}
    if len(kinds) != 1 or not kinds <= _KINDS or not 1 < len(set(plain)) == len(plain):
        raise InputError("classes", wanted, found=plain)
    if len(plain) > _MOST_CLASSES:
        raise InputError("classes", f"must be at most {_MOST_CLASSES}", found=len(plain))
    if kinds == {str}:
        check_text(map(str, plain), "classes")
    return plain


def _positions(classes: list[ClassLabel], kind: type) -> dict[str, int]:
    """Return the code of each value that masks may hold, as text, which is the same in R."""
    if kind is int and isinstance(classes[0], str) and not all(map(_is_whole_text, classes)):
        return {str(code): code for code in range(len(classes))}
    return {str(label): code for code, label in enumerate(classes)}


def _is_whole_text(label: ClassLabel) -> bool:
    try:
        return math.isfinite(int(str(label)))
    except ValueError:
        return False


def _shown(names: list[str]) -> str:
    return ", ".join(names if len(names) <= 12 else [*names[:10], "...", names[-1]])
