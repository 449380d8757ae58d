"""The training loop: epochs of mini-batches, validation in eval mode, reports."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch

from edaphos_bridge.errors import TrainingError
from edaphos_bridge.training.events import EpochReport, Events
from edaphos_bridge.training.plan import Plan


class Learner(Protocol):
    """What an epoch trains: weights, the data they are trained on, and their optimiser."""

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


def train(learner: Learner, plan: Plan, epochs: int, batch_size: int, events: Events) -> History:
    """Train in place; the last epoch's weights are kept.

    Parameters
    ----------
    learner : Learner
        What trains.
    plan : Plan
        Rows and their order, on the learner's device.
    events : Events
        Told of every epoch.

    Raises
    ------
    TrainingError
        If the loss of an epoch, or a weight at the end, is not finite.
    """
    losses: list[float] = []
    scores: list[float] = []
    for epoch in range(epochs):
        batch_losses = learner.epoch(plan.epoch_rows(epoch), batch_size)
        losses.append(batch_losses.cpu().double().mean().item())
        if not math.isfinite(losses[-1]):
            raise TrainingError.diverged(
                f"The loss is {losses[-1]} in epoch {epoch + 1}: training has diverged."
            )
        scores.append(learner.score(plan.val_rows) if len(plan.val_rows) else math.nan)
        events.on_epoch(EpochReport(epoch + 1, epochs, losses[-1], scores[-1]))
    if not learner.is_finite():
        raise TrainingError.diverged("The last step diverged: weights are not finite.")
    return History(losses, scores)
