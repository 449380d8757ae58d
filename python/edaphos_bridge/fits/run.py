"""Task x Model x phases: from checked data to a fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from edaphos_bridge.basics.devices import device_of, resolve_device
from edaphos_bridge.basics.seeding import Randomness, draw_seed
from edaphos_bridge.data.normalisation import normalisation_of
from edaphos_bridge.data.patches import Patches, warn_of_overlap
from edaphos_bridge.data.splits import Split, any_row_validates, read_split
from edaphos_bridge.encoders.copying import as_module, draw_anew, freeze, own_copy
from edaphos_bridge.encoders.digest import seen_turned
from edaphos_bridge.encoders.foundation import is_ours
from edaphos_bridge.errors import InputError
from edaphos_bridge.files.container import prefixed
from edaphos_bridge.fits.kept_run import KeptRun, opened
from edaphos_bridge.fits.model import Model
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.heads.decoders import FROM_SCRATCH
from edaphos_bridge.heads.registry import reads_of
from edaphos_bridge.tasks.task import Task
from edaphos_bridge.training.aids import Aids
from edaphos_bridge.training.checkpoint import digest_of
from edaphos_bridge.training.events import Events, PartOf
from edaphos_bridge.training.executor import execute
from edaphos_bridge.training.groups import Groups, encoder_groups, parameters_of
from edaphos_bridge.training.inputs import Inputs, inputs_of, warn_if_nothing_trains
from edaphos_bridge.training.loop import History
from edaphos_bridge.training.phase import AnyPhase, Phase
from edaphos_bridge.training.plan import Plan, draw_plan, validation_size
from edaphos_bridge.training.settings import Settings

Fit = TypeVar("Fit", bound=FoundationFit)


def own_encoder(encoder: object, patches: Patches) -> nn.Module:
    """Return a copy of a user's encoder that knows how its patches were made of raw cells.

    Patches of tiles are from then on read as it learnt to see them.

    Raises
    ------
    InputError
        If it is no encoder, or if they come from a tile data set with another normalisation than
        the encoder's.
    """
    copied = own_copy(as_module(encoder))
    patches.read_for(copied, training=True)
    if patches.normalisation is not None:
        copied.normalisation = patches.normalisation.completed_by(  # type: ignore[assignment]
            normalisation_of(copied)
        )
    return copied


def fit_checked(
    kind: type[Fit],
    learn: Callable[[], tuple[Task, torch.Tensor]],
    encoder: object,
    patches: Patches,
    settings: Settings,
    device: str,
    events: Events,
    draw: Callable[[], int] = draw_seed,
    *,
    parting: Mapping[str, Any] | None = None,
    **seam: Any,
) -> Fit:
    """Check what a user has given, and train: what the verbs of all tasks have in common.

    `learn` gives the task and its targets, or raises `InputError`; `parting` has the arguments of
    `read_split`, `seam` those of `fit`.
    """
    target = resolve_device(device)
    module = as_module(encoder)
    copied = own_encoder(module, patches)  # which turns tiles, and masks go with them
    task, targets = learn()
    split = read_split(len(patches), **(parting or {}))
    return fit(
        kind, task, targets, copied, patches, settings, target, events, draw, split=split, **seam
    )


def fit(
    kind: type[Fit],
    task: Task,
    targets: torch.Tensor,
    encoder: nn.Module,
    patches: Patches,
    settings: Settings,
    device: torch.device,
    events: Events,
    draw: Callable[[], int] = draw_seed,
    *,
    split: Split | None = None,
    inputs: Inputs | None = None,
    plan: Plan | None = None,
    head: nn.Module | None = None,
    grouping: Any = None,
    checkpoint_dir: Path | None = None,
) -> Fit:
    """Train a head on `encoder`, and `encoder` too where the settings say so.

    Parameters
    ----------
    kind : type
        The class of the task's fits.
    targets : torch.Tensor, shape (N, ...)
        Targets of the task for each of the patches.
    encoder : torch.nn.Module
        Trained or frozen in place: a copy of the caller's.
    draw : callable
        Gives the seed when the settings have none; called when the input is known to be good.
    split : Split, optional
        How rows are parted, if not one by one at random.
    inputs : Inputs, optional
        Those of the encoder and the patches, where they are known.
    plan, head : optional
        The seam for replaying a recorded run: rows and order, and an initial head, instead
        of those drawn from the seed. A fit that goes on from another one gives its head.
    grouping : optional
        The groups of the encoder's blocks, as `Groups` has them.
    checkpoint_dir : Path, optional
        Where the run stands is kept there after each epoch, and gone on from.
    """
    if settings.val_split > 0 and split is None:
        validation_size(len(patches), settings.val_split)
        warn_of_overlap(patches.overlapping, len(patches))
    if split is not None and settings.seed is not None:
        split.rows(settings.val_split, Randomness(settings.seed).generator)  # can it be?
    phases, aids = settings.phases(), settings.aids()
    if aids.patience is not None and not any_row_validates(split, settings.val_split):
        raise InputError(
            "patience",
            "needs validation rows to watch",
            found=aids.patience,
            hint="Set `val_split`.",
        )
    if head is None:
        settings.head.check_own()
    encoder.to(device)
    n_groups = len(encoder_groups(encoder, grouping)) + 1
    for phase in phases:
        phase.rates(n_groups)
    reads = settings.head.reads if head is None else reads_of(head)

    def look_at(shapes: Sequence[Sequence[int]]) -> None:
        nonlocal head
        if head is None:
            head = settings.head.given(shapes, task.n_outputs)

    def inputs_for(phase: AnyPhase) -> Inputs:
        is_probe = phase.is_probe(n_groups)
        cached = is_probe and aids.view is None
        found = inputs_of(encoder, patches, device, cached=cached, reads=reads, look_at=look_at)
        if not is_probe:
            warn_if_nothing_trains(encoder)
        return found

    inputs = inputs or inputs_for(phases[0])
    identity = (
        {}
        if checkpoint_dir is None
        else identity_of(task, targets, encoder, head, patches, settings, split, grouping)
    )
    with opened(checkpoint_dir, identity) as kept:
        if settings.seed is None and kept is not None:
            settings = replace(settings, seed=kept.seed)
        if settings.seed is None:
            settings = replace(settings, seed=draw())
        assert settings.seed is not None
        randomness = Randomness(settings.seed, device)
        plan = plan or draw_plan(len(patches), settings.val_split, randomness.generator, split)
        task = task.learnt_from(targets, plan)
        if head is None:
            with randomness.everywhere():
                if settings.head.head == FROM_SCRATCH:
                    draw_anew(encoder)
                head = settings.head.made(inputs, task.n_outputs)
        model = Model(encoder, head.to(device))
        groups = Groups(encoder, head, grouping)
        groups.require_trained(phases)
        if kept is not None:
            kept.start(settings.seed, model, plan, randomness)
        history = run(
            task,
            model,
            groups,
            inputs,
            inputs_for,
            targets,
            phases,
            plan,
            aids,
            randomness,
            events,
            kept,
        )
    if settings.freeze_backbone:
        freeze(encoder)
    return kind(
        task=task,
        encoder=encoder.eval(),
        head=head.eval(),
        loss_history=history.losses,
        score_history=history.scores,
        config={
            **settings.config(),
            **task.settings(),
            "epochs": len(history.losses),
            **({} if split is None else {"split": split_made(split, plan, len(patches))}),
        },
        feature_dim=inputs.feature_dim,
        head_type=settings.head.head,
        freeze_backbone=settings.freeze_backbone,
        device=device.type,
        in_channels=patches.channels,
        patch_size=list(patches.shape[2:]),
        overlapping=patches.overlapping,
    )


def identity_of(
    task: Task,
    targets: torch.Tensor,
    encoder: nn.Module,
    head: nn.Module | None,
    patches: Patches,
    settings: Settings,
    split: Split | None,
    grouping: Any,
) -> dict[str, Any]:
    """Return what a run must share with the checkpoint it goes on from, as JSON values."""
    start = dict(encoder.state_dict())
    if head is not None:
        start |= prefixed("head", head.state_dict())
    return {
        "task": {"name": task.name, **task.describe()},
        **settings.config(),
        "freeze_backbone": settings.freeze_backbone,
        "split": None if split is None else split.describe(),
        "patches": patches.fingerprint(),
        "y": digest_of({"y": targets}),
        "encoder": digest_of(start) + seen_turned(encoder),
        "groups": _digests_of_groups(encoder, grouping),
    }


def _digests_of_groups(encoder: nn.Module, grouping: Any) -> list[str]:
    """Return a digest of the names of each group's parameters."""
    names = {id(parameter): name for name, parameter in encoder.named_parameters()}
    parts = parameters_of(encoder_groups(encoder, grouping), encoder)
    return [digest_of({names[id(p)]: p.new_empty(0) for p in part}) for part in parts]


