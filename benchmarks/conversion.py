"""R's double array to a float32 tensor, against a straight copy of the same bytes.

Runs wherever the array is: in Python, in R (reticulate calls `measured`), or in R inside Python
(rpy2).
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.memory import peak_above_now
from benchmarks.timing import alternated
from edaphos_bridge.patches import Patches


def measured(x: NDArray[np.float64], runs: Any) -> str:
    """Return as JSON the seconds of both in each run, and the peak memory of ours.

    Parameters
    ----------
    x : numpy.ndarray, float64, shape (N, C, H, W)
        In R's memory order: the first index varies fastest.
    runs : int
        Pairs of runs.
    """
    assert x.flags.f_contiguous
    assert x.dtype == np.float64
    Patches(x[:64]).tensor()  # whatever a first call sets up
    peak, tensor = peak_above_now(lambda: Patches(x).tensor())
    arrays = peak / (tensor.numel() * tensor.element_size())
    assert np.array_equal(tensor.numpy(), x.astype(np.float32))
    del tensor
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # R's memory may be marked read-only; it is only read
        flat = torch.from_numpy(x.ravel(order="K"))  # a view; torch copies with all its threads
    times = alternated(lambda: flat.to(torch.float32), lambda: Patches(x).tensor(), runs=int(runs))
    return json.dumps({"limit": times.reference, "ours": times.ours, "arrays": arrays})


def r_like(n: int) -> NDArray[np.float64]:
    """Return random patches ``(n, 31, 16, 16)`` as R lays them out."""
    flat = np.random.default_rng(1).standard_normal(n * 31 * 16 * 16)
    return flat.reshape((n, 31, 16, 16), order="F")


def through_rpy2(n: int, runs: int) -> str:
    """Return `measured` for an array of R inside this process."""
    import rpy2.robjects as ro

    from edaphos_bridge.interop.rpy2 import converter

    with converter.context():
        x = ro.r(f"set.seed(1); array(rnorm({n} * 31 * 16 * 16), c({n}, 31, 16, 16))")
    return measured(x, runs)


if __name__ == "__main__":
    print(through_rpy2(int(sys.argv[1]), int(sys.argv[2])))
