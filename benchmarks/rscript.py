"""R in a process of its own."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from typing import Any

from benchmarks.memory import ROOT
from benchmarks.sizes import Sizes


class NoRError(Exception):
    """R, or the R package edaphosbridge, is not there."""


def rscript(*arguments: object) -> str:
    """Run Rscript with this Python behind edaphosbridge; return the last line of its output."""
    program = shutil.which("Rscript")
    if program is None:
        raise NoRError("Rscript was not found")
    environment = {"EDAPHOSBRIDGE_PYTHON": sys.executable, **os.environ}
    done = subprocess.run(
        [program, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise NoRError(f"Rscript {arguments[0]} failed: {done.stderr.strip().splitlines()[-1:]}")
    return (done.stdout.strip().splitlines() or [""])[-1]


@functools.cache
def measured_in_r(sizes: Sizes) -> dict[str, Any]:
    """Return what from_r.R measures: ``conversion`` and ``call``."""
    numbers = (sizes.converted, sizes.n, sizes.short_runs, sizes.probe_epochs)
    found: dict[str, Any] = json.loads(rscript("benchmarks/from_r.R", *numbers))
    return found
