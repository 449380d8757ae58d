"""A pretraining run from patches to a fit: what all entrances have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edaphos_bridge.basics.arguments import flag, whole
from edaphos_bridge.basics.devices import device_of, resolve_device
from edaphos_bridge.basics.paths import as_path
from edaphos_bridge.basics.seeding import Randomness, draw_seed
from edaphos_bridge.data.augmentations import kornia_transforms
from edaphos_bridge.data.normalisation import normalisation_of
from edaphos_bridge.encoders.features import find_feature_dim
from edaphos_bridge.errors import InputError
from edaphos_bridge.pretrain.encoder import Start, start_of
from edaphos_bridge.pretrain.loop import LOSS, SCORE, pretrain
from edaphos_bridge.pretrain.method import Method
from edaphos_bridge.pretrain.moco import MoCo
from edaphos_bridge.pretrain.probe import Probe, as_probe
from edaphos_bridge.pretrain.result import FoundationPretrain
from edaphos_bridge.pretrain.rotation import Rotation
from edaphos_bridge.pretrain.settings import SETTINGS, PretrainSettings
from edaphos_bridge.pretrain.simclr import SimCLR
from edaphos_bridge.pretrain.source import Source
from edaphos_bridge.pretrain.swav import ENTROPY, SwAV
from edaphos_bridge.pretrain.watch import Watch
from edaphos_bridge.training.checkpoint import FILE, Checkpoints, Progress, read_checkpoint
from edaphos_bridge.training.events import Events
from edaphos_bridge.training.progress import console

_METHODS: dict[str, Callable[[Any, Any], Method]] = {
    "moco": MoCo,
    "simclr": SimCLR,
    "rotation": Rotation,
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

    `arguments` are those of the function, of which settings, place and ``probe`` take theirs;
    `source` makes the patches when they are known to be good. By default lines or a bar on the
    console tell of the run. For `draw` see `pretrain_encoder`.
    """
    settings = SETTINGS[method].checked(**arguments)
    verbose = flag("verbose", arguments["verbose"])
    place = Place.checked(**arguments)
    probe = as_probe(arguments.get("probe"))
    patches = source()
    with console(method, verbose) if events is None else nullcontext(events) as listener:
        return pretrain_encoder(
            arguments["encoder"], patches, settings, place, listener, draw, probe
        )


def pretrain_encoder(
    encoder: Any,
    source: Source,
    settings: PretrainSettings,
    place: Place,
    events: Events,
    draw: Callable[[], int],
    probe: Probe | None = None,
) -> FoundationPretrain:
    """Check the data, pretrain from the last checkpoint if there is one, and wrap the result.

    `encoder` is what the user gave, see `start_of`. `draw` gives the seed when the settings have
    none and no checkpoint does; it is called when the input is known to be good. `probe` looks at
    the encoder that the fit will have.
    """
    kornia_transforms()
    _, channels, height, width = source.shape
    settings = settings.fitted_to(source)
    start = start_of(encoder, settings, source, place.device)
    settings = replace(settings, **start.settings)
    _check_crops(start, settings, source)
    if probe is not None:
        probe.check(_begun(start, source, Randomness(0)), source.shape, settings.epochs)
    with ExitStack() as held:
        checkpoints = progress = None
        if place.checkpoint_dir is not None or place.resume is not None:
            identity: dict[str, Any] = {
                "method": settings.method,
                **settings.config(),
                **start.identity,
                source.name: source.fingerprint(),
                **({} if probe is None else {"probe": probe.identity()}),
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
        randomness = Randomness(seed, place.device)
        trained = _begun(start, source, randomness)
        with randomness.everywhere():
            method = _METHODS[settings.method](trained, settings)
        method.to(place.device)
        watch = Watch(trained, probe)
        course = pretrain(
            method,
            source,
            settings,
            place.device,
            events,
            randomness,
            checkpoints=checkpoints,
            progress=progress,
            watch=watch,
        )
    return FoundationPretrain(
        encoder=trained.eval(),
        loss_history=course[LOSS],
        val_accuracy_history=course.get(SCORE),
        entropy_history=course.get(ENTROPY),
        config={
            **settings.config(),
            **start.config,
            "epochs": len(course[LOSS]),
            **({} if probe is None else {"probe": probe.describe()}),
        },
        method=settings.method,
        device=place.device.type,
        in_channels=channels,
        patch_size=[height, width],
        probe_history=watch.history(),
    )


def _begun(start: Start, source: Source, randomness: Randomness) -> nn.Module:
    """Return the encoder that a run begins with."""
    with randomness.everywhere():
        encoder = start.make()
    if source.normalisation is not None:
        known = source.normalisation.completed_by(normalisation_of(encoder))
        encoder.normalisation = known  # type: ignore[assignment]
    return encoder


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


def _check_crops(start: Start, settings: PretrainSettings, source: Source) -> None:
    """Raise `InputError` if the encoder does not take crops of the sizes that views have."""
    _, channels, height, width = source.shape
    for size in settings.crop_sizes(height, width):
        encoder = _begun(start, source, Randomness(0))
        patch = torch.zeros((1, channels, *size), device=device_of(encoder))
        try:
            find_feature_dim(encoder, patch)
        except InputError as error:
            raise InputError(
                "small_crop_ratio",
                f"makes crops of {size[0]} x {size[1]} cells, which the encoder does not take",
                found=settings.config()["small_crop_ratio"],
                hint=str(error),
            ) from error
