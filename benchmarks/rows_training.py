"""Rows of training: linear probe, heads, sweep, full fine-tuning, and steps of pretraining."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks import data, plain_loop
from benchmarks.data import Make, Sizes
from benchmarks.row import Row, cost, difference, speed_up
from benchmarks.timing import Run, Timed, alternated_apart
from edaphos_bridge import (
    foundation_fit_classifier,
    foundation_moco_pretrain,
    foundation_probe_sweep,
    foundation_rotation_pretrain,
)
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.encoders.known_modules import draws_of
from edaphos_bridge.encoders.moco import MoCoEncoder
from edaphos_bridge.encoders.rotation import RotationEncoder
from edaphos_bridge.optim.adam import adam
from edaphos_bridge.pretrain.loop import take_step
from edaphos_bridge.pretrain.moco import MoCo
from edaphos_bridge.pretrain.rotation import Rotation
from edaphos_bridge.pretrain.settings import MoCoSettings, PretrainSettings, RotationSettings

RATES = (1e-3, 1e-2, 1e-1)
DECAYS = (0.0, 1e-4, 1e-2)
SEEDS = (1, 2, 3)
NO_CHANGE = {
    "crop_ratio": (1.0, 1.0),
    "flip_prob": 0.0,
    "rot90_prob": 0.0,
    "channel_drop_prob": 0.0,
    "cutout_prob": 0.0,
    "brightness_jitter": 0.0,
    "noise_sd": 0.0,
}

Values = NDArray[np.floating[Any]]


def our_fit(make: Make, n: int, **settings: Any) -> Run:
    """Prepare a fit of ours on an encoder."""
    encoder, x, y = data.problem(make, n)
    return lambda: foundation_fit_classifier(encoder, x, y, seed=1, **settings)


def probe_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """Linear probe on the MoCo encoder: against re-encoding, and against one pass."""
    n, epochs, where = sizes.n, sizes.probe_epochs, {"device": device, "apart": sizes.apart}
    job = f"linear probe, {epochs} epochs, N = {n}"
    ours = partial(our_fit, data.moco, n, epochs=epochs, device=device)
    plain = partial(plain_loop.probe, n, epochs, device)
    times = alternated_apart(plain, ours, runs=sizes.runs, **where)
    yield speed_up("probe", job, "plain loop that re-encodes every epoch", times, 25)
    yield _difference_of_heads("probe-result", job, times, None)

    one_pass = partial(plain_loop.encoder_pass, n, device)
    times = alternated_apart(one_pass, ours, runs=sizes.short_runs, **where)
    yield cost("probe-limit", job, "one encoder pass over the data", times, 1.7)


def head_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """The heads' own training, on features that are there."""
    for key, head, name, n, epochs, runs, target, tolerance in (
        ("head", "linear", "linear head", sizes.cached, sizes.head_epochs, sizes.runs, 3.0, 1e-5),
        ("mlp", "mlp", "MLP head", sizes.n, sizes.probe_epochs, sizes.short_runs, 1.3, None),
    ):
        times = alternated_apart(
            partial(plain_loop.cached_head, head, n, epochs, device),
            partial(our_fit, data.flatten, n, head=head, epochs=epochs, device=device),
            runs=runs,
            device=device,
            apart=sizes.apart,
        )
        job = f"{name}, {epochs} epochs on {n} cached features, 64 wide"
        yield speed_up(key, job, "plain cached loop: autograd, `torch.optim.Adam`", times, target)
        yield _difference_of_heads(f"{key}-result", job, times, tolerance)


def sweep_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """27 probes on features that are there, and on patches that each single fit encodes anew."""
    epochs = sizes.sweep_epochs
    grid = f"probe sweep, 3 `lr` × 3 `weight_decay` × 3 seeds, {epochs} epochs"  # noqa: RUF001
    for key, where, make, n, target in (
        ("sweep", " on {} cached features, 64 wide", data.flatten, sizes.swept, 5.0),
        ("sweep-patches", ", N = {}", data.moco, sizes.n, None),
    ):
        times = alternated_apart(
            partial(singles, make, n, epochs, device),
            partial(sweep, make, n, epochs, device),
            runs=sizes.runs,
            device=device,
            apart=sizes.apart,
        )
        job = grid + where.format(n)
        yield speed_up(key, job, "27 single fits, one after the other", times, target)
        job = f"{job}: training losses and validation accuracies"
        against = "single fits, largest difference"
        yield difference(f"{key}-result", job, against, times.result, times.reference_result, 1e-5)


def singles(make: Make, n: int, epochs: int, device: str) -> Run:
    """Prepare one fit after the other: the last training loss and validation accuracy of each."""
    encoder, x, y = data.problem(make, n)

    def run() -> Values:
        fits = [
            foundation_fit_classifier(
                encoder, x, y, lr=lr, weight_decay=decay, seed=seed, epochs=epochs, device=device
            )
            for lr, decay, seed in itertools.product(RATES, DECAYS, SEEDS)
        ]
        return np.array([[fit.loss_history[-1], fit.val_accuracy_history[-1]] for fit in fits])

    return run


def sweep(make: Make, n: int, epochs: int, device: str) -> Run:
    """Prepare the sweep."""
    encoder, x, y = data.problem(make, n)

    def run() -> Values:
        swept = foundation_probe_sweep(
            encoder, x, y,
            lr=RATES, weight_decay=DECAYS, C=(), seeds=SEEDS, epochs=epochs, device=device,
        )  # fmt: skip
        return swept.results[["train_loss", "val_accuracy"]].to_numpy()

    return run


