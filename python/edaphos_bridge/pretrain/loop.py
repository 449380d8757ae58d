"""The loop of pretraining, from wherever the last checkpoint left it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.errors import InputError, TrainingError, WeightsError, warn
from edaphos_bridge.files.container import prefixed, without_prefix
from edaphos_bridge.files.schema import require_form
from edaphos_bridge.optim.adam import adam
from edaphos_bridge.optim.adam_state import adam_tensors, fill_adam
from edaphos_bridge.pretrain.method import Method
from edaphos_bridge.pretrain.settings import PretrainSettings
from edaphos_bridge.pretrain.source import Source
from edaphos_bridge.training.checkpoint import Checkpoints, Progress, unreadable
from edaphos_bridge.training.events import EpochReport, Events

Course = dict[str, list[float]]
LOSS = "loss"


def pretrain(
    method: Method,
    source: Source,
    settings: PretrainSettings,
    device: torch.device,
    events: Events,
    generator: torch.Generator,
    *,
    checkpoints: Checkpoints | None,
    progress: Progress | None,
) -> Course:
    """Train `method` in place, with Adam, and return the course of the run.

    That is for each epoch the mean of its ``loss`` and of what the method watches, by name.

    A step takes ``settings.batch_size`` of the patches at random; batches and views are drawn from
    `generator`, the cpu's. `checkpoints` and `progress` say where to save, and what was saved.
    Raises `TrainingError` if a loss or a weight is not finite.
    """
    trained = [weight for weight in method.parameters() if weight.requires_grad]
    optimizer = adam([{"params": trained, "lr": settings.lr}])

    def drawn(size: int) -> torch.Tensor:
        return torch.randperm(source.shape[0], generator=generator)[:size]

    def read(rows: torch.Tensor) -> torch.Tensor:
        return source.read(rows).to(device)

    def tensors() -> dict[str, torch.Tensor]:
        return {**method.state_dict(), **prefixed("optimizer", adam_tensors(optimizer))}

    course: Course = {LOSS: []}
    size = settings.batch_size
    if progress is not None:
        known = {LOSS: progress.losses, **progress.watched}
        course = {name: list(values) for name, values in known.items()}
        try:
            _restore(method, optimizer, progress.tensors)
        except WeightsError as error:
            raise unreadable(progress.path, error) from error
        generator.set_state(progress.rng)
    elif method.negatives:
        rows = drawn(math.ceil(method.negatives / size) * size)
        view = settings.augmentations.view
        method.warm_up(view(read(batch), generator) for batch in rows.split(size))
    losses = course[LOSS]
    steps = settings.epochs * settings.steps_per_epoch
    if checkpoints is not None and len(losses) < steps:
        moments = sum(2 * weight.nbytes for weight in trained if weight not in optimizer.state)
        checkpoints.probe(tensors(), moments + 8 * steps * (1 + len(method.watched)))
    unread: list[dict[str, torch.Tensor]] = []  # to read a loss is to wait for the device
    for step in range(len(losses) + 1, steps + 1):
        pause()
        method.steps_taken = step - 1
        views = method.views(read(drawn(size)), settings.augmentations, generator)
        loss = take_step(method, optimizer, views, (step - 1) / steps)
        unread.append({LOSS: loss, **method.watched})
        events.on_step(loss)
        ends_epoch = step % settings.steps_per_epoch == 0
        saves = checkpoints is not None and (checkpoints.due(step) or step == steps)
        if not (ends_epoch or saves):
            continue
        for name, values in _read(unread, len(losses), source).items():
            course.setdefault(name, []).extend(values)
        unread.clear()
        if (step == steps or saves) and not _all_finite(tensors()):
            last = "the last step" if step == steps else f"step {step}"
            raise _diverged(f"Weights are not finite after {last}", source)
        if checkpoints is not None and saves:
            watched = {name: values for name, values in course.items() if name != LOSS}
            state = generator.get_state()
            progress = Progress(step, losses, tensors(), state, watched=watched)
            _save(checkpoints, progress, is_last=step == steps)
        if ends_epoch:
            epoch = step // settings.steps_per_epoch
            (mean,) = _epoch_means(losses[-settings.steps_per_epoch :], settings.steps_per_epoch)
            events.on_epoch(EpochReport(epoch, settings.epochs, mean))
    events.on_end()
    means = {n: _epoch_means(values, settings.steps_per_epoch) for n, values in course.items()}
    method.ended(means)
    return means


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
    method: Method, optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]
) -> None:
    """Take up a saved state, or raise `WeightsError`."""
    of_optimizer = without_prefix("optimizer", tensors)
    state = {name: t for name, t in tensors.items() if not name.startswith("optimizer.")}
    require_form("method", method.state_dict(), state)
    method.load_state_dict(state)
    fill_adam(optimizer, of_optimizer, partial=True)  # what was frozen so far has no moments


def _save(checkpoints: Checkpoints, progress: Progress, *, is_last: bool) -> None:
    """Save, or warn where that fails and the run is over: its result is there."""
    try:
        checkpoints.save(progress)
    except InputError as error:
        if not is_last:
            raise
        warn(f"The last checkpoint could not be written; the result is complete. {error}")


def _read(unread: list[dict[str, torch.Tensor]], before: int, source: Source) -> Course:
    """Return values of the steps after step `before`, or raise where a loss is not finite."""
    values = {name: torch.stack([of[name] for of in unread]).tolist() for name in unread[0]}
    for step, loss in enumerate(values[LOSS], before + 1):
        if not math.isfinite(loss):
            raise _diverged(f"The loss is {loss} in step {step}", source)
    return values


def _epoch_means(losses: list[float], size: int) -> list[float]:
    return [math.fsum(losses[i : i + size]) / size for i in range(0, len(losses), size)]


def _all_finite(tensors: Mapping[str, torch.Tensor]) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())


def _diverged(what: str, source: Source) -> TrainingError:
    return TrainingError.diverged(f"{what}: pretraining has diverged.", source.name)
