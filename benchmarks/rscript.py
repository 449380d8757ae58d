"""R in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from benchmarks.memory import ROOT


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
