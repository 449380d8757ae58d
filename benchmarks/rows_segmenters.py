"""Rows of segmenters: fine-tuning against a plain loop, frozen against one that encodes again."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from benchmarks import data, plain_segmenter
from benchmarks.data import Make, Sizes
from benchmarks.row import Row, difference, speed_up
from benchmarks.timing import Run, alternated_apart
from edaphos_bridge import foundation_fit_segmenter

FROZEN = {"segmenter-frozen-linear": "linear", "segmenter-frozen-clay": "clay"}
FINE_TUNED = {"segmenter-clay": "clay", "segmenter-unet": "unet"}


def our_segmenter(make: Make, n: int, **settings: Any) -> Run:
    """Prepare a segmenter of ours."""
    encoder, x, masks = data.masked_problem(make, n)
    return lambda: foundation_fit_segmenter(encoder, x, masks, seed=1, **settings)


def segmenter_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """Decoders on the frozen MoCo encoder, and both trained."""
    n = sizes.n
    for key, decoder in FROZEN.items():
        job = f"frozen segmenter, {decoder}, {sizes.probe_epochs} epochs, N = {n}"
        how = key, job, decoder, sizes.probe_epochs
        yield from _rows(sizes, device, *how, "plain loop that re-encodes every epoch", 5.0)
    for key, decoder in FINE_TUNED.items():
        job = f"fine-tuning a segmenter, {decoder}, {sizes.fine_tune_epochs} epochs, N = {n}"
        how = key, job, decoder, sizes.fine_tune_epochs
        yield from _rows(sizes, device, *how, "plain loop", 1.0, fine_tune=True)


def _rows(
    sizes: Sizes,
    device: str,
    key: str,
    job: str,
    decoder: str,
    epochs: int,
    reference: str,
    target: float,
    *,
    fine_tune: bool = False,
) -> Iterator[Row]:
    regime = "finetune" if fine_tune else "frozen"
    how = {"decoder": decoder, "regime": regime, "epochs": epochs, "device": device}
    asked = data.moco, decoder, sizes.n, epochs, device
    times = alternated_apart(
        partial(plain_segmenter.segmenter, *asked, fine_tune=fine_tune),
        partial(our_segmenter, data.moco, sizes.n, **how),
        runs=sizes.runs,
        device=device,
        apart=sizes.apart,
    )
    yield speed_up(key, job, reference, times, target)
    against = "plain loop, largest difference"
    ours, plain = times.result.loss_history, times.reference_result.losses
    yield difference(f"{key}-losses", f"{job}: losses", against, ours, plain, 1e-4)
    if device == "cpu":
        against = "plain loop in double precision, largest difference"
        exact = plain_segmenter.segmenter(*asked, torch.float64, fine_tune=fine_tune)().losses
        yield difference(f"{key}-exact", f"{job}: losses", against, ours, exact)
        whose = f"{job}: losses of the plain loop itself"
        yield difference(f"{key}-rounding", whose, against, plain, exact)
