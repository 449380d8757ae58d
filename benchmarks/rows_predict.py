"""Rows of prediction: speed for any encoder, and memory."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks import data, references
from benchmarks.memory import MB, in_new_process, peak_above_now
from benchmarks.row import NotMeasured, Row, cost, speed_up, value
from benchmarks.sizes import Sizes
from benchmarks.timing import Run, alternated_apart
from edaphos_bridge import FoundationClassifier, foundation_fit_classifier
from edaphos_bridge.patches import Patches

REFERENCE = "raw eager forward and softmax, inference mode, batches of 256"


def predict_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """Class probabilities of `sizes.predicted` patches for each encoder."""
    n = sizes.predicted
    for name, make in data.ENCODERS.items():
        fit = _fitted(make(), device)
        of_a_user = name not in data.OUR_ENCODERS
        times = alternated_apart(
            partial(references.eager, fit.encoder.cpu(), fit.head.cpu(), n, device),
            partial(ours, name, n, device),
            runs=sizes.many_runs if of_a_user else sizes.runs,
            processes=15 if of_a_user else 3,
            device=device,
            apart=sizes.apart,
        )
        key, job = f"predict-{name.split()[-1].lower()}", f"predict, N = {n}, {name}"
        yield speed_up(key, job, REFERENCE, times, 0.75 if of_a_user else 1.1)
        largest = float(np.abs(times.reference_result - times.result).max())
        against = "the same, largest difference"
        yield value(f"{key}-result", f"{job}: probabilities", against, [largest], None)
    if device == "cpu":
        yield from _check_rows(sizes)


def ours(name: str, n: int, device: str) -> Run:
    """Prepare our prediction."""
    fit, x = _fitted(data.ENCODERS[name](), device), data.patches(n)
    return lambda: fit.predict_proba(x)


def _check_rows(sizes: Sizes) -> Iterator[Row]:
    """What reading `x` costs by itself, beside the cheapest encoder."""
    n, name = sizes.predicted, list(data.ENCODERS)[-1]
    fit = _fitted(data.ENCODERS[name](), "cpu")
    for key, job, borrow in (
        ("predict-check", "every cell checked for NaN and infinity", True),
        ("predict-copy", "every cell checked and copied to a batch of its own", False),
    ):
        times = alternated_apart(
            partial(references.eager, fit.encoder, fit.head, n, "cpu"),
            partial(read_alone, n, borrow),
            runs=sizes.runs,
            apart=sizes.apart,
        )
        job = f"patches of N = {n} read alone, {job}"
        yield cost(key, job, f"{REFERENCE}, {name}", times, None)


def read_alone(n: int, borrow: bool) -> Run:
    """Prepare what comes before the encoder: batches of 256."""
    patches = Patches(data.patches(n))

    def run() -> None:
        for _ in patches.batches(256, borrow=borrow):
            pass

    return run


def memory_rows(sizes: Sizes) -> Iterator[Row | NotMeasured]:
    """Peak memory of prediction above input and output."""
    job = f"predict, N = {sizes.predicted}, MoCo: peak memory"
    runs = range(min(sizes.runs, 3))
    try:
        peaks = [in_new_process("benchmarks.rows_predict", sizes.predicted) / MB for _ in runs]
    except RuntimeError as error:  # no /proc
        yield NotMeasured("predict-memory", job, str(error).splitlines()[-1])
    else:
        reference = "above input and output, in a new process"
        yield value("predict-memory", job, reference, peaks, 200, "MB")


def _fitted(encoder: object, device: str) -> FoundationClassifier:
    x, y = data.patches(30), data.labels(30)
    return foundation_fit_classifier(encoder, x, y, epochs=1, seed=1, device=device)


def peak_of_prediction(n: int) -> float:
    """Return the bytes that predicting `n` patches takes at most beside input and output."""
    fit, x = _fitted(data.moco(), "cpu"), data.patches(n)
    peak, probabilities = peak_above_now(lambda: fit.predict_proba(x))
    return peak - probabilities.nbytes


if __name__ == "__main__":
    print(json.dumps(peak_of_prediction(int(sys.argv[1]))))
