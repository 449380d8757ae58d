"""Whatever a user calls an array as a NumPy array that knows which of its cells are missing.

zarr, xarray, dask and h5py are known by what they can do, so that none of them is imported.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.data.tensors import tensor_as_numpy
from edaphos_bridge.errors import EdaphosError, InputError

_CALLED_MISSING = ("_FillValue", "missing_value", "nodata")  # CF conventions, rasters


def as_numpy(x: Any, argument: str, wanted: str) -> NDArray[Any]:
    """Return `x` as an array of real numbers, masked where cells are marked as missing.

    Marked are masked cells of NumPy, dask and torch, also in lists of such arrays, and what
    `fill_values` tells. NaN stays. `x` is read whole; the memory may be shared. Raises
    `InputError`, saying what is `wanted`, if it is no array of real numbers, or reading it fails;
    that error is the cause.
    """
    try:
        array = read_masked(x, argument)
    except EdaphosError:
        raise
    except Exception as error:  # ragged lists, objects that refuse, in ways of their own
        raise InputError(
            argument,
            f"must be {wanted}",
            found=type(x).__name__,
            hint=f"{type(error).__name__}: {error}",
        ) from error
    if array.dtype.kind not in "biuf":
        found = type(x).__name__ if array.ndim == 0 else array.dtype
        raise InputError(argument, f"must be {wanted}", found=found)
    return array


def read_slice(x: Any, place: Any, argument: str) -> NDArray[Any]:
    """Return ``x[place]`` of an array that is read in parts, masked where dask or NumPy mask it.

    Raises `InputError` if reading it fails; that error is the cause.
    """
    try:
        return _in_memory(x[place], argument)
    except EdaphosError:
        raise
    except Exception as error:  # of a file, or of what dask computes
        raise unreadable(argument, error) from error


def unreadable(argument: str, error: Exception) -> InputError:
    """Return the error for an array whose cells cannot be read."""
    return InputError(argument, f"cannot be read ({type(error).__name__}: {error})")


def read_masked(x: Any, argument: str) -> NDArray[Any]:
    """Return `x` as an array of any type, masked as by `as_numpy`; what fails is not caught."""
    if isinstance(x, list | tuple) and _needs_care(x):
        parts = [read_masked(part, argument) for part in x]
        stack = np.ma.stack if any(isinstance(p, np.ma.MaskedArray) for p in parts) else np.stack
        return stack(parts)
    array = _in_memory(x, argument)
    fills = fill_values(x)
    return np.ma.masked_where(np.isin(array, fills), array, copy=False) if fills else array


def _needs_care(x: list[Any] | tuple[Any, ...]) -> bool:
    """Return whether a nested list holds arrays that NumPy would read without their masks."""
    kinds = set(map(type, x))
    kinds -= {bool, int, float, np.ndarray, list, tuple}
    if any(hasattr(kind, "__array__") and not issubclass(kind, np.generic) for kind in kinds):
        return True
    return any(_needs_care(part) for part in x if isinstance(part, list | tuple))


def _in_memory(x: Any, argument: str) -> NDArray[Any]:
    if isinstance(x, torch.Tensor):
        return tensor_as_numpy(x, argument)
    if getattr(x, "chunks", None) is not None and hasattr(x, "dims"):
        x = x.data  # xarray would take the masks off
    if hasattr(x, "__dask_graph__"):
        x = x.compute()  # and so would NumPy
    array = np.asanyarray(x)
    # A matrix has two dimensions whatever is taken of it; units mean nothing here.
    return array if isinstance(array, np.ma.MaskedArray | np.memmap) else np.asarray(array)


# --- what a file calls missing ---------------------------------------------------------------


def fill_values(x: Any) -> tuple[int | float, ...]:
    """Return the numbers that stand for a missing cell in `x`, in its own type.

    These are the attributes ``_FillValue``, ``missing_value`` and ``nodata`` of xarray, zarr and
    h5py, xarray's encoding, and the fill value of zarr and h5py. Of the last, 0 and 1 count only
    where xarray wrote them: else they are what a new array was made of. NaN and infinity are left
    out: they are missing in any array.
    """
    if isinstance(x, np.ndarray | np.generic | torch.Tensor) or not hasattr(x, "dtype"):
        return ()
    dtype = np.dtype(x.dtype)
    if dtype.kind not in "iuf":
        return ()
    attributes = _mapping(x, "attrs")
    encoding = _mapping(x, "encoding")
    if "scale_factor" in encoding or "add_offset" in encoding:
        encoding = {}  # in units of the file
    found = [
        source[name]
        for source in (attributes, encoding)
        for name in _CALLED_MISSING
        if name in source
    ]
    if not hasattr(x, "dims") or not hasattr(type(x), "values"):  # xarray has none of its own
        fill = getattr(x, "fill_value", getattr(x, "fillvalue", None))
        by_xarray = getattr(getattr(x, "metadata", x), "zarr_format", 2) == 2 and (
            "_ARRAY_DIMENSIONS" in attributes
        )
        if fill is not None and (by_xarray or fill not in (0, 1)):
            found.append(fill)
    numbers = (number for value in found for number in _numbers(value, dtype))
    return tuple(dict.fromkeys(numbers))


def _mapping(x: Any, name: str) -> Mapping[str, Any]:
    found = getattr(x, name, None)
    return found if isinstance(found, Mapping) else {}


def _numbers(value: Any, dtype: np.dtype[Any]) -> list[int | float]:
    """Return what an attribute says as finite numbers of a type; none if it says nothing."""
    if isinstance(value, str):
        value = _number_in(value)
    try:
        given = np.ravel(np.asarray(value))
        with np.errstate(all="ignore"):
            numbers = given.astype(dtype)
            exact = numbers == given
    except (TypeError, ValueError, OverflowError):
        return []
    if dtype.kind in "iu":
        numbers = numbers[exact]
    return numbers[np.isfinite(numbers)].tolist()


def _number_in(text: str) -> float | None:
    """Return a number that is written out, or as xarray writes it to zarr of version 3."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return float(struct.unpack("<d", base64.b64decode(text, validate=True))[0])
    except (ValueError, struct.error):
        return None
