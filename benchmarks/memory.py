"""Peak memory of one step, in a process of its own (Linux: read from /proc/self/status)."""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MB = 1e6


def peak_above_now(step: Callable[[], Any]) -> tuple[float, Any]:
    """Return how many bytes the process took at most beyond what it holds now, and the result.

    The high-water mark is set back first. (``ru_maxrss`` would count what the process that
    started this one had held.)
    """
    give_back_freed_memory()
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    result = step()
    return status("VmHWM") - before, result


def give_back_freed_memory() -> None:
    """Let the C library return what it keeps: what is used again has to count."""
    gc.collect()
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


class AnonymousPeak:
    """The most memory taken inside a ``with`` block, pages of files not counted (sampled)."""

    def __enter__(self) -> AnonymousPeak:
        self.peak = 0.0
        give_back_freed_memory()
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


def in_new_process(module: str, *arguments: object) -> Any:
    """Run ``python -m module arguments`` and return the JSON value on its last line."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{module} {arguments} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def status(name: str) -> float:
    """Return a line of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return float(line.split()[1]) * 1024
    raise KeyError(name)
