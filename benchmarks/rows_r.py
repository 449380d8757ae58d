"""Rows of what crosses between R and Python, and of what comes before the work: imports.

R's double array becomes a float32 tensor wherever the array is: in Python, in R (`from_r.R`
calls `conversion` through reticulate), or in R inside Python (rpy2).
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import data
from benchmarks.data import Sizes
from benchmarks.machine import ROOT, peak_above_now, rscript
from benchmarks.row import NotMeasured, Row, speed_up, surplus, value
from benchmarks.timing import Timed, alternated, in_new_process
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.interop.calls import classifiers

_IMPORT = "import sys, edaphos_bridge; sys.exit('torch' in sys.modules)"
_LIBRARY = """
library(edaphosbridge)
started <- "reticulate" %in% loadedNamespaces() && reticulate::py_available()
quit(status = started)
"""


def conversion_rows(sizes: Sizes) -> Iterator[Row | NotMeasured]:
    """Speed as a share of the limit's, and peak memory in float32 arrays."""
    n, runs = sizes.converted, sizes.short_runs
    entrances: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
        "conversion": ("NumPy, R's order", lambda: in_new_process(partial(of_numpy, n, runs))),
        "conversion-reticulate": ("R, reticulate", lambda: measured_in_r(sizes)["conversion"]),
        "conversion-rpy2": ("R, rpy2", lambda: in_new_process(partial(through_rpy2, n, runs))),
    }
    for key, (entrance, measure) in entrances.items():
        job = f"double array {n}×31×16×16 to float32 tensor ({entrance})"  # noqa: RUF001
        try:
            found = measure()
        except (RuntimeError, OSError) as error:
            yield NotMeasured(key, job, str(error))
            continue
        times = Timed(found["limit"], found["ours"])
        reference = "straight copy in memory order, `tensor.to(torch.float32)`"
        yield speed_up(key, job, reference, times, 0.55)
        job, reference = f"{job}: peak memory", "in float32 arrays of `x`"
        yield value(f"{key}-memory", job, reference, [found["arrays"]], 1.1)


def conversion(x: NDArray[np.float64], runs: Any) -> dict[str, Any]:
    """Return the seconds of a straight copy and of ours in each run, and ours' peak memory.

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
    return {"limit": times.reference, "ours": times.ours, "arrays": arrays}


def of_numpy(n: int, runs: int) -> dict[str, Any]:
    """Return `conversion` for an array of NumPy.

    In a process of its own, as the others: where a fit of ours has run, torch keeps freed memory,
    and then the limit alone needs no new pages.
    """
    return conversion(data.as_r_has_it(n), runs)


def through_rpy2(n: int, runs: int) -> dict[str, Any]:
    """Return `conversion` for an array of R inside this process."""
    import rpy2.robjects as ro

    from edaphos_bridge.interop.rpy2 import converter

    with converter.context():
        x = ro.r(f"set.seed(1); array(rnorm({n} * 31 * 16 * 16), c({n}, 31, 16, 16))")
    return conversion(x, runs)


def r_call_rows(sizes: Sizes) -> Iterator[Row | NotMeasured]:
    """What R adds to Python's own call."""
    job = f"`foundation_fit_classifier()` in R, probe, {sizes.probe_epochs} epochs, N = {sizes.n}"
    try:
        found = measured_in_r(sizes)["call"]
    except RuntimeError as error:
        yield NotMeasured("r-call", job, str(error))
    else:
        reference = "`fit_classifier()` in Python, timed inside the same call"
        yield surplus("r-call", job, reference, Timed(found["python"], found["r"]), 0.030)


@functools.cache
def measured_in_r(sizes: Sizes) -> dict[str, Any]:
    """Return what from_r.R measures: ``conversion`` and ``call``."""
    numbers = (sizes.converted, sizes.n, sizes.short_runs, sizes.probe_epochs)
    found: dict[str, Any] = json.loads(rscript("benchmarks/from_r.R", *numbers))
    return found


class TimeInside:
    """The part of an R call that Python's own call would take too: called by `from_r.R`.

    `fit` of `interop.calls.classifiers` calls `fit_classifier`, which all entrances have in common.
    Its time is taken from now on in this process, inside the R call; the rest of the wall time is
    what R costs: checks, values that cross, the encoder's bytes read and the fit's written.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []
        function = classifiers.fit_classifier

        def timed(*args: Any, **how: Any) -> Any:
            started = time.perf_counter()
            result = function(*args, **how)
            self.seconds.append(time.perf_counter() - started)
            return result

        classifiers.fit_classifier = timed

    def report(self, converted: dict[str, Any], walls: list[float]) -> str:
        """Return as JSON `converted` and the seconds in R and in Python, without the first call."""
        assert len(walls) == len(self.seconds)
        call = {"r": walls[1:], "python": self.seconds[1:]}
        return json.dumps({"conversion": converted, "call": call})


def import_rows(sizes: Sizes) -> Iterator[Row | NotMeasured]:
    """``import edaphos_bridge`` and ``library(edaphosbridge)``, each in new processes."""
    times = alternated(
        lambda: _python("import sys; sys.exit(0)"), lambda: _python(_IMPORT), runs=sizes.short_runs
    )
    job = "`import edaphos_bridge` (no torch is imported)"
    yield surplus("import", job, "bare Python", times, 0.060)
    job = "`library(edaphosbridge)` (no Python is started)"
    try:
        times = alternated(
            lambda: rscript("-e", "quit(status = 0)"),
            lambda: rscript("-e", _LIBRARY),
            runs=min(sizes.short_runs, 7),
        )
    except RuntimeError as error:
        yield NotMeasured("library", job, str(error))
    else:
        yield surplus("library", job, "bare Rscript", times, 0.5)


def _python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
