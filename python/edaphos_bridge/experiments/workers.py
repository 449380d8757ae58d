"""Processes in which many fits run beside each other, one thread each."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

import torch

from edaphos_bridge.basics.arguments import whole

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@contextmanager
def workers(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of new processes, whose results do not depend on the number of cores.

    Parameters
    ----------
    processes : int
        How many run at once. What they are given must be importable.
    """
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)  # libraries read it when a process begins
    try:
        with ProcessPoolExecutor(
            whole("processes", processes),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start,
        ) as pool:
            yield pool
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _start() -> None:
    torch.set_num_threads(1)
    sys.stderr.isatty = lambda: False  # type: ignore[method-assign]  # no bars of two processes
