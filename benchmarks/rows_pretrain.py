"""Row of MoCo pretraining: a step with augmentation against the same step on given views."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from benchmarks import data
from benchmarks.row import Row, cost
from benchmarks.sizes import Sizes
from benchmarks.timing import Run, alternated_apart
from edaphos_bridge import foundation_moco_pretrain
from edaphos_bridge.encoders.moco import MoCoEncoder
from edaphos_bridge.pretrain.moco import MoCo
from edaphos_bridge.pretrain.settings import MoCoSettings
from edaphos_bridge.seeding import Randomness

NO_CHANGE = {
    "crop_ratio": (1.0, 1.0),
    "flip_prob": 0.0,
    "rot90_prob": 0.0,
    "channel_drop_prob": 0.0,
    "cutout_prob": 0.0,
    "brightness_jitter": 0.0,
    "noise_sd": 0.0,
}


def moco_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """Steps with edaphos' own augmentation; without any, both views are the patches as given."""
    batch, steps = sizes.moco_batch, sizes.moco_steps
    times = alternated_apart(
        partial(steps_of, batch, steps, device, **NO_CHANGE),
        partial(steps_of, batch, steps, device),
        runs=sizes.short_runs,
        device=device,
        apart=sizes.apart,
    )
    job = f"MoCo pretraining, {steps} steps of {batch} patches with augmentation"
    yield cost("moco", job, "the same steps with both views given", times, 1.35)


def steps_of(batch: int, steps: int, device: str, **changes: Any) -> Run:
    """Prepare steps on one batch."""
    x = torch.from_numpy(data.patches(batch)).to(device)
    with Randomness(1).everywhere():
        method = _method(x, **changes)

    def run() -> None:
        method.generator.manual_seed(1)
        for _ in range(steps):
            method.step(x, 0.0)

    return run


def _method(x: torch.Tensor, **changes: object) -> MoCo:
    """Return edaphos' MoCo, ready for a step on `x`."""
    names = {field.name for field in dataclasses.fields(MoCoSettings)}
    parameters = inspect.signature(foundation_moco_pretrain).parameters
    values = {name: parameters[name].default for name in names}
    values.update(batch_size=len(x), queue_size=16 * len(x), **changes)
    encoder = MoCoEncoder(x.shape[1], values["feature_dim"], values["proj_dim"]).to(x.device)
    method = MoCo(encoder, MoCoSettings.checked(**values), torch.Generator())
    method.warm_up(x.repeat(16, 1, 1, 1))
    return method
