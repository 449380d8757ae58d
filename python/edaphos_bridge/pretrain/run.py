"""A pretraining run from patches to a fit: what all entrances have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from edaphos_bridge.devices import resolve_device
from edaphos_bridge.encoders.moco import MoCoEncoder
from edaphos_bridge.encoders.simclr import SimCLREncoder
from edaphos_bridge.errors import InputError
from edaphos_bridge.pretrain.augmentations import kornia_transforms
from edaphos_bridge.pretrain.checkpoint import Checkpoints, checked_interval
from edaphos_bridge.pretrain.fit import FoundationPretrain
from edaphos_bridge.pretrain.loop import Report, pretrain
from edaphos_bridge.pretrain.moco import MoCo
from edaphos_bridge.pretrain.progress import console
from edaphos_bridge.pretrain.settings import MoCoSettings, PretrainSettings, SimCLRSettings
from edaphos_bridge.pretrain.simclr import SimCLR
from edaphos_bridge.pretrain.source import Source
from edaphos_bridge.seeding import Randomness, draw_seed


@dataclass(frozen=True)
class Place:
    """Where a run computes and keeps its checkpoints, checked."""

    device: torch.device
    checkpoint_dir: Any
    checkpoint_every: int | None

    @classmethod
    def checked(cls, device: torch.device, checkpoint_dir: Any, checkpoint_every: Any) -> Place:
        """Return the place, or raise `InputError`."""
        return cls(device, checkpoint_dir, checked_interval(checkpoint_dir, checkpoint_every))


def pretrain_shown(
    source: Source,
    settings: PretrainSettings,
    verbose: bool,
    device: Any,
    checkpoint_dir: Any,
    checkpoint_every: Any,
) -> FoundationPretrain:
    """Pretrain with lines or a bar on the console."""
    place = Place.checked(resolve_device(device), checkpoint_dir, checkpoint_every)
    with console(settings.method, verbose) as report:
        return pretrain_encoder(source, settings, place, report)


def pretrain_encoder(
    source: Source,
    settings: PretrainSettings,
    place: Place,
    report: Report,
    draw: Callable[[], int] = draw_seed,
) -> FoundationPretrain:
    """Check the data, pretrain from the last checkpoint if there is one, and wrap the result.

    `draw` gives the seed when the settings have none and no checkpoint does; it is called when
    the input is known to be good.
    """
    kornia_transforms()
    n, channels, height, width = source.shape
    settings, negatives = _fitted_to(settings, n)
    checkpoints = progress = None
    if place.checkpoint_dir is not None:
        identity = {
            "method": settings.method,
            **settings.config(),
            source.name: source.fingerprint(),
        }
        checkpoints = Checkpoints(place.checkpoint_dir, place.checkpoint_every, identity)
        progress = checkpoints.load()
        settings = replace(settings, seed=checkpoints.identity["seed"])
    seed = draw() if settings.seed is None else settings.seed
    settings = replace(settings, seed=seed)
    if checkpoints is not None:
        checkpoints.identity["seed"] = seed
    randomness = Randomness(seed)
    method = _method(settings, channels, place.device, randomness)
    losses = pretrain(
        method,
        source,
        settings,
        place.device,
        report,
        randomness.generator,
        negatives=negatives,
        checkpoints=checkpoints,
        progress=progress,
    )
    method.encoder.normalisation = source.normalisation
    return FoundationPretrain(
        encoder=method.encoder.eval(),
        loss_history=losses,
        config=settings.config(),
        method=settings.method,
        device=place.device.type,
        in_channels=channels,
        patch_size=[height, width],
    )


def _method(
    settings: PretrainSettings, channels: int, device: torch.device, randomness: Randomness
) -> MoCo | SimCLR:
    widths = (channels, settings.feature_dim, settings.proj_dim)
    if isinstance(settings, MoCoSettings):
        with randomness.everywhere():
            moco = MoCoEncoder(*widths)
        return MoCo(moco.to(device), settings, randomness.generator)
    assert isinstance(settings, SimCLRSettings)
    with randomness.everywhere():
        simclr = SimCLREncoder(*widths)
    return SimCLR(simclr.to(device), settings, randomness.generator)


def _fitted_to(settings: PretrainSettings, n: int) -> tuple[PretrainSettings, int]:
    """Return the settings with the queue size that `n` patches allow, and that size (or 0)."""
    if settings.batch_size > n:
        raise InputError(
            "batch_size",
            f"must not be larger than the number of patches, {n}",
            found=settings.batch_size,
            hint="Give more patches." if n < 2 else f"Lower it to {n}, or give more patches.",
        )
    if not isinstance(settings, MoCoSettings):
        return settings, 0
    size = min(settings.queue_size, max(2, n - settings.batch_size))
    return replace(settings, queue_size=size), size
