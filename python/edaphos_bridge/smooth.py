"""Maps without their single odd cells: `foundation_smooth()`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import choice, number, share, whole
from edaphos_bridge.data.as_numpy import as_numpy
from edaphos_bridge.data.probabilities import LAYERS, as_probabilities
from edaphos_bridge.data.tables import numbers_of
from edaphos_bridge.errors import InputError
from edaphos_bridge.maps.smoothing import NO_CLASS, bayesian, majority, most_probable, within

BAYESIAN, MAJORITY = "bayesian", "majority"


@plain
def foundation_smooth(
    x: Any,
    method: str = BAYESIAN,
    *,
    window: int = 9,
    neigh_fraction: float = 0.5,
    smoothness: Any = 20.0,
    nodata: int | None = NO_CLASS,
) -> NDArray[Any]:
    """Smooth a map of class probabilities or of classes, each cell by the cells around it.

    Parameters
    ----------
    x : array-like or torch.Tensor
        Probabilities ``(K, H, W)`` of K classes, NaN where there are no data. For ``"majority"``
        also codes of classes ``(H, W)``, whole numbers.
    method : str
        - ``"bayesian"``: probabilities given those around. What to expect of a class is learnt from
          the `neigh_fraction` of cells in the window where it is most probable; the more these
          agree, and the larger `smoothness`, the nearer a cell is drawn to them.
        - ``"majority"``: the class that most cells of the window have; the cell's own where that is
          among several, else the lowest code.
    window : int
        The side of the window in cells, odd.
    neigh_fraction : float
        For ``"bayesian"``: above 0, at most 1.
    smoothness : float, or array-like of shape (K,)
        For ``"bayesian"``: the variance of the logits of a class, one for all or one each, above 0.
    nodata : int or None
        Of codes: what stands for a cell without data, besides NaN and masked cells.

    Returns
    -------
    numpy.ndarray
        Probabilities ``(K, H, W)``, float64, whose most probable class is the smoothed one. For
        ``"majority"`` codes ``(H, W)``: of the type of `x`, masked where `x` is; of probabilities
        from 1 to K, 0 without data. Cells without data stay so, and count for none.

    Raises
    ------
    InputError
        If an argument cannot be used.

    References
    ----------
    Camara, G. et al. (2024). Bayesian inference for post-processing of remote-sensing image
    classification. Remote Sensing 16(23), 4572. Defaults are those of ``sits_smooth()`` of the R
    package sits 1.5.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_smooth
    >>> codes = np.array([[1, 1, 1], [1, 2, 1], [1, 1, 0]])
    >>> foundation_smooth(codes, "majority", window=3).tolist()
    [[1, 1, 1], [1, 1, 1], [1, 1, 0]]
    >>> forest = np.full((3, 3), 0.9)
    >>> forest[1, 1] = 0.4
    >>> foundation_smooth(np.stack([forest, 1 - forest]), window=3)[0, 1, 1].round(2).item()
    0.84
    """
    way = choice("method", method, [BAYESIAN, MAJORITY])
    side = odd_window(window)
    if way == MAJORITY:
        if nodata is not None:
            nodata = whole("nodata", nodata, minimum=-(2**31))
        return _majority(x, side, nodata)
    kept = neighbour_share(neigh_fraction)
    probabilities = as_probabilities(x, LAYERS)
    variances = class_smoothness(smoothness, len(probabilities))
    side = within(side, *probabilities.shape[1:])
    return bayesian(probabilities, side, kept, variances)


def odd_window(window: Any) -> int:
    """Return the side of a window, or raise `InputError`."""
    side = whole("window", window)
    if side % 2 == 0:
        raise InputError("window", "must be odd, with the cell in its middle", found=side)
    return side


def neighbour_share(neigh_fraction: Any) -> float:
    """Return the share of neighbours that count, or raise `InputError`."""
    kept = share("neigh_fraction", neigh_fraction)
    return number("neigh_fraction", kept, above=0)


def class_smoothness(smoothness: Any, n_classes: int) -> NDArray[np.float64]:
    """Return the smoothness of each class, or raise `InputError`."""
    wanted = f"a number, or one for each of the {n_classes} classes"
    if not isinstance(smoothness, list | tuple) and np.ndim(smoothness) == 0:
        return np.full(n_classes, number("smoothness", smoothness, above=0))
    values = numbers_of(smoothness, "smoothness", wanted)
    if values.shape != (n_classes,):
        raise InputError("smoothness", f"must be {wanted}", found=list(values.shape))
    bad = values[~(np.isfinite(values) & (values > 0))]
    if len(bad):
        raise InputError("smoothness", "must be finite and greater than 0", found=float(bad[0]))
    return values


def _majority(x: Any, window: int, nodata: int | None) -> NDArray[Any]:
    wanted = "codes of classes (H, W), whole numbers, or class probabilities (K, H, W)"
    array = as_numpy(x, "x", wanted)
    if array.ndim == 3:
        codes = most_probable(as_probabilities(array, LAYERS))
        return majority(codes, within(window, *codes.shape), codes != NO_CLASS)
    if array.ndim != 2:
        raise InputError("x", f"must be {wanted}", found=list(array.shape))
    cells, masked = np.ma.getdata(array), np.ma.getmaskarray(array)
    valid = ~masked & np.isfinite(cells)
    if nodata is not None:
        valid &= cells != nodata
    broken = cells[valid & (cells != np.trunc(cells))] if cells.dtype.kind == "f" else []
    if len(broken):
        raise InputError("x", f"must be {wanted}", found=float(broken[0]))
    smoothed = majority(cells, within(window, *cells.shape), valid)
    return np.ma.masked_array(smoothed, masked) if masked.any() else smoothed