def fine_tuning_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """Full fine-tuning of each encoder of ours."""
    n, epochs = sizes.n, sizes.fine_tune_epochs
    x = data.patches(n)
    for name, make in data.FINE_TUNED.items():
        key = "fine-tuning" if name == "MoCo" else f"fine-tuning-{name.lower()}"
        job = f"full fine-tuning, {epochs} epochs, N = {n}, {name}"
        times = alternated_apart(
            partial(plain_loop.fine_tuning, make, n, epochs, device),
            partial(our_fit, make, n, freeze_backbone=False, epochs=epochs, device=device),
            runs=sizes.many_runs,
            processes=15,  # here they differ most
            device=device,
            apart=sizes.apart,
        )
        target = 1.1 if name not in data.OUR_ENCODERS else 1.15
        yield speed_up(key, job, "plain loop", times, target)
        plain, fit = times.reference_result, times.result
        against = "plain loop, largest difference"
        losses = fit.loss_history, plain.losses
        yield difference(f"{key}-losses", f"{job}: losses", against, *losses, 1e-4)
        found = fit.predict_proba(x)
        expected = plain_loop.predict(plain.encoder, plain.head, x, device)
        yield difference(f"{key}-result", f"{job}: probabilities", against, found, expected, 1e-4)
        if device == "cpu":
            against = "plain loop in double precision, largest difference"
            plain = plain_loop.fine_tuning(make, n, epochs, device, torch.float64)()
            exact = plain_loop.predict(plain.encoder, plain.head, x.astype(np.float64))
            yield difference(f"{key}-exact", f"{job}: probabilities", against, found, exact)
            whose = f"{job}: probabilities of the plain loop itself"
            yield difference(f"{key}-rounding", whose, against, expected, exact)


def moco_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """Steps with edaphos' own augmentation; without any, both views are the patches as given."""
    batch, steps = sizes.moco_batch, sizes.moco_steps
    times = alternated_apart(
        partial(moco_steps, batch, steps, device, **NO_CHANGE),
        partial(moco_steps, batch, steps, device),
        runs=sizes.short_runs,
        device=device,
        apart=sizes.apart,
    )
    job = f"MoCo pretraining, {steps} steps of {batch} patches with augmentation"
    yield cost("moco", job, "the same steps with both views given", times, 1.35)


def moco_steps(batch: int, steps: int, device: str, **changes: Any) -> Run:
    """Prepare steps on one batch, with edaphos' settings but for `changes`."""
    x = torch.from_numpy(data.patches(batch)).to(device)
    values = _defaults(foundation_moco_pretrain, MoCoSettings)
    values.update(batch_size=batch, queue_size=16 * batch, **changes)
    with Randomness(1).everywhere():
        encoder = MoCoEncoder(x.shape[1], values["feature_dim"], values["proj_dim"]).to(device)
        method = MoCo(encoder, MoCoSettings.checked(**values))
        method.warm_up([x] * 16)
    optimizer = adam([{"params": list(encoder.parameters()), "lr": values["lr"]}])
    generator, view = torch.Generator(), method.settings.augmentations.view

    def run() -> None:
        generator.manual_seed(1)
        for _ in range(steps):
            take_step(method, optimizer, [view(x, generator), view(x, generator)], 0.0)

    return run


def rotation_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """Steps on patches that are turned for each, or once."""
    batch, steps = sizes.moco_batch, sizes.moco_steps
    for mode, what in (("all", "in all four turns"), ("fixed", "each in its turn")):
        times = alternated_apart(
            partial(rotation_steps, mode, batch, steps, device, given=True),
            partial(rotation_steps, mode, batch, steps, device, given=False),
            runs=sizes.short_runs,
            device=device,
            apart=sizes.apart,
        )
        key = "rotation" if mode == "all" else f"rotation-{mode}"
        job = f"rotation pretraining, {steps} steps of {batch} patches {what}"
        yield cost(key, job, "the same steps with the turned patches given", times, 1.35)


def rotation_steps(mode: str, batch: int, steps: int, device: str, *, given: bool) -> Run:
    """Prepare steps on one batch, which is turned in each of them unless that is `given`."""
    x, rows = torch.from_numpy(data.patches(batch)).to(device), torch.arange(batch)
    values = _defaults(foundation_rotation_pretrain, RotationSettings)
    values.update(mode=mode, batch_size=batch)
    randomness = Randomness(1, torch.device(device))
    with randomness.everywhere():
        encoder = RotationEncoder(x.shape[1], values["feature_dim"], patch_size=x.shape[2])
        method = Rotation(encoder, RotationSettings.checked(**values)).to(device)
    method.begin(batch, randomness.generator)
    optimizer = adam([{"params": list(method.parameters()), "lr": values["lr"]}])
    draws = draws_of(method, randomness)
    turned = method.views(x, rows, lambda patches: patches)

    def run() -> None:
        for _ in range(steps):
            views = turned if given else method.views(x, rows, lambda patches: patches)
            with draws:
                take_step(method, optimizer, views, 0.0)

    return run


def _defaults(verb: Callable[..., Any], settings: type[PretrainSettings]) -> dict[str, Any]:
    parameters = inspect.signature(verb).parameters
    return {field.name: parameters[field.name].default for field in dataclasses.fields(settings)}


def _difference_of_heads(key: str, job: str, times: Timed, at_most: float | None) -> Row:
    plain, ours = (
        nn.utils.parameters_to_vector(fit.head.parameters()).detach().cpu().numpy()
        for fit in (times.reference_result, times.result)
    )
    job, against = f"{job}: weights of the head", "plain loop, largest difference"
    return difference(key, job, against, ours, plain, at_most)
