"""The training loop: epochs of mini-batches, validation in eval mode, reports."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from edaphos_bridge.errors import TrainingError
from edaphos_bridge.tasks.task import Task
from edaphos_bridge.training.events import EpochReport, Events
from edaphos_bridge.training.plan import Plan


class Learner(Protocol):
    """What an epoch trains: weights, the data they are trained on, and their optimiser."""

    @property
    def model(self) -> nn.Module:
        """What holds the weights."""

    def epoch(self, rows: torch.Tensor, batch_size: int) -> torch.Tensor:
        """Take one step on each batch of `rows`, in order, and return the batches' losses.

        Nothing here waits for a device: the losses are read when the epoch is over.
        """

    def score(self, rows: torch.Tensor) -> float:
        """Return the task's score of `rows` in eval mode; there is at least one."""

    def is_finite(self) -> bool:
        """Return whether all weights are finite."""


@dataclass(frozen=True)
class History:
    """The record of training: a value an epoch, or an evaluation of the gradient.

    Attributes
    ----------
    losses : list of float
        For each epoch the mean of its mini-batch losses, each batch counting the same.
    scores : list of float
        The task's score of the validation rows; NaN without any.
    """

    losses: list[float]
    scores: list[float]

    def __add__(self, later: History) -> History:
        return History(self.losses + later.losses, self.scores + later.scores)


def train(
    learner: Learner,
    task: Task,
    plan: Plan,
    epochs: int,
    batch_size: int,
    events: Events,
    patience: int | None = None,
) -> History:
    """Train in place; the last epoch's weights are kept, with `patience` those of the best.

    Parameters
    ----------
    learner : Learner
        What trains.
    task : Task
        Says which score is the better one.
    plan : Plan
        Rows and their order, on the learner's device.
    events : Events
        Told of every epoch.
    patience : int, optional
        Epochs in a row without a better score after which training ends.

    Raises
    ------
    TrainingError
        If the loss of an epoch, or a weight at the end, is not finite.
    """
    losses: list[float] = []
    scores: list[float] = []
    best = _Best(learner.model, task.highest_is_best) if patience is not None else None
    for epoch in range(epochs):
        batch_losses = learner.epoch(plan.epoch_rows(epoch), batch_size)
        losses.append(batch_losses.cpu().double().mean().item())
        if not math.isfinite(losses[-1]):
            raise TrainingError.diverged(
                f"The loss is {losses[-1]} in epoch {epoch + 1}: training has diverged."
            )
        scores.append(learner.score(plan.val_rows) if len(plan.val_rows) else math.nan)
        events.on_epoch(EpochReport(epoch + 1, epochs, losses[-1], scores[-1]))
        if best is not None and best.epochs_since(scores[-1]) == patience:
            break
    if best is not None:
        best.restore()
    if not learner.is_finite():
        raise TrainingError.diverged("The last step diverged: weights are not finite.")
    return History(losses, scores)


class _Best:
    """The weights of the epoch with the best score; of several, the first."""

    def __init__(self, model: nn.Module, highest_is_best: bool) -> None:
        self._model = model
        self._sign = 1 if highest_is_best else -1
        self._score = -math.inf
        self._since = 0
        self._weights: dict[str, Any] = {}

    def epochs_since(self, score: float) -> int:
        """Take the score of one more epoch, and return how many have passed since the best."""
        self._since += 1
        if self._sign * score > self._score:
            self._score, self._since = self._sign * score, 0
            self._weights = copy.deepcopy(self._model.state_dict())
        return self._since

    def restore(self) -> None:
        """Put the best weights back, and running statistics with them."""
        if self._weights:
            self._model.load_state_dict(self._weights)
