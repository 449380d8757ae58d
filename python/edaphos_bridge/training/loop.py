"""The training loop: epochs of mini-batches, validation in eval mode, reports."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
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

    def state(self) -> dict[str, torch.Tensor]:
        """Return what the next step depends on beside the model."""

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on from a state, or raise `WeightsError` if it is another learner's."""


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
    keeper: Keeper | None = None,
    before: Sequence[float] = (),
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
    keeper : Keeper, optional
        Keeps where training stands, and knows where it stood.
    before : sequence of float
        Scores of the phases before: with patience the model has the weights of the best.

    Raises
    ------
    TrainingError
        If the loss of an epoch, or a weight at the end, is not finite.
    """
    keeper = keeper or Keeper()
    best = Best(learner.model, task.highest_is_best)
    known = [score for score in before if not math.isnan(score)]
    if patience is not None and known:
        best.look(max(known) if task.highest_is_best else min(known))
    history = keeper.begin(learner, best)
    losses, scores = history.losses, history.scores
    for epoch in range(len(losses), epochs):
        if patience is not None and best.since >= patience:
            break
        batch_losses = learner.epoch(plan.epoch_rows(epoch), batch_size)
        losses.append(batch_losses.cpu().double().mean().item())
        if not math.isfinite(losses[-1]):
            raise TrainingError.diverged(
                f"The loss is {losses[-1]} in epoch {epoch + 1}: training has diverged."
            )
        scores.append(learner.score(plan.val_rows) if len(plan.val_rows) else math.nan)
        events.on_epoch(EpochReport(epoch + 1, epochs, losses[-1], scores[-1]))
        if patience is not None:
            best.look(scores[-1])
        keeper.keep(learner, best, history)
    best.restore()
    if not learner.is_finite():
        raise TrainingError.diverged("The last step diverged: weights are not finite.")
    return history


class Best:
    """The weights of the epoch with the best score; of several, the first.

    Attributes
    ----------
    score : float
        Higher is better, whatever the task says.
    since : int
        Epochs after it.
    weights : dict
        The state dict of the model; empty where no epoch was looked at.
    """

    def __init__(self, model: nn.Module, highest_is_best: bool) -> None:
        self._model = model
        self._sign = 1 if highest_is_best else -1
        self.score = -math.inf
        self.since = 0
        self.weights: dict[str, Any] = {}

    def look(self, score: float) -> None:
        """Take the score of one more epoch; NaN says nothing of it."""
        if math.isnan(score):
            return
        self.since += 1
        if self._sign * score > self.score:
            self.score, self.since = self._sign * score, 0
            self.weights = copy.deepcopy(self._model.state_dict())

    def restore(self) -> None:
        """Put the best weights back, and running statistics with them."""
        if self.weights:
            self._model.load_state_dict(self.weights)


class Keeper:
    """Keeps where a phase stands after each epoch; this one keeps nothing."""

    def begin(self, learner: Learner, best: Best) -> History:
        """Return the record of the epochs that are over, and put the learner where it stood."""
        return History([], [])

    def keep(self, learner: Learner, best: Best, history: History) -> None:
        """Keep where the learner stands after an epoch."""
