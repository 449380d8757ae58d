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
from edaphos_bridge.training.plan import draw_plan

Course = dict[str, list[float]]
LOSS, SCORE = "loss", "score"


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
) -> Course:
    """Train `method` in place, with Adam, and return the course of the run.

    A step takes ``settings.batch_size`` of the patches at random, of those that are not held out.
    All that is random comes from `randomness`; rows and views from its generator of the cpu.
    `checkpoints` and `progress` say where to save, and what was saved; `watch` looks at the
    encoder, and may end the run early.

    The course has for each epoch, by name, the mean of its ``loss`` and of what the method watches;
    and where patches are held out the share of the method's questions about these that was answered
    right then (``score``).

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
                views = method.views(read(rows), rows, settings.augmentations, generator)
                right.append(method.right(views))
        method.train()
        return float(torch.cat(right).double().mean())

    course: Course = {LOSS: []}
    scores: list[float] = []
    if progress is not None:
        known = {LOSS: progress.losses, **progress.watched}
        course, scores = {n: list(values) for n, values in known.items()}, list(progress.scores)
        try:
            require(progress.watched.keys() == method.watched.keys(), "it watched something else")
            epochs_over = len(progress.losses) // per_epoch
            n_scores = epochs_over if len(plan.val_rows) else 0
            require(len(scores) == n_scores, "its scores are of another number")
            _restore(method, optimizer, randomness, progress)
            watch.restore(without_prefix("probe", progress.tensors), epochs_over)
        except WeightsError as error:
            raise unreadable(progress.path, error) from error
    elif method.negatives:
        rows = drawn(math.ceil(method.negatives / size) * size)
        with draws:
            view = settings.augmentations.view
            method.warm_up(view(read(batch), generator) for batch in rows.split(size))
    losses = course[LOSS]
    steps = settings.epochs * per_epoch
    if checkpoints is not None and len(losses) < steps and not watch.is_over:
        later = prefixed("probe", watch.form_of_state(settings.epochs))
        moments = sum(2 * weight.nbytes for weight in trained if weight not in optimizer.state)
        numbers = steps * (1 + len(method.watched)) + settings.epochs
        checkpoints.rehearse({**tensors(), **later}, moments + 8 * numbers)
    unread: list[dict[str, torch.Tensor]] = []  # to read a loss is to wait for the device
    for step in range(len(losses) + 1, steps + 1):
        if watch.is_over:
            break
        pause()
        method.steps_taken = step - 1
        rows = drawn(size)
        views = method.views(read(rows), rows, settings.augmentations, generator)
        with draws:
            loss = take_step(method, optimizer, views, (step - 1) / steps)
        unread.append({LOSS: loss, **method.watched})
        events.on_step(loss)
        epoch, within = divmod(step, per_epoch)
        saves = checkpoints is not None and checkpoints.due(step)
        if within and not saves:
            continue
        for name, values in _read(unread, len(losses), source).items():
            course.setdefault(name, []).extend(values)
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
            watched = {name: values for name, values in course.items() if name != LOSS}
            state = generator.get_state()
            progress = Progress(step, losses, tensors(), state, scores=scores, watched=watched)
            _save(checkpoints, progress, is_last=is_last)
        if within == 0:
            (mean,) = _epoch_means(losses[-per_epoch:], per_epoch)
            score_then = scores[-1] if scores else None
            events.on_epoch(EpochReport(epoch, settings.epochs, mean, score_then, watch.latest))
    watch.end()
    events.on_end()
    means = {name: _epoch_means(values, per_epoch) for name, values in course.items()}
    method.ended(means)
    return {**means, SCORE: scores} if scores else means


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
    # what a user's own module never gave a gradient has no moments, nor what was frozen so far
    fill_adam(optimizer, parts["optimizer"], partial=True)
    randomness.restore(progress.rng, parts["generators"])


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
