"""How close numbers must be, stated once: no test has a bound of its own kind.

Float arithmetic is right to a share of the size of what is added up, never to an absolute number.
Processors add in different orders, so a bound that is not of that form holds on some of them only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


def assert_close(found: Any, expected: Any, tolerance: float, size: Any = 1.0) -> None:
    """Fail unless ``|found - expected| <= tolerance * max(size, |expected|)`` in every cell.

    Parameters
    ----------
    found, expected : number, sequence, array, tensor, DataFrame, or a mapping of names to these
        Of one shape and, if both are tensors, of one dtype. NaN and infinity stand in the same
        cells.
    tolerance : float
        The share that may be lost.
    size : number or array that broadcasts to `expected`
        Size of the terms that were added up, where the sum may be small by chance; 0 for a bound
        that is strictly relative.
    """
    if isinstance(expected, Mapping):
        assert list(found) == list(expected), f"{list(found)}, not {list(expected)}"
        for name in expected:
            _compare(found[name], expected[name], tolerance, size, f"{name}: ")
    else:
        _compare(found, expected, tolerance, size, "")


def size_of(values: Any) -> float:
    """Return the largest absolute value, at least 1: the `size` of sums, some of which cancel."""
    return max(1.0, float(np.abs(_doubles(values)).max()))


def _compare(found: Any, expected: Any, tolerance: float, size: Any, where: str) -> None:
    if isinstance(found, torch.Tensor) and isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype, f"{where}{found.dtype}, not {expected.dtype}"
    ours, theirs = _doubles(found), _doubles(expected)
    assert ours.shape == theirs.shape, f"{where}shape {ours.shape}, not {theirs.shape}"
    with np.errstate(invalid="ignore"):
        allowed = tolerance * np.maximum(_doubles(size), np.abs(theirs))
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        off = np.where(same, 0.0, np.abs(ours - theirs))
        off[np.isnan(off)] = np.inf  # NaN here, a number there
        bad = ~same & ((off > allowed) | np.isinf(off) | np.isnan(allowed))
    if bad.any():
        excess = np.where(bad, off - np.nan_to_num(allowed, posinf=0.0), -1.0)
        worst = np.unravel_index(excess.argmax(), excess.shape)
        cell = f" at {tuple(map(int, worst))}" if worst else ""
        raise AssertionError(
            f"{where}{int(bad.sum())} of {bad.size} cells are not within {tolerance:g}; the worst"
            f"{cell}: found {float(ours[worst])!r}, expected {float(theirs[worst])!r}, off by "
            f"{off[worst]:.3g} where {allowed[worst]:.3g} is allowed"
        )


def _doubles(values: Any) -> NDArray[np.float64]:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().double().numpy()
    return np.asarray(values, dtype=np.float64)
