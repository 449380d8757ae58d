"""A pretraining run from patches to a fit: what all entrances have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edaphos_bridge.basics.arguments import flag, whole
from edaphos_bridge.basics.devices import resolve_device
from edaphos_bridge.basics.memory import check_memory
from edaphos_bridge.basics.paths import as_path
from edaphos_bridge.basics.seeding import Randomness, draw_seed
from edaphos_bridge.data.augmentations import kornia_transforms
from edaphos_bridge.encoders.foundation import ARCHITECTURES, check_size
from edaphos_bridge.encoders.sensors import for_two_sensors
from edaphos_bridge.errors import AdjustedWarning, InputError, warn
from edaphos_bridge.pretrain.loop import LOSS, pretrain
from edaphos_bridge.pretrain.method import Method
from edaphos_bridge.pretrain.moco import MoCo
from edaphos_bridge.pretrain.result import FoundationPretrain
from edaphos_bridge.pretrain.settings import (
    SETTINGS,
    MoCoSettings,
    PretrainSettings,
    SwAVSettings,
)
from edaphos_bridge.pretrain.simclr import SimCLR
from edaphos_bridge.pretrain.source import Source
from edaphos_bridge.pretrain.swav import ENTROPY, SwAV
from edaphos_bridge.training.checkpoint import FILE, Checkpoints, Progress, read_checkpoint
from edaphos_bridge.training.events import Events
from edaphos_bridge.training.progress import console

_METHODS: dict[str, Callable[[Any, Any], Method]] = {
    "moco": MoCo,
    "simclr": SimCLR,
    "swav": SwAV,
}


@dataclass(frozen=True)
class Place:
    """Where a run computes, keeps its checkpoints and goes on from, checked."""

    device: torch.device
    checkpoint_dir: Path | None
    checkpoint_every: int | None
    resume: Path | None = None

    @classmethod
    def checked(cls, **values: Any) -> Place:
        """Return the place, or raise `InputError`."""
        device = resolve_device(values["device"])
        folder, resume = (
            None if values.get(name) is None else as_path(name, values[name], "folder")
            for name in ("checkpoint_dir", "resume")
        )
        every = values["checkpoint_every"]
        if every is not None and folder is None:
            raise InputError(
                "checkpoint_every", "needs a `checkpoint_dir` for the checkpoints", found=every
            )
        return cls(
            device, folder, None if every is None else whole("checkpoint_every", every), resume
        )


def pretrained(
    method: str,
    source: Callable[[], Source],
    arguments: Mapping[str, Any],
    events: Events | None = None,
    draw: Callable[[], int] = draw_seed,
) -> FoundationPretrain:
    """Do what a function of ours was called for: what all entrances have in common.

    `arguments` are those of the function, of which settings and place take theirs; `source` makes
    the patches when they are known to be good. By default lines or a bar on the console tell of the
    run. For `draw` see `pretrain_encoder`.
    """
    settings = SETTINGS[method].checked(**arguments)
    verbose = flag("verbose", arguments["verbose"])
    place = Place.checked(**arguments)
    patches = source()
    with console(method, verbose) if events is None else nullcontext(events) as listener:
        return pretrain_encoder(patches, settings, place, listener, draw)


def pretrain_encoder(
    source: Source,
    settings: PretrainSettings,
    place: Place,
    events: Events,
    draw: Callable[[], int],
) -> FoundationPretrain:
    """Check the data, pretrain from the last checkpoint if there is one, and wrap the result.

    `draw` gives the seed when the settings have none and no checkpoint does; it is called when
    the input is known to be good.
    """
    kornia_transforms()
    _, channels, height, width = source.shape
    settings, architecture = _fitted_to(settings, source), ARCHITECTURES[settings.architecture]
    first = source.channels[0]
    check_size(
        architecture,
        in_channels=first,
        feature_dim=settings.feature_dim,
        proj_dim=settings.proj_dim,
    )
    with ExitStack() as held:
        checkpoints = progress = None
        if place.checkpoint_dir is not None or place.resume is not None:
            identity = {
                "method": settings.method,
                **settings.config(),
                source.name: source.fingerprint(),
            }
            if place.checkpoint_dir is not None:
                made = Checkpoints(place.checkpoint_dir, place.checkpoint_every, identity)
                checkpoints = held.enter_context(made)
                progress = checkpoints.load()
            if place.resume is not None:
                progress = _further(progress, place.resume, identity)
            settings = replace(settings, seed=identity["seed"])
        seed = draw() if settings.seed is None else settings.seed
        settings = replace(settings, seed=seed)
        if checkpoints is not None:
            checkpoints.identity["seed"] = seed
        randomness = Randomness(seed)
        with randomness.everywhere():
            encoder: nn.Module = architecture(first, settings.feature_dim, settings.proj_dim)
            if len(source.channels) > 1:
                assert isinstance(settings, SwAVSettings)
                shared = bool(settings.shared_stem)
                size = height, width
                encoder = for_two_sensors(encoder, source.channels, size, shared_stem=shared)
            method = _METHODS[settings.method](encoder.to(place.device), settings)
        course = pretrain(
            method,
            source,
            settings,
            place.device,
            events,
            randomness.generator,
            checkpoints=checkpoints,
            progress=progress,
        )
    encoder.normalisation = source.normalisation  # type: ignore[assignment]
    return FoundationPretrain(
        encoder=encoder.eval(),
        loss_history=course[LOSS],
        config=settings.config(),
        method=settings.method,
        device=place.device.type,
        in_channels=channels,
        patch_size=[height, width],
        entropy_history=course.get(ENTROPY),
    )


def _further(progress: Progress | None, folder: Path, identity: dict[str, Any]) -> Progress:
    """Return `progress`, or the checkpoint in `folder` if that is further or the only one."""
    found = read_checkpoint("resume", folder / FILE, identity)
    if found is None:
        raise InputError(
            "resume",
            "must be a folder with a checkpoint",
            found=str(folder),
            hint=f"There is no {FILE} in it.",
        )
    return found if progress is None or found.step > progress.step else progress


def _fitted_to(settings: PretrainSettings, source: Source) -> PretrainSettings:
    """Return the settings with the sizes and the stems that the patches allow."""
    n = source.shape[0]
    if n < 2:
        raise InputError(
            "batch_size",
            f"must not be larger than the number of patches, {n}",
            found=settings.batch_size,
            hint="Give more patches.",
        )
    if settings.batch_size > n:
        warn(
            f"note: batch_size = {settings.batch_size} is larger than the number of patches, {n}; "
            f"using batch_size = {n}.",
            AdjustedWarning,
        )
        settings = replace(settings, batch_size=n)
    if isinstance(settings, MoCoSettings):
        size = min(settings.queue_size, max(2, n - settings.batch_size))
        return replace(settings, queue_size=size)
    if isinstance(settings, SwAVSettings):
        _check_memory(settings)
        _warn_of_queue(settings)
        return replace(settings, shared_stem=_shared_stem(settings.shared_stem, source.channels))
    return settings


def _shared_stem(wanted: bool | None, channels: Sequence[int]) -> bool | None:
    """Return whether two sensors share their first layer: by default where channels agree."""
    if len(channels) < 2:
        if wanted is not None:
            raise InputError("shared_stem", "needs a second sensor", found=wanted)
        return None
    agree = channels[0] == channels[1]
    if wanted and not agree:
        raise InputError(
            "shared_stem",
            f"cannot be true for sensors of {channels[0]} and {channels[1]} channels",
            found=wanted,
        )
    return agree if wanted is None else wanted


def _check_memory(settings: SwAVSettings) -> None:
    """Raise `InputError` if prototypes or the queue take more memory than there is."""
    k, queued, width = settings.n_prototypes, settings.queue_size, settings.proj_dim
    trained = 4 * k * width  # with gradients and moments
    check_memory("n_prototypes", 4 * (trained + settings.batch_size * k), k)
    check_memory("queue_size", 4 * (2 * queued * width + queued * k), queued)


def _warn_of_queue(settings: SwAVSettings) -> None:
    """Warn if a queue was asked for that is never full."""
    steps = settings.epochs * settings.steps_per_epoch
    filled = (steps - 1 - settings.queue_start) * settings.batch_size
    if settings.queue_size > max(0, filled):
        warn(
            f"note: queue_size = {settings.queue_size} is more than the {max(0, filled)} embeddings"
            f" of {steps} steps from queue_start = {settings.queue_start} on: it is never used."
        )
