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
from edaphos_bridge.files.schema import require_form
from edaphos_bridge.optim.adam import adam
from edaphos_bridge.optim.adam_state import adam_tensors, fill_adam
from edaphos_bridge.pretrain.method import Method
from edaphos_bridge.pretrain.settings import PretrainSettings
from edaphos_bridge.pretrain.source import Source
from edaphos_bridge.pretrain.watch import Watch
from edaphos_bridge.training.checkpoint import Checkpoints, Progress, unreadable
from edaphos_bridge.training.events import EpochReport, Events


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
) -> list[float]:
    """Train `method` in place, with Adam, and return for each epoch the mean of its losses.

    A step takes ``settings.batch_size`` of the patches at random; batches and views are drawn from
    the cpu's generator of `randomness`, and what the encoder draws comes from there too.
    `checkpoints` and `progress` say where to save, and what was saved; `watch` looks at the
    encoder, and may end the run early. Raises `TrainingError` if a loss or a weight is not finite.
    """
    watch = watch or Watch(method.encoder)
    generator, draws = randomness.generator, draws_of(method, randomness)
    trained = [weight for weight in method.parameters() if weight.requires_grad]
    optimizer = adam([{"params": trained, "lr": settings.lr}])

    def drawn(size: int) -> torch.Tensor:
        return torch.randperm(source.shape[0], generator=generator)[:size]

    def views(rows: torch.Tensor, number: int) -> list[torch.Tensor]:
        batch = source.read(rows).to(device)
        return [settings.augmentations.view(batch, generator) for _ in range(number)]

    def tensors() -> dict[str, torch.Tensor]:
        return {
            **method.state_dict(),
            **prefixed("optimizer", adam_tensors(optimizer)),
            **prefixed("generators", randomness.states()[1]),  # of a GPU, if there is one
            **prefixed("probe", watch.state()),
        }

    losses: list[float] = []
    size = settings.batch_size
    if progress is not None:
        losses = list(progress.losses)
        try:
            _restore(method, optimizer, randomness, progress)
            epochs_over = len(losses) // settings.steps_per_epoch
            watch.restore(without_prefix("probe", progress.tensors), epochs_over)
        except WeightsError as error:
            raise unreadable(progress.path, error) from error
    elif method.negatives:
        rows = drawn(math.ceil(method.negatives / size) * size)
        with draws:
            method.warm_up(views(batch, 1)[0] for batch in rows.split(size))
    steps = settings.epochs * settings.steps_per_epoch
    if checkpoints is not None and len(losses) < steps and not watch.is_over:
        later = prefixed("probe", watch.form_of_state(settings.epochs))
        checkpoints.rehearse({**tensors(), **later}, steps)
    unread: list[torch.Tensor] = []  # to read a loss is to wait for the device
    for step in range(len(losses) + 1, steps + 1):
        if watch.is_over:
            break
        pause()
        batch = views(drawn(size), 2)
        with draws:
            unread.append(take_step(method, optimizer, batch, (step - 1) / steps))
        events.on_step(unread[-1])
        epoch, within = divmod(step, settings.steps_per_epoch)
        saves = checkpoints is not None and checkpoints.due(step)
        if within and not saves:
            continue
        losses += _read(unread, len(losses), source)
        unread.clear()
        looks = within == 0 and watch.due(epoch)
        if (step == steps or saves or looks) and not _all_finite(tensors()):
            last = "the last step" if step == steps else f"step {step}"
            raise _diverged(f"Weights are not finite after {last}", source)
        if looks:
            watch.look()
        is_last = step == steps or watch.is_over
        if checkpoints is not None and (saves or is_last):
            progress = Progress(step, losses, tensors(), generator.get_state())
            _save(checkpoints, progress, is_last=is_last)
        if within == 0:
            (loss,) = _epoch_means(losses[-settings.steps_per_epoch :], settings.steps_per_epoch)
            events.on_epoch(EpochReport(epoch, settings.epochs, loss, probe=watch.latest))
    watch.end()
    events.on_end()
    return _epoch_means(losses, settings.steps_per_epoch)


def take_step(
    method: Method, optimizer: torch.optim.Optimizer, views: list[torch.Tensor], done: float
) -> torch.Tensor:
    """Take one step on two views of a batch and return the loss before it, a scalar."""
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
