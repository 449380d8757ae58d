"""One cell of the growth table: what `benchmarks.growth` runs in a process of its own."""

from __future__ import annotations

import resource
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import data
from benchmarks.machine import AnonymousPeak, peak_above_now, status
from benchmarks.timing import timed
from edaphos_bridge import foundation_encoder, foundation_fit_classifier

JOBS = {
    "probe": "linear probe, 40 epochs",
    "fine-tuning": "full fine-tuning, 1 epoch",
    "predict": "predict probabilities",
}


def work(job: str, channels: int, side: int) -> Callable[[Any, list[str]], Any]:
    """Return the job as a function of patches and labels, warmed up on thirty patches."""
    encoder = foundation_encoder("moco", channels, seed=1)

    def probe(x: Any, y: list[str]) -> Any:
        return foundation_fit_classifier(encoder, x, y, epochs=40, seed=1)

    def fine_tuning(x: Any, y: list[str]) -> Any:
        return foundation_fit_classifier(encoder, x, y, freeze_backbone=False, epochs=1, seed=1)

    few, names = data.patches(30, channels, side), data.labels(30)
    fit = probe(few, names)
    jobs = {
        "probe": probe,
        "fine-tuning": fine_tuning,
        "predict": lambda x, y: fit.predict_proba(x),
    }
    jobs[job](few, names)
    return jobs[job]


def array_cell(job: str, n: int, channels: int, side: int, runs: int) -> dict[str, Any]:
    """Return the median of the seconds and the first run's peak memory above `x`, in bytes."""
    run = work(job, channels, side)
    x, y = data.patches(n, channels, side), data.labels(n)
    peak, _ = peak_above_now(lambda: run(x, y))
    seconds = [timed(lambda: run(x, y))[0] for _ in range(runs)]
    return {"seconds": statistics.median(seconds), "peak": peak}


def memmap_cell(
    job: str, n: int, channels: int, side: int, path: Path, allowed: int
) -> dict[str, Any]:
    """Return seconds for patches in a file, with at most `allowed` bytes of memory taken.

    RLIMIT_DATA bounds what the process allocates from now on; pages of the file that the kernel
    keeps while there is room are not counted, as they go when memory is short.
    """
    run = work(job, channels, side)
    x = np.memmap(path, dtype=np.float32, mode="r", shape=(n, channels, side, side))
    limit = int(status("VmData")) + allowed
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    with AnonymousPeak() as memory:
        try:
            seconds: float | None = timed(lambda: run(x, data.labels(n)))[0]
            failed = ""
        except (MemoryError, RuntimeError) as error:  # torch's allocator raises RuntimeError
            seconds, failed = None, str(error).splitlines()[0]
    return {"seconds": seconds, "failed": failed, "peak": memory.peak}
