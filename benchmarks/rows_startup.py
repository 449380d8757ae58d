"""Rows of what comes before and around the work: imports, and the R call."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.memory import ROOT
from benchmarks.row import NotMeasured, Row, surplus
from benchmarks.rscript import NoRError, measured_in_r, rscript
from benchmarks.sizes import Sizes
from benchmarks.timing import alternated

_IMPORT = "import sys, edaphos_bridge; sys.exit('torch' in sys.modules)"
_LIBRARY = """
library(edaphosbridge)
started <- "reticulate" %in% loadedNamespaces() && reticulate::py_available()
quit(status = started)
"""


def import_rows(sizes: Sizes) -> Iterator[Row | NotMeasured]:
    """``import edaphos_bridge`` and ``library(edaphosbridge)``, each in new processes."""
    times = alternated(
        lambda: _python("import sys; sys.exit(0)"), lambda: _python(_IMPORT), runs=sizes.short_runs
    )
    yield surplus(
        "import",
        "`import edaphos_bridge` (no torch is imported)",
        "bare Python",
        times.ours,
        times.reference,
        0.060,
    )
    job = "`library(edaphosbridge)` (no Python is started)"
    try:
        times = alternated(
            lambda: rscript("-e", "quit(status = 0)"),
            lambda: rscript("-e", _LIBRARY),
            runs=min(sizes.short_runs, 7),
        )
    except NoRError as error:
        yield NotMeasured("library", job, str(error))
    else:
        yield surplus("library", job, "bare Rscript", times.ours, times.reference, 0.5)


def r_call_rows(sizes: Sizes) -> Iterator[Row | NotMeasured]:
    """What R adds to Python's own call."""
    job = f"`foundation_fit_classifier()` in R, probe, {sizes.probe_epochs} epochs, N = {sizes.n}"
    try:
        found = measured_in_r(sizes)["call"]
    except NoRError as error:
        yield NotMeasured("r-call", job, str(error))
    else:
        reference = "`fit_classifier()` in Python, timed inside the same call"
        yield surplus("r-call", job, reference, found["r"], found["python"], 0.030)


def _python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
