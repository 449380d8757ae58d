"""Rows of training: linear probe, heads on cached features, full fine-tuning."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from benchmarks import data, plain_loop
from benchmarks.row import Row, cost, speed_up, value
from benchmarks.sizes import Sizes
from benchmarks.timing import alternated
from edaphos_bridge import FoundationClassifier, foundation_fit_classifier


def probe_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """Linear probe on the MoCo encoder: against re-encoding, and against one pass."""
    encoder, x, y = data.moco(), data.patches(sizes.n), data.labels(sizes.n)
    epochs = sizes.probe_epochs
    job = f"linear probe, {epochs} epochs, N = {sizes.n}"

    def ours() -> FoundationClassifier:
        return foundation_fit_classifier(encoder, x, y, epochs=epochs, seed=1, device=device)

    def plain() -> plain_loop.PlainFit:
        return plain_loop.probe_encoding_every_epoch(encoder, x, y, epochs=epochs, device=device)

    times = alternated(plain, ours, runs=sizes.runs, device=device)
    yield speed_up("probe", job, "plain loop that re-encodes every epoch", times, 25)
    yield _difference_of_heads("probe-result", job, times.reference_result, times.result, None)

    ready = torch.from_numpy(x).to(device)
    on_device = data.moco().to(device)
    times = alternated(
        lambda: plain_loop.encoder_pass(on_device, ready),
        ours,
        runs=sizes.short_runs,
        device=device,
    )
    yield cost("probe-limit", job, "one encoder pass over the data", times, 1.7)


def head_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """The heads' own training, on features that are there."""
    plans = (
        ("head", "linear", plain_loop.linear_head, sizes.cached, sizes.head_epochs, 3.0, 1e-5),
        ("mlp", "mlp", plain_loop.mlp_head, sizes.n, sizes.probe_epochs, 1.3, None),
    )
    for key, head, make_head, n, epochs, target, tolerance in plans:
        x, y = data.features(n), data.labels(n)
        times = alternated(
            lambda x=x, y=y, epochs=epochs, make_head=make_head: plain_loop.head_on_cached_features(
                x, y, epochs=epochs, make_head=make_head, device=device
            ),
            lambda x=x, y=y, epochs=epochs, head=head: foundation_fit_classifier(
                data.flatten(), x, y, head=head, epochs=epochs, seed=1, device=device
            ),
            runs=sizes.runs if key == "head" else sizes.short_runs,
            device=device,
        )
        name = {"linear": "linear head", "mlp": "MLP head"}[head]
        job = f"{name}, {epochs} epochs on {n} cached features, 64 wide"
        yield speed_up(key, job, "plain cached loop: autograd, `torch.optim.Adam`", times, target)
        yield _difference_of_heads(
            f"{key}-result", job, times.reference_result, times.result, tolerance
        )


def fine_tuning_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """Full fine-tuning of the MoCo encoder."""
    encoder, x, y = data.moco(), data.patches(sizes.n), data.labels(sizes.n)
    epochs = sizes.fine_tune_epochs
    times = alternated(
        lambda: plain_loop.fine_tuning(encoder, x, y, epochs=epochs, device=device),
        lambda: foundation_fit_classifier(
            encoder, x, y, freeze_backbone=False, epochs=epochs, seed=1, device=device
        ),
        runs=sizes.runs,
        device=device,
    )
    job = f"full fine-tuning, {epochs} epochs, N = {sizes.n}"
    yield speed_up("fine-tuning", job, "plain loop", times, 1.3)
    plain, fit = times.reference_result, times.result
    losses = np.abs(np.subtract(plain.losses, fit.loss_history)).max()
    yield value(
        "fine-tuning-losses", f"{job}: losses", "plain loop, largest difference", [losses], 1e-4
    )
    expected = plain_loop.predict(plain.encoder, plain.head, x, device)
    found = fit.predict_proba(x)
    yield value(
        "fine-tuning-result",
        f"{job}: probabilities",
        "plain loop, largest difference",
        [float(np.abs(expected - found).max())],
        1e-4,
    )
    if device == "cpu":
        with _other_number_of_threads():
            again = plain_loop.fine_tuning(encoder, x, y, epochs=epochs)
        other = plain_loop.predict(again.encoder, again.head, x)
        yield value(
            "fine-tuning-rounding",
            f"{job}: probabilities of the plain loop itself",
            "with another number of threads, largest difference",
            [float(np.abs(expected - other).max())],
            None,
        )


@contextmanager
def _other_number_of_threads() -> Iterator[None]:
    """Let torch sum in another order: what rounding alone does to a result."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2 if threads == 1 else 1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _difference_of_heads(
    key: str, job: str, plain: plain_loop.PlainFit, fit: FoundationClassifier, at_most: float | None
) -> Row:
    pairs = zip(plain.head.parameters(), fit.head.parameters(), strict=True)
    largest = max(float((one - other.to(one.device)).detach().abs().max()) for one, other in pairs)
    return value(
        key, f"{job}: weights of the head", "plain loop, largest difference", [largest], at_most
    )
