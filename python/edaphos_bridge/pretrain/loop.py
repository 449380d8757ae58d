"""The loop of pretraining, from wherever the last checkpoint left it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.encoders.known_modules import draws_of
from edaphos_bridge.errors import InputError, TrainingError, WeightsError, warn
from edaphos_bridge.files.container import prefixed, without_prefix
from edaphos_bridge.files.schema import require, require_form
from edaphos_bridge.optim.adam import adam
from edaphos_bridge.optim.adam_state import adam_tensors, fill_adam
from edaphos_bridge.pretrain.method import Method
from edaphos_bridge.pretrain.settings import PretrainSettings
from edaphos_bridge.pretrain.source import Source
from edaphos_bridge.pretrain.watch import Watch
from edaphos_bridge.training.checkpoint import Checkpoints, Progress, unreadable
from edaphos_bridge.training.events import EpochReport, Events
from edaphos_bridge.training.loop import History
from edaphos_bridge.training.plan import draw_plan


def pretrain(
    method: Method,
    source: Source,
    settings: PretrainSettings,
    device: torch.device,
    events: Events,
    randomness: Randomness,
    *,
    checkpoints: Checkpoints | None,
    progress: Progress | None,
    watch: Watch | None = None,
) -> History:
    """Train `method` in place, with Adam.

    A step takes ``settings.batch_size`` of the patches at random, of those that are not held out.
    All that is random comes from `randomness`; rows and views from its generator of the cpu.
    `checkpoints` and `progress` say where to save, and what was saved; `watch` looks at the
    encoder, and may end the run early.

    Returns for each epoch the mean of its losses and the share of the method's questions about
    held-out patches that was answered right then; no shares where none are held out.

    Raises `TrainingError` if a loss or a weight is not finite.
    """
    watch = watch or Watch(method.encoder)
    generator, draws = randomness.generator, draws_of(method, randomness)
    trained = [weight for weight in method.parameters() if weight.requires_grad]
    optimizer = adam([{"params": trained, "lr": settings.lr}])
    size, per_epoch = settings.batch_size, settings.steps_per_epoch
    assert per_epoch is not None
    plan = draw_plan(source.shape[0], method.val_split, generator)
    method.begin(source.shape[0], generator)

    def drawn(size: int) -> torch.Tensor:
        rows = plan.train_rows
        return rows[torch.randperm(len(rows), generator=generator)[:size]]

    def view(patches: torch.Tensor) -> torch.Tensor:
        return settings.augmentations.view(patches, generator)

    def read(rows: torch.Tensor) -> torch.Tensor:
        return source.read(rows).to(device)

    def tensors() -> dict[str, torch.Tensor]:
        return {
            **method.state_dict(),
            **prefixed("optimizer", adam_tensors(optimizer)),
            **prefixed("generators", randomness.states()[1]),  # of a GPU, if there is one
            **prefixed("probe", watch.state()),
        }

    @torch.no_grad()
    def score() -> float:
        method.eval()
        right = []
        for rows in plan.val_rows.split(size):
            pause()
            with draws:
                right.append(method.right(method.views(read(rows), rows, view)))
        method.train()
        return float(torch.cat(right).double().mean())

    losses: list[float] = []
    scores: list[float] = []
    if progress is not None:
        losses, scores = list(progress.losses), list(progress.scores)
        try:
            epochs_over = len(losses) // per_epoch
            n_scores = epochs_over if len(plan.val_rows) else 0
            require(len(scores) == n_scores, "its scores are of another number")
            _restore(method, optimizer, randomness, progress)
            watch.restore(without_prefix("probe", progress.tensors), epochs_over)
        except WeightsError as error:
            raise unreadable(progress.path, error) from error
    elif method.negatives:
        rows = drawn(math.ceil(method.negatives / size) * size)
        with draws:
            method.warm_up(view(read(batch)) for batch in rows.split(size))
    steps = settings.epochs * per_epoch
    if checkpoints is not None and len(losses) < steps and not watch.is_over:
        later = prefixed("probe", watch.form_of_state(settings.epochs))
        checkpoints.rehearse({**tensors(), **later}, steps + settings.epochs)
    unread: list[torch.Tensor] = []  # to read a loss is to wait for the device
    for step in range(len(losses) + 1, steps + 1):
        if watch.is_over:
            break
        pause()
        rows = drawn(size)
        views = method.views(read(rows), rows, view)
        with draws:
            unread.append(take_step(method, optimizer, views, (step - 1) / steps))
        events.on_step(unread[-1])
        epoch, within = divmod(step, per_epoch)
        saves = checkpoints is not None and checkpoints.due(step)
        if within and not saves:
            continue
        losses += _read(unread, len(losses), source)
        unread.clear()
        looks = within == 0 and watch.due(epoch)
        if (step == steps or saves or looks) and not _all_finite(tensors()):
            last = "the last step" if step == steps else f"step {step}"
            raise _diverged(f"Weights are not finite after {last}", source)
        if within == 0 and len(plan.val_rows):
            scores.append(score())
        if looks:
            watch.look()
        is_last = step == steps or watch.is_over
        if checkpoints is not None and (saves or is_last):
            progress = Progress(step, losses, tensors(), generator.get_state(), scores=scores)
            _save(checkpoints, progress, is_last=is_last)
        if within == 0:
            (loss,) = _epoch_means(losses[-per_epoch:], per_epoch)
            score_then = scores[-1] if scores else None
            events.on_epoch(EpochReport(epoch, settings.epochs, loss, score_then, watch.latest))
    watch.end()
    events.on_end()
    return History(_epoch_means(losses, per_epoch), scores)


def take_step(
    method: Method, optimizer: torch.optim.Optimizer, views: list[torch.Tensor], done: float
) -> torch.Tensor:
    """Take one step on the views of a batch and return the loss before it, a scalar."""
    loss = method.loss(views)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    method.after_step(done)
    return loss.detach()


def _restore(
    method: Method, optimizer: torch.optim.Optimizer, randomness: Randomness, progress: Progress
) -> None:
    """Take up a saved state, or raise `WeightsError`."""
    names = ("optimizer", "generators", "probe")
    parts = {part: without_prefix(part, progress.tensors) for part in names}
    others = tuple(f"{part}." for part in parts)
    state = {name: t for name, t in progress.tensors.items() if not name.startswith(others)}
    require_form("method", method.state_dict(), state)
    method.load_state_dict(state)
    # a weight of a user's own module that never had a gradient has no moments
    fill_adam(optimizer, parts["optimizer"], partial=True)
    known = randomness.states()[1]  # the run may have begun on another device
    randomness.restore(
        progress.rng, {name: s for name, s in parts["generators"].items() if name in known}
    )


def _save(checkpoints: Checkpoints, progress: Progress, *, is_last: bool) -> None:
    """Save, or warn where that fails and the run is over: its result is there."""
    try:
        checkpoints.save(progress)
    except InputError as error:
        if not is_last:
            raise
        warn(f"The last checkpoint could not be written; the result is complete. {error}")


def _read(unread: list[torch.Tensor], before: int, source: Source) -> list[float]:
    """Return the losses of the steps after step `before`, or raise where one is not finite."""
    losses: list[float] = torch.stack(unread).tolist()
    for step, loss in enumerate(losses, before + 1):
        if not math.isfinite(loss):
            raise _diverged(f"The loss is {loss} in step {step}", source)
    return losses


def _epoch_means(losses: list[float], size: int) -> list[float]:
    return [math.fsum(losses[i : i + size]) / size for i in range(0, len(losses), size)]


def _all_finite(tensors: Mapping[str, torch.Tensor]) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())


def _diverged(what: str, source: Source) -> TrainingError:
    return TrainingError.diverged(f"{what}: pretraining has diverged.", source.name)
