"""Rows of prediction: speed for any encoder, and memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks import data, plain_loop
from benchmarks.data import Sizes
from benchmarks.machine import MB, peak_above_now
from benchmarks.row import NotMeasured, Row, cost, difference, speed_up, value
from benchmarks.rows_training import our_fit
from benchmarks.timing import Run, alternated_apart, in_new_process
from edaphos_bridge import FoundationClassifier
from edaphos_bridge.data.patches import Patches

REFERENCE = "raw eager forward and softmax, inference mode, batches of 256"


def predict_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """Class probabilities of `sizes.predicted` patches for each encoder."""
    n = sizes.predicted
    for name in data.ENCODERS:
        of_a_user = name not in data.OUR_ENCODERS
        times = alternated_apart(
            _reference(name, n, device),
            partial(ours, name, n, device),
            runs=sizes.many_runs if of_a_user else sizes.runs,
            processes=15 if of_a_user else 3,
            device=device,
            apart=sizes.apart,
        )
        key, job = f"predict-{name.split()[-1].lower()}", f"predict, N = {n}, {name}"
        yield speed_up(key, job, REFERENCE, times, 0.75 if of_a_user else 1.1)
        job, against = f"{job}: probabilities", "the same, largest difference"
        yield difference(f"{key}-result", job, against, times.result, times.reference_result)
    if device == "cpu":
        yield from _check_rows(sizes)


def ours(name: str, n: int, device: str) -> Run:
    """Prepare our prediction."""
    fit, x = _fitted(name, device), data.patches(n)
    return lambda: fit.predict_proba(x)


def _check_rows(sizes: Sizes) -> Iterator[Row]:
    """What reading `x` costs by itself, beside the cheapest encoder."""
    n, name = sizes.predicted, list(data.ENCODERS)[-1]
    for key, job, borrow in (
        ("predict-check", "every cell checked for NaN and infinity", True),
        ("predict-copy", "every cell checked and copied to a batch of its own", False),
    ):
        times = alternated_apart(
            _reference(name, n, "cpu"),
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
    predict = partial(peak_of_prediction, sizes.predicted)
    try:
        peaks = [in_new_process(predict) / MB for _ in range(min(sizes.runs, 3))]
    except RuntimeError as error:  # no /proc
        yield NotMeasured("predict-memory", job, str(error))
    else:
        reference = "above input and output, in a new process"
        yield value("predict-memory", job, reference, peaks, 200, "MB")


def peak_of_prediction(n: int) -> float:
    """Return the bytes that predicting `n` patches takes at most beside input and output."""
    peak, probabilities = peak_above_now(ours("MoCo", n, "cpu"))
    return peak - probabilities.nbytes


def _fitted(name: str, device: str) -> FoundationClassifier:
    return our_fit(data.ENCODERS[name], 30, epochs=1, device=device)()


def _reference(name: str, n: int, device: str) -> partial[Run]:
    fit = _fitted(name, device)
    return partial(plain_loop.prediction, fit.encoder.cpu(), fit.head.cpu(), n, device)
