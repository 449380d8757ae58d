"""What a caller may give as patches: anything with a shape that can be sliced, or a file's path.

zarr, xarray, dask, h5py and tile data sets are known by what they can do, so that none of them
is imported.
"""

from __future__ import annotations

import json
import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edaphos_bridge.errors import EdaphosError, InputError
from edaphos_bridge.interrupts import imported

_FORMATS = "a .npy file or a .zarr folder"


def open_array(x: Any, argument: str) -> tuple[Any, bool]:
    """Return `x` as an array that can be sliced, and whether its cells are all in memory.

    Parameters
    ----------
    x : array-like, torch.Tensor or path
        As in `edaphos_bridge.patches.Patches`.
    argument : str
        What the caller's function calls it, for errors.

    Returns
    -------
    array : numpy.ndarray, torch.Tensor or array that is read in parts
        A slice of the last kind becomes a NumPy array by ``numpy.asanyarray``.
    in_memory : bool
        False where a slice is read from a file, or computed, each time.

    Raises
    ------
    InputError
        If `x` holds no real numbers, or is the path of no such file.
    EdaphosError
        If `x` is the path of a .zarr folder and zarr is not installed.
    """
    if isinstance(x, str | os.PathLike):
        x = _open_path(x, argument)
    if isinstance(x, torch.Tensor):
        if x.is_complex():
            raise InputError(argument, "must hold real numbers", found=x.dtype)
        return x, True
    if _is_xarray_of_memory(x):
        x = x.values
    if not _is_read_in_parts(x):
        x = _as_numpy(x, argument)
    dtype = np.dtype(x.dtype)
    if dtype.kind not in "biuf":
        found = type(x).__name__ if x.ndim == 0 else dtype
        raise InputError(argument, "must be an array of real numbers (N, C, H, W)", found=found)
    return x, isinstance(x, np.ndarray) and not _is_mapped(x)


def _as_numpy(x: Any, argument: str) -> Any:
    try:
        array = np.asanyarray(x)
    except (ValueError, TypeError) as error:  # ragged lists, objects that refuse
        raise InputError(
            argument,
            "must be an array (N, C, H, W): patches, channels, height, width",
            found=type(x).__name__,
        ) from error
    if array.dtype.kind not in "biuf":
        found = type(x).__name__ if array.ndim == 0 else array.dtype
        raise InputError(argument, "must be an array of real numbers (N, C, H, W)", found=found)
    return array


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
    if not (hasattr(x, "dims") and hasattr(x, "values") and getattr(x, "chunks", 0) is None):
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
        if isinstance(base, np.ma.MaskedArray):
            base = base.data
        elif isinstance(base, memoryview):
            base = base.obj
            continue
        base = getattr(base, "base", None)
    return False


# --- paths ---------------------------------------------------------------------------------


def _open_path(given: str | os.PathLike[str], argument: str) -> Any:
    path = Path(given).expanduser()
    is_zarr = any(part.endswith(".zarr") for part in path.parts)
    if not is_zarr and path.suffix != ".npy":
        raise InputError(
            argument,
            f"must be an array of real numbers (N, C, H, W), or the path of {_FORMATS}",
            found=os.fspath(given),
        )
    if not path.exists():
        raise InputError(argument, "names no file", found=os.fspath(given))
    return _open_zarr(path, argument) if is_zarr else _open_npy(path, argument)


def _open_npy(path: Path, argument: str) -> Any:
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, SyntaxError, OverflowError) as error:
        raise InputError(
            argument, f"cannot be opened as a .npy file ({error})", found=str(path)
        ) from error


def _open_zarr(path: Path, argument: str) -> Any:
    try:
        zarr = imported("zarr")
    except ImportError as error:
        raise EdaphosError(
            "Patches in a .zarr folder need zarr: pip install 'edaphos-bridge[zarr]'"
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
