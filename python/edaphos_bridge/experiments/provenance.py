"""What a file of results says about how it was made."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version


def provenance(
    command: str, *, packages: Sequence[str], seed: int, seconds: float, processes: int
) -> list[str]:
    """Return lines of Markdown: command, seed, versions, time and cores."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
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
