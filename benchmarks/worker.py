"""A process that runs one job when asked: started by `benchmarks.timing.alternated_apart`.

Reads pickles from its standard input: the job's preparation with its device and threads, then
"run" or "result". Answers with pickles: the seconds of a run, what the last run returned.
"""

from __future__ import annotations

import os
import pickle
import sys
from typing import Any

import torch

from benchmarks.timing import timed


def main() -> None:
    """Serve until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a job prints is no answer
    asked = sys.stdin.buffer
    prepare, device, threads = pickle.load(asked)
    torch.set_num_threads(threads)
    function = prepare()
    result: Any = None
    while True:
        try:
            what = pickle.load(asked)
        except EOFError:
            return
        if what == "run":
            result = None  # memory of the last run goes before the next one is timed
            seconds, result = timed(function, device)
            pickle.dump(seconds, answers)
        else:
            pickle.dump(result, answers)
        answers.flush()


if __name__ == "__main__":
    main()
