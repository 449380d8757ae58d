"""Wall times of two functions in alternation, so that what loads the machine loads both.

Run as ``python -m benchmarks.timing`` this file is the process of a job, see `_Worker`.
"""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from benchmarks.machine import ROOT

Run = Callable[[], Any]
Prepare = Callable[[], Run]


@dataclass(frozen=True)
class Timed:
    """Seconds of each run in pairs, and what the last runs returned."""

    reference: list[float]
    ours: list[float]
    reference_result: Any = None
    result: Any = None


def alternated_apart(
    reference: Prepare,
    ours: Prepare,
    *,
    runs: int,
    processes: int = 3,
    device: str = "cpu",
    apart: bool = True,
) -> Timed:
    """Do what `alternated` does, each of the two in processes of its own.

    What one leaves behind (memory that the allocator keeps, kernels that are chosen) helps a run
    of the other in the same process, which no user has who runs only one of them.

    Parameters
    ----------
    reference, ours : callable
        Called once in a process; each returns what is timed. They and the results are pickled.
    runs : int
        Pairs in all, a multiple of `processes`; each process begins with an untimed one.
    processes : int
        Pairs of processes, one after the other: each process keeps the pages of memory that it
        happens to get, and with them up to a tenth of speed.
    apart : bool
        False keeps both in this process: for tests.
    """
    if not apart:
        return alternated(reference(), ours(), runs=runs, device=device)
    times: list[list[float]] = []
    processes = min(processes, runs)
    for _ in range(processes):
        with ExitStack() as stack:
            workers = [stack.enter_context(_Worker(job, device)) for job in (reference, ours)]
            turns = range(-1, runs // processes)
            in_turns = [[worker.ask("run") for worker in workers] for _ in turns]
            results = [worker.ask("result") for worker in workers]
        times += in_turns[1:]
    return Timed([pair[0] for pair in times], [pair[1] for pair in times], *results)


def in_new_process(job: Callable[[], Any]) -> Any:
    """Return what `job` returns in a process of its own. Both are pickled."""
    with _Worker(partial(partial, job)) as worker:  # nothing is prepared
        worker.ask("run")
        return worker.ask("result")


def alternated(reference: Run, ours: Run, *, runs: int, device: str = "cpu") -> Timed:
    """Time reference, ours, reference, ours, ...: `runs` pairs after an untimed one."""
    times: tuple[list[float], list[float]] = ([], [])
    results: list[Any] = [None, None]
    for run in range(-1, runs):
        for which, function in enumerate((reference, ours)):
            results[which] = None  # memory of the last run goes before the next one is timed
            seconds, results[which] = timed(function, device)
            if run >= 0:
                times[which].append(seconds)
    return Timed(*times, *results)


def timed(function: Run, device: str = "cpu") -> tuple[float, Any]:
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


class _Worker:
    """A new process that prepares a job and runs it when asked.

    The two write pickles to each other: the job's preparation with its device and threads, then
    "run" or "result"; back come an error or None, and the seconds of a run or what the last run
    returned.
    """

    def __init__(self, prepare: Prepare, device: str = "cpu") -> None:
        command = [sys.executable, "-m", "benchmarks.timing"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        )
        self._send((prepare, device, torch.get_num_threads()))

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def ask(self, what: str) -> Any:
        """Return the answer to "run" or "result"."""
        self._send(what)
        assert self._process.stdout is not None
        try:
            error, answer = pickle.load(self._process.stdout)
        except EOFError:
            error = f"its process ended with {self._process.wait()}"
        if error is not None:
            raise RuntimeError(f"a measured job failed: {error}")
        return answer

    def _send(self, message: Any) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # the process has failed: its answer says how
            pickle.dump(message, self._process.stdin)
            self._process.stdin.flush()


def main() -> None:
    """Serve one `_Worker`, which ends this process."""
    asked = sys.stdin.buffer
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what a job prints is no answer
        try:
            prepare, device, threads = pickle.load(asked)
            torch.set_num_threads(threads)
            function, result = prepare(), None
            while True:
                answer = result
                if pickle.load(asked) == "run":
                    answer = result = None  # memory of the last run goes before the next one
                    answer, result = timed(function, device)
                pickle.dump((None, answer), answers)
                answers.flush()
        except Exception as error:
            traceback.print_exc()
            pickle.dump((f"{type(error).__name__}: {error}", None), answers)


if __name__ == "__main__":
    main()
