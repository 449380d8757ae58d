"""Wall times of two functions in alternation, so that what loads the machine loads both."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Timed:
    """Seconds of each run in pairs, and what the last runs returned."""

    reference: list[float]
    ours: list[float]
    reference_result: Any
    result: Any


def alternated(
    reference: Callable[[], Any],
    ours: Callable[[], Any],
    *,
    runs: int,
    warm_ups: int = 1,
    device: str = "cpu",
) -> Timed:
    """Time reference, ours, reference, ours, ...: `runs` pairs after `warm_ups` untimed ones."""
    times: tuple[list[float], list[float]] = ([], [])
    results: list[Any] = [None, None]
    for run in range(-warm_ups, runs):
        for which, function in enumerate((reference, ours)):
            results[which] = None  # memory of the last run goes before the next one is timed
            seconds, results[which] = timed(function, device)
            if run >= 0:
                times[which].append(seconds)
    return Timed(*times, *results)


def timed(function: Callable[[], Any], device: str = "cpu") -> tuple[float, Any]:
    """Return the seconds that a call took, and its result; work queued on a GPU is waited for."""
    gc.collect()
    _wait(device)
    started = time.perf_counter()
    result = function()
    _wait(device)
    return time.perf_counter() - started, result


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
