"""Rows of SwAV's steps, on one sensor and on two."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch

from benchmarks import data
from benchmarks.data import Sizes
from benchmarks.row import Row, cost
from benchmarks.rows_training import NO_CHANGE
from benchmarks.timing import Run, alternated_apart
from edaphos_bridge import foundation_swav_pretrain
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.encoders.moco import MoCoEncoder
from edaphos_bridge.encoders.sensors import for_two_sensors
from edaphos_bridge.optim.adam import adam
from edaphos_bridge.pretrain.loop import take_step
from edaphos_bridge.pretrain.settings import SwAVSettings
from edaphos_bridge.pretrain.swav import SwAV

SENSORS = {"swav": (31,), "swav-sensors": (16, 15)}


def swav_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """Steps with the default views; without any change, views are the patches as given."""
    batch, steps = sizes.moco_batch, sizes.moco_steps
    for key, channels in SENSORS.items():
        times = alternated_apart(
            partial(swav_steps, channels, batch, steps, device, **NO_CHANGE),
            partial(swav_steps, channels, batch, steps, device),
            runs=sizes.short_runs,
            device=device,
            apart=sizes.apart,
        )
        of = "one sensor" if len(channels) == 1 else "two sensors"
        job = f"SwAV pretraining of {of}, {steps} steps of {batch} patches with augmentation"
        yield cost(key, job, "the same steps with both views given", times, 1.35)


def swav_steps(channels: Sequence[int], batch: int, steps: int, device: str, **changes: Any) -> Run:
    """Prepare steps on one batch, with the default settings but for `changes`."""
    x = torch.from_numpy(data.patches(batch)).to(device)
    parameters = inspect.signature(foundation_swav_pretrain).parameters
    values = {
        field.name: parameters[field.name].default for field in dataclasses.fields(SwAVSettings)
    }
    shared = None if len(channels) == 1 else False
    given = {"batch_size": batch, "shared_stem": shared, **changes}
    settings = SwAVSettings.checked(**{**values, **given})
    with Randomness(1).everywhere():
        encoder: Any = MoCoEncoder(channels[0], settings.feature_dim, settings.proj_dim)
        if len(channels) > 1:
            encoder = for_two_sensors(encoder, channels, x.shape[2:], shared_stem=False)
        method = SwAV(encoder.to(device), settings)
    optimizer = adam([{"params": list(method.parameters()), "lr": settings.lr}])
    rows, generator = torch.arange(batch), torch.Generator()

    def run() -> None:
        generator.manual_seed(1)
        for _ in range(steps):
            views = method.views(x, rows, settings.augmentations, generator)
            take_step(method, optimizer, views, 0.0)

    return run
