"""Rows of many linear probes at once: against one single fit after the other."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from torch import nn

from benchmarks import data
from benchmarks.row import Row, speed_up, value
from benchmarks.sizes import Sizes
from benchmarks.timing import alternated
from edaphos_bridge import (
    FoundationClassifier,
    FoundationProbeSweep,
    foundation_fit_classifier,
    foundation_probe_sweep,
)

RATES = (1e-3, 1e-2, 1e-1)
DECAYS = (0.0, 1e-4, 1e-2)
SEEDS = (1, 2, 3)


def sweep_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """27 probes on features that are there, and on patches that each single fit encodes anew."""
    n, epochs = sizes.swept, sizes.sweep_epochs
    grid = f"probe sweep, 3 `lr` × 3 `weight_decay` × 3 seeds, {epochs} epochs"  # noqa: RUF001
    jobs: list[tuple[str, str, Callable[[], nn.Module], NDArray[np.float32], float | None]] = [
        ("sweep", f"{grid} on {n} cached features, 64 wide", data.flatten, data.features(n), 5.0),
        ("sweep-patches", f"{grid}, N = {sizes.n}", data.moco, data.patches(sizes.n), None),
    ]
    for key, job, make_encoder, x, target in jobs:
        encoder, y = make_encoder(), data.labels(len(x))

        def singles(
            encoder: nn.Module = encoder, x: NDArray[np.float32] = x, y: list[str] = y
        ) -> list[FoundationClassifier]:
            return [
                foundation_fit_classifier(
                    encoder, x, y,
                    lr=lr, weight_decay=decay, seed=seed, epochs=epochs, device=device,
                )
                for lr, decay, seed in itertools.product(RATES, DECAYS, SEEDS)
            ]  # fmt: skip

        def ours(
            encoder: nn.Module = encoder, x: NDArray[np.float32] = x, y: list[str] = y
        ) -> FoundationProbeSweep:
            return foundation_probe_sweep(
                encoder, x, y,
                lr=RATES, weight_decay=DECAYS, C=(), seeds=SEEDS, epochs=epochs, device=device,
            )  # fmt: skip

        times = alternated(singles, ours, runs=sizes.runs, device=device)
        reference = "27 single fits, one after the other"
        yield speed_up(key, job, reference, times, target)
        yield value(
            f"{key}-result",
            f"{job}: training losses and validation accuracies",
            "single fits, largest difference",
            [_difference(times.reference_result, times.result)],
            1e-5,
        )


def _difference(singles: list[FoundationClassifier], sweep: FoundationProbeSweep) -> float:
    expected = [[fit.loss_history[-1], fit.val_accuracy_history[-1]] for fit in singles]
    found = sweep.results[["train_loss", "val_accuracy"]].to_numpy()
    return float(np.abs(found - expected).max())
