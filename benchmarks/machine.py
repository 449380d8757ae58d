"""The machine: its versions, R on it, the memory of a process (Linux: read from /proc/self)."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[1]
MB = 1e6
PACKAGES = ("edaphos-bridge", "torch", "numpy", "pandas", "kornia", "rpy2")


def require_device(device: str) -> None:
    """Leave with a message where the device is not there."""
    if device == "cuda" and not torch.cuda.is_available():
        sys.exit(f"--device cuda: torch {torch.__version__} finds no CUDA device here.")


def rscript(*arguments: object) -> str:
    """Run Rscript with this Python behind edaphosbridge; return the last line of its output.

    RuntimeError where R or the R package edaphosbridge is not there.
    """
    program = shutil.which("Rscript")
    if program is None:
        raise RuntimeError("Rscript was not found")
    environment = {"EDAPHOSBRIDGE_PYTHON": sys.executable, **os.environ}
    done = subprocess.run(
        [program, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise RuntimeError(
            f"Rscript {arguments[0]} failed: {done.stderr.strip().splitlines()[-1:]}"
        )
    return (done.stdout.strip().splitlines() or [""])[-1]


def peak_above_now(step: Callable[[], Any]) -> tuple[float, Any]:
    """Return how many bytes the process took at most beyond what it holds now, and the result.

    The high-water mark is set back first. (``ru_maxrss`` would count what the process that
    started this one had held.)
    """
    _give_back_freed_memory()
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    result = step()
    return status("VmHWM") - before, result


class AnonymousPeak:
    """The most memory taken inside a ``with`` block, pages of files not counted (sampled)."""

    def __enter__(self) -> AnonymousPeak:
        self.peak = 0.0
        _give_back_freed_memory()
        self._start = status("RssAnon")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            self.peak = max(self.peak, status("RssAnon") - self._start)


def status(name: str) -> float:
    """Return a line of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return float(line.split()[1]) * 1024
    raise KeyError(name)


def _give_back_freed_memory() -> None:
    """Let the C library return what it keeps: what is used again has to count."""
    gc.collect()
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def provenance(command: str, device: str, seconds: float) -> list[str]:
    """Return lines of Markdown: command, machine, versions, date and duration."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    lines = [
        f"* Command: `{command}`",
        f"* Machine: {_cpu()}, {os.cpu_count()} cores, {_memory()} of memory; "
        f"{torch.get_num_threads()} torch threads; load at the end {load}",
    ]
    if device == "cuda":
        lines.append(f"* GPU: {torch.cuda.get_device_name()}, CUDA {torch.version.cuda}")
    versions = [f"Python {platform.python_version()}", *_versions(), *_r_versions()]
    now = datetime.now(timezone.utc)
    return [
        *lines,
        f"* Versions: {', '.join(versions)}; {platform.system()} {platform.release()}",
        f"* Date: {now:%Y-%m-%d %H:%M} UTC; the run took {seconds / 60:.1f} minutes",
    ]


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().splitlines() if cpuinfo.exists() else []:
        if line.startswith("model name"):
            return " ".join(line.split(":", 1)[1].split())
    return platform.machine()


def _memory() -> str:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{pages / 1e9:.0f} GB"


def _versions() -> list[str]:
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"no {package}")
    return found


def _r_versions() -> list[str]:
    code = (
        "cat(sprintf('R %s, reticulate %s', getRversion(), "
        "as.character(packageVersion('reticulate'))))"
    )
    try:
        return [rscript("-e", code)]
    except RuntimeError:
        return ["no R"]
