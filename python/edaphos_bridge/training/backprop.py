"""Training any model by backpropagation: a head alone, or an encoder with its head."""

from __future__ import annotations

import torch
from torch import nn

from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.encoders.known_modules import draws_of
from edaphos_bridge.tasks.task import Task
from edaphos_bridge.training.batchnorm import single_values_use_running_statistics
from edaphos_bridge.training.events import Events
from edaphos_bridge.training.inputs import Inputs


class Backprop:
    """A model from inputs to outputs, trained with the loss of a task.

    Parameters
    ----------
    model : torch.nn.Module
        From inputs ``(B, ...)`` to outputs ``(B, n_outputs)``; trained in place.
    task : Task
        Its loss and score.
    inputs : Inputs
        Gives rows of the data ``(len(rows), ...)``, on the model's device.
    targets : torch.Tensor, shape (N, ...)
        Targets of all rows, on the model's device.
    optimizer : torch.optim.Optimizer
        Over the parameters to train.
    randomness : Randomness
        What the model draws from, dropout for example.
    events : Events
        Told of every step.
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        inputs: Inputs,
        targets: torch.Tensor,
        optimizer: torch.optim.Optimizer,
        randomness: Randomness,
        events: Events,
    ) -> None:
        self.model = model
        self.task = task
        self.inputs = inputs
        self.targets = targets
        self.optimizer = optimizer
        self.events = events
        self._draws = draws_of(model, randomness)

    def epoch(self, rows: torch.Tensor, batch_size: int) -> torch.Tensor:
        """Take one step on each batch and return their losses."""
        self.model.train()
        with single_values_use_running_statistics(self.model):
            losses = [self._step(batch) for batch in rows.split(batch_size)]
        return torch.stack(losses)

    def _step(self, rows: torch.Tensor) -> torch.Tensor:
        pause()
        inputs, targets = self.inputs.read(rows), self.targets[rows]
        self.optimizer.zero_grad()
        with self._draws:
            loss = self.task.loss(self.model(inputs), targets)
            loss.backward()
        self.optimizer.step()
        loss = loss.detach()
        self.events.on_step(loss)
        return loss

    @torch.no_grad()
    def score(self, rows: torch.Tensor) -> float:
        """Return the score of `rows`, at least one, in eval mode."""
        self.model.eval()
        counts = []
        with self._draws:
            for batch in rows.split(self.inputs.eval_batch_size):
                pause()
                outputs = self.model(self.inputs.read(batch))
                counts.append(self.task.counts(outputs, self.targets[batch]))
        return self.task.score(torch.stack(counts).sum(dim=0))

    def is_finite(self) -> bool:
        """Return whether all parameters are finite."""
        return all(bool(torch.isfinite(parameter).all()) for parameter in self.model.parameters())
