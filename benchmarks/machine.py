"""The machine and the versions behind a file of results."""

from __future__ import annotations

import os
import platform
import sys
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from benchmarks.rscript import NoRError, rscript

PACKAGES = ("edaphos-bridge", "torch", "numpy", "pandas", "kornia", "rpy2")


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


def require_device(device: str) -> None:
    """Leave with a message where the device is not there."""
    if device == "cuda" and not torch.cuda.is_available():
        sys.exit(f"--device cuda: torch {torch.__version__} finds no CUDA device here.")


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
    except NoRError:
        return ["no R"]
