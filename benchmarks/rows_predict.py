"""Rows of prediction: speed for any encoder, and memory."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator

import numpy as np

from benchmarks import data, plain_loop
from benchmarks.memory import MB, in_new_process, peak_above_now
from benchmarks.row import NotMeasured, Row, speed_up, value
from benchmarks.sizes import Sizes
from benchmarks.timing import alternated
from edaphos_bridge import FoundationClassifier, foundation_fit_classifier

REFERENCE = "raw eager forward and softmax, inference mode, batches of 256"


def predict_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """Class probabilities of `sizes.predicted` patches for four encoders."""
    x = data.patches(sizes.predicted)
    for number, (name, make) in enumerate(data.ENCODERS.items()):
        encoder = make()
        fit = _fitted(encoder, device)
        eager = copy.deepcopy(encoder).to(device)
        head = copy.deepcopy(fit.head).to(device)
        times = alternated(
            lambda eager=eager, head=head: plain_loop.predict(eager, head, x, device),
            lambda fit=fit: fit.predict_proba(x),
            runs=sizes.runs,
            device=device,
        )
        key = f"predict-{name.split()[-1].lower()}"
        job = f"predict, N = {sizes.predicted}, {name}"
        yield speed_up(key, job, REFERENCE, times, 1.1 if number == 0 else 1.0)
        largest = float(np.abs(times.reference_result - times.result).max())
        yield value(
            f"{key}-result",
            f"{job}: probabilities",
            "the same, largest difference",
            [largest],
            None,
        )


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
