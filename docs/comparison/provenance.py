"""What a file of results says about how it was made."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

PACKAGES = ("edaphos-bridge", "torch", "numpy", "scikit-learn", "kornia")


def provenance(command: str, *, seed: int, seconds: float, processes: int) -> list[str]:
    """Return lines of Markdown: command, seed, versions, time and cores."""
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return [
        "",
        "## How it was made",
        "",
        f"* Command: `{command}`",
        f"* Seed: {seed}",
        f"* Versions: Python {platform.python_version()}, {versions}",
        f"* Time: {seconds:.0f} s on {platform.machine()}, {os.cpu_count()} cores, {processes} "
        f"process{'es' if processes > 1 else ''} of one thread",
    ]
