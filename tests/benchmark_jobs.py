"""Jobs for new processes of tests/test_benchmarks.py, which import nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable


def count_in_this_process(start: int) -> Callable[[], tuple[int, int]]:
    """Prepare a job that says its process and how often it has run there."""
    calls = []

    def run() -> tuple[int, int]:
        calls.append(0)
        print("a job may print")
        return os.getpid(), start + len(calls)

    return run


def fail() -> None:
    """Fail."""
    raise ValueError("this job cannot run")


def fail_to_run() -> Callable[[], None]:
    """Prepare a job that fails."""
    return fail
