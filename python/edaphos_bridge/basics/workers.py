"""Processes in which many fits run beside each other, one thread each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import sysconfig
import threading
import types
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait

import torch

from edaphos_bridge.basics.arguments import whole

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

_CACHE = "TORCHINDUCTOR_CACHE_DIR"  # where torch makes a folder for compiled code


@contextmanager
def workers(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of new processes, whose results do not depend on the number of cores.

    They end with this process, however it ends, and at once if the block raises.

    Parameters
    ----------
    processes : int
        How many run at once. What they are given must be importable.
    """
    count = whole("processes", processes)
    # libraries read these when a process begins
    theirs_alone = {**_ONE_THREAD, **own_libraries_first()}
    before = {name: os.environ.get(name) for name in theirs_alone}
    os.environ.update(theirs_alone)
    context = multiprocessing.get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    try:
        with ProcessPoolExecutor(
            count,
            mp_context=context,
            initializer=_start,
            initargs=(theirs, os.environ.get(_CACHE)),
        ) as pool:
            try:
                yield pool
            except BaseException:
                ours.close()  # their lifeline
                pool.shutdown(cancel_futures=True)
                raise
    finally:
        ours.close()
        theirs.close()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def own_libraries_first() -> dict[str, str]:
    """Return where a new Python finds the libraries of this one, before those of others.

    R puts its folders first, in R and in a Python with an R inside, and another Python's library
    may be in one of them.
    """
    path, own = os.environ.get("LD_LIBRARY_PATH"), sysconfig.get_config_var("LIBDIR")
    return {"LD_LIBRARY_PATH": f"{own}{os.pathsep}{path}"} if path and own else {}


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread of torch, as workers do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def without_main() -> Iterator[None]:
    """Start processes that do not run the user's script again, where they need nothing of it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _start(lifeline: Connection, cache: str | None) -> None:
    if cache is not None:  # which R took back when this process's parent had read it
        os.environ[_CACHE] = cache
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the process that waits for this one
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    torch.set_num_threads(1)
    sys.stderr.isatty = lambda: False  # type: ignore[method-assign]  # no bars of two processes


def _end_with(lifeline: Connection) -> None:
    wait([lifeline])  # nothing is ever sent: it ends when the other end is closed
    os._exit(1)
