"""What a caller may give as patches: anything with a shape that can be sliced, or a file's path.

zarr, xarray, dask, h5py and tile data sets are known by what they can do, so that none of them
is imported.
"""

from __future__ import annotations

import json
import mmap
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.masked import MaskedTensor

from edaphos_bridge.basics.interrupts import imported
from edaphos_bridge.basics.paths import as_path
from edaphos_bridge.data.as_numpy import as_numpy, fill_values, unreadable
from edaphos_bridge.data.tensors import check_tensor, tensor_as_numpy
from edaphos_bridge.errors import EdaphosError, InputError

_FORMATS = "a .npy file or a .zarr folder"
WANTED = "an array of real numbers (N, C, H, W)"


class OpenArray(NamedTuple):
    """What `open_array` returns.

    Attributes
    ----------
    array : numpy.ndarray, torch.Tensor or array that is read in parts
        Can be sliced; `edaphos_bridge.data.as_numpy.read_slice` reads a slice of the last kind.
    in_memory : bool
        False where a slice is read from a file, or computed, each time.
    fills : tuple of numbers
        What stands for a missing cell, see `edaphos_bridge.data.as_numpy.fill_values`.
    """

    array: Any
    in_memory: bool
    fills: tuple[int | float, ...] = ()


def open_array(x: Any, argument: str, wanted: str = WANTED) -> OpenArray:
    """Return `x`, whatever `Patches` takes, as an array that can be sliced.

    Raises `InputError` if `x` holds no real numbers (is not what is `wanted`), or is the path of no
    such file. Raises `EdaphosError` if `x` is the path of a .zarr folder and zarr is not installed.
    """
    if isinstance(x, str | os.PathLike):
        x = _open_path(x, argument)
    if isinstance(x, torch.Tensor):
        if isinstance(x, MaskedTensor):
            return OpenArray(tensor_as_numpy(x, argument), True)
        check_tensor(x, argument)
        return OpenArray(x, True)
    try:
        if _is_read_in_parts(x):
            return _open_parts(x, argument, wanted)
    except EdaphosError:
        raise
    except Exception as error:  # an array of another package, or a file that is damaged
        raise unreadable(argument, error) from error
    x = as_numpy(x, argument, wanted)
    return OpenArray(x, not _is_mapped(x))


def _open_parts(x: Any, argument: str, wanted: str) -> OpenArray:
    fills = fill_values(x)
    if _is_xarray_of_memory(x):
        x = x.values
    dtype = np.dtype(x.dtype)
    if dtype.kind not in "biuf":
        found = type(x).__name__ if x.ndim == 0 else dtype
        raise InputError(argument, f"must be {wanted}", found=found)
    return OpenArray(x, isinstance(x, np.ndarray) and not _is_mapped(x), fills)


def _is_read_in_parts(x: Any) -> bool:
    if isinstance(x, np.ndarray | np.generic):
        return False
    if not all(hasattr(x, name) for name in ("shape", "ndim", "dtype", "__getitem__")):
        return False
    try:
        np.dtype(x.dtype)
    except TypeError:  # a type of pandas
        return False
    return True


def _is_xarray_of_memory(x: Any) -> bool:
    """Return whether `x` is a DataArray whose cells are in memory, or mapped into it.

    Two reads of these give the same memory; a file or dask would give memory of its own each
    time.
    """
    if not (hasattr(x, "dims") and hasattr(type(x), "values") and getattr(x, "chunks", 0) is None):
        return False
    if np.dtype(x.dtype).kind not in "biuf" or x.ndim == 0:
        return False
    return np.shares_memory(x[:1].values, x[:1].values)


def _is_mapped(x: np.ndarray[Any, Any]) -> bool:
    """Return whether the cells of an array, or of what it is a view of, lie in a mapped file."""
    base: Any = x
    while base is not None:
        if isinstance(base, np.memmap | mmap.mmap):
            return True
        if isinstance(base, memoryview):
            base = base.obj
            continue
        base = getattr(base, "base", None)
    return False


# --- paths ---------------------------------------------------------------------------------


def _open_path(given: str | os.PathLike[str], argument: str) -> Any:
    path = as_path(argument, given, f"file of patches: {_FORMATS}")
    is_zarr = any(part.endswith(".zarr") for part in path.parts)
    if not is_zarr and path.suffix != ".npy":
        raise InputError(
            argument,
            f"must be {WANTED}, or the path of {_FORMATS}",
            found=os.fspath(given),
            hint="Of a raster foundation_tile_dataset() makes patches; predict() takes a raster "
            "together with points, `coords`, and foundation_predict_raster() in Python maps it.",
        )
    if not path.exists():
        raise InputError(argument, "names no file", found=os.fspath(given))
    return _open_zarr(path, argument) if is_zarr else _open_npy(path, argument)


def _open_npy(path: Path, argument: str) -> Any:
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a damaged header fails in any way
        raise InputError(
            argument, f"cannot be opened as a .npy file ({error})", found=str(path)
        ) from error


def _open_zarr(path: Path, argument: str) -> Any:
    try:
        zarr = imported("zarr")
    except ImportError as error:
        raise EdaphosError(
            "Patches in a .zarr folder need the package zarr. Install it with `pip install zarr`."
        ) from error
    _refuse_pickle(path, argument)
    try:
        found = zarr.open(str(path), mode="r")
    except Exception as error:  # zarr's own errors have changed from version to version
        raise InputError(
            argument, f"cannot be opened as a .zarr folder ({error})", found=str(path)
        ) from error
    if isinstance(found, zarr.Group):
        names = ", ".join(sorted(name for name, _ in found.arrays())[:5]) or "none"
        raise InputError(
            argument,
            "must be the path of an array, not of a group",
            found=str(path),
            hint=f"Add the array's name to the path. Arrays in it: {names}",
        )
    return found


def _refuse_pickle(path: Path, argument: str) -> None:
    """Raise `InputError` if the chunks of a zarr array of version 2 were written by pickle."""
    try:
        described = json.loads((path / ".zarray").read_text(encoding="utf-8"))
        codecs = [described.get("compressor"), *(described.get("filters") or [])]
        names = [codec["id"] for codec in codecs if codec]
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            argument, f"cannot be opened as a .zarr folder ({error!r})", found=str(path)
        ) from error
    if "pickle" in names:
        raise InputError(
            argument, "must not be stored with pickle, which runs code", found=str(path)
        )
