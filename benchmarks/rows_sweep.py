"""Rows of many linear probes at once: against one single fit after the other."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import nn

from benchmarks import data
from benchmarks.row import Row, speed_up, value
from benchmarks.sizes import Sizes
from benchmarks.timing import Run, alternated_apart
from edaphos_bridge import (
    foundation_fit_classifier,
    foundation_probe_sweep,
)

RATES = (1e-3, 1e-2, 1e-1)
DECAYS = (0.0, 1e-4, 1e-2)
SEEDS = (1, 2, 3)

Data = tuple[nn.Module, NDArray[np.float32], list[str]]
Figures = NDArray[np.float64]  # of each fit the last training loss and validation accuracy


def sweep_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """27 probes on features that are there, and on patches that each single fit encodes anew."""
    n, epochs = sizes.swept, sizes.sweep_epochs
    grid = f"probe sweep, 3 `lr` × 3 `weight_decay` × 3 seeds, {epochs} epochs"  # noqa: RUF001
    jobs: list[tuple[str, str, Callable[[], Data], float | None]] = [
        ("sweep", f"{grid} on {n} cached features, 64 wide", partial(features, n), 5.0),
        ("sweep-patches", f"{grid}, N = {sizes.n}", partial(patches, sizes.n), None),
    ]
    for key, job, make_data, target in jobs:
        times = alternated_apart(
            partial(singles, make_data, epochs, device),
            partial(ours, make_data, epochs, device),
            runs=sizes.runs,
            device=device,
            apart=sizes.apart,
        )
        reference = "27 single fits, one after the other"
        yield speed_up(key, job, reference, times, target)
        yield value(
            f"{key}-result",
            f"{job}: training losses and validation accuracies",
            "single fits, largest difference",
            [float(np.abs(times.result - times.reference_result).max())],
            1e-5,
        )


def features(n: int) -> Data:
    """Return features and an encoder that hands them on."""
    return data.flatten(), data.features(n), data.labels(n)


def patches(n: int) -> Data:
    """Return patches and the MoCo encoder."""
    return data.moco(), data.patches(n), data.labels(n)


def singles(make_data: Callable[[], Data], epochs: int, device: str) -> Run:
    """Prepare one fit after the other."""
    encoder, x, y = make_data()

    def run() -> Figures:
        fits = [
            foundation_fit_classifier(
                encoder, x, y, lr=lr, weight_decay=decay, seed=seed, epochs=epochs, device=device
            )
            for lr, decay, seed in itertools.product(RATES, DECAYS, SEEDS)
        ]
        return np.array([[fit.loss_history[-1], fit.val_accuracy_history[-1]] for fit in fits])

    return run


def ours(make_data: Callable[[], Data], epochs: int, device: str) -> Run:
    """Prepare the sweep."""
    encoder, x, y = make_data()

    def run() -> Figures:
        sweep = foundation_probe_sweep(
            encoder, x, y,
            lr=RATES, weight_decay=DECAYS, C=(), seeds=SEEDS, epochs=epochs, device=device,
        )  # fmt: skip
        return sweep.results[["train_loss", "val_accuracy"]].to_numpy()

    return run