def split_made(split: Split, plan: Plan, n: int) -> dict[str, Any]:
    """Return how the `n` rows were parted, and how many are on each side, as JSON values."""
    n_train, n_val = len(plan.train_rows), len(plan.val_rows)
    return {
        **split.describe(),
        "n_train": n_train,
        "n_validation": n_val,
        "n_left_out": n - n_train - n_val,
    }


def run(
    task: Task,
    model: Model,
    groups: Groups,
    inputs: Inputs,
    inputs_for: Callable[[AnyPhase], Inputs],
    targets: torch.Tensor,
    phases: Sequence[AnyPhase],
    plan: Plan,
    aids: Aids,
    randomness: Randomness,
    events: Events,
    kept: KeptRun | None = None,
) -> History:
    """Train `model` in place, phase after phase, and return the record of it.

    `inputs` are those of the first phase, `inputs_for` gives those of another; of weights alone
    something crosses to the next, with patience the best so far.
    """
    device = device_of(model)
    targets, plan = targets.to(device), plan.to(device)
    history, reached = History([], []), 0
    if kept is not None:
        history, reached = kept.history_of_phases_before(), kept.phase_reached
    total = sum(phase.epochs for phase in phases if isinstance(phase, Phase))
    for number, phase in enumerate(phases):
        if number < reached:
            continue
        was_probe = number and phases[number - 1].is_probe(len(groups))
        if number and (number == reached or phase.is_probe(len(groups)) != was_probe):
            groups.restore()  # what a phase froze is not what the user did
            inputs = inputs_for(phase)
        heard = PartOf(events, len(history.losses), total)
        keeper = None if kept is None else kept.phase(number, history)
        history += execute(
            phase,
            task,
            model,
            groups,
            inputs,
            targets,
            plan,
            aids,
            randomness,
            heard,
            keeper,
            history.scores,
        )
    groups.restore()
    events.on_end()
    if is_ours(model.encoder):
        model.encoder.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return history
