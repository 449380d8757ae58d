"""Rows of training: linear probe, heads on cached features, full fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks import data, plain_loop, references
from benchmarks.row import Row, cost, speed_up, value
from benchmarks.sizes import Sizes
from benchmarks.timing import Run, alternated_apart
from edaphos_bridge import FoundationClassifier, foundation_fit_classifier


def probe_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """Linear probe on the MoCo encoder: against re-encoding, and against one pass."""
    epochs = sizes.probe_epochs
    job = f"linear probe, {epochs} epochs, N = {sizes.n}"
    ours = partial(our_fit, sizes.n, epochs=epochs, device=device)
    plain = partial(references.plain_probe, sizes.n, epochs, device)
    times = alternated_apart(plain, ours, runs=sizes.runs, device=device, apart=sizes.apart)
    yield speed_up("probe", job, "plain loop that re-encodes every epoch", times, 25)
    yield _difference_of_heads("probe-result", job, times.reference_result, times.result, None)

    one_pass = partial(references.encoder_pass, sizes.n, device)
    times = alternated_apart(
        one_pass, ours, runs=sizes.short_runs, device=device, apart=sizes.apart
    )
    yield cost("probe-limit", job, "one encoder pass over the data", times, 1.7)


def our_fit(n: int, make: Callable[[], nn.Module] = data.moco, **settings: Any) -> Run:
    """Prepare a fit of ours on an encoder."""
    encoder, x, y = make(), data.patches(n), data.labels(n)
    return lambda: foundation_fit_classifier(encoder, x, y, seed=1, **settings)


def head_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """The heads' own training, on features that are there."""
    plans = (
        ("head", "linear", sizes.cached, sizes.head_epochs, sizes.runs, 3.0, 1e-5),
        ("mlp", "mlp", sizes.n, sizes.probe_epochs, sizes.short_runs, 1.3, None),
    )
    for key, head, n, epochs, runs, target, tolerance in plans:
        times = alternated_apart(
            partial(references.plain_head, head, n, epochs, device),
            partial(our_head, head, n, epochs, device),
            runs=runs,
            device=device,
            apart=sizes.apart,
        )
        name = {"linear": "linear head", "mlp": "MLP head"}[head]
        job = f"{name}, {epochs} epochs on {n} cached features, 64 wide"
        yield speed_up(key, job, "plain cached loop: autograd, `torch.optim.Adam`", times, target)
        yield _difference_of_heads(
            f"{key}-result", job, times.reference_result, times.result, tolerance
        )


def our_head(head: str, n: int, epochs: int, device: str) -> Run:
    """Prepare our fit of a head on the features as they are."""
    x, y = data.features(n), data.labels(n)
    return lambda: foundation_fit_classifier(
        data.flatten(), x, y, head=head, epochs=epochs, seed=1, device=device
    )


def fine_tuning_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """Full fine-tuning of each encoder of ours."""
    n, epochs = sizes.n, sizes.fine_tune_epochs
    x = data.patches(n)
    for name, make in data.OUR_ENCODERS.items():
        key = "fine-tuning" if name == "MoCo" else f"fine-tuning-{name.lower()}"
        job = f"full fine-tuning, {epochs} epochs, N = {n}, {name}"
        ours = partial(our_fit, n, make, freeze_backbone=False, epochs=epochs, device=device)
        plainly = partial(references.plain_fine_tuning, make, n, epochs, device)
        times = alternated_apart(  # more pairs of processes: here they differ most
            plainly, ours, runs=sizes.many_runs, processes=15, device=device, apart=sizes.apart
        )
        yield speed_up(key, job, "plain loop", times, 1.15)
        plain, fit = times.reference_result, times.result
        losses = np.abs(np.subtract(plain.losses, fit.loss_history)).max()
        against = "plain loop, largest difference"
        yield value(f"{key}-losses", f"{job}: losses", against, [losses], 1e-4)
        found = fit.predict_proba(x)
        expected = plain_loop.predict(plain.encoder, plain.head, x, device)
        yield _difference(f"{key}-result", f"{job}: probabilities", against, found, expected, 1e-4)
        if device == "cpu":
            against = "plain loop in double precision, largest difference"
            plain = references.plain_fine_tuning(make, n, epochs, device, torch.float64)()
            exact = plain_loop.predict(plain.encoder, plain.head, x.astype(np.float64))
            yield _difference(f"{key}-exact", f"{job}: probabilities", against, found, exact)
            whose = f"{job}: probabilities of the plain loop itself"
            yield _difference(f"{key}-rounding", whose, against, expected, exact)


def _difference(
    key: str,
    job: str,
    against: str,
    found: NDArray[np.floating[Any]],
    expected: NDArray[np.floating[Any]],
    at_most: float | None = None,
) -> Row:
    return value(key, job, against, [float(np.abs(found - expected).max())], at_most)


def _difference_of_heads(
    key: str, job: str, plain: plain_loop.PlainFit, fit: FoundationClassifier, at_most: float | None
) -> Row:
    pairs = zip(plain.head.parameters(), fit.head.parameters(), strict=True)
    largest = max(float((one - other.to(one.device)).detach().abs().max()) for one, other in pairs)
    return value(
        key, f"{job}: weights of the head", "plain loop, largest difference", [largest], at_most
    )
