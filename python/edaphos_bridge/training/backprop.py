"""Training any model by backpropagation: a head alone, or an encoder with its head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.encoders.known_modules import draws_of
from edaphos_bridge.files.container import prefixed, without_prefix
from edaphos_bridge.optim.adam_state import adam_tensors, fill_adam
from edaphos_bridge.tasks.task import Task
from edaphos_bridge.training.aids import Aids
from edaphos_bridge.training.batchnorm import single_values_use_running_statistics
from edaphos_bridge.training.events import Events
from edaphos_bridge.training.groups import Groups
from edaphos_bridge.training.inputs import Inputs
from edaphos_bridge.training.phase import Phase
from edaphos_bridge.training.schedule import factor_and_beta1


class Backprop:
    """A model from inputs to outputs, trained with the loss of a task.

    Parameters
    ----------
    model : torch.nn.Module
        From inputs ``(B, ...)`` to outputs ``(B, n_outputs)``; trained in place.
    task : Task
        Its loss and score.
    phase, groups : Phase, Groups
        What trains, at which rates.
    inputs : Inputs
        Gives rows of the data ``(len(rows), ...)``, on the model's device.
    targets : torch.Tensor, shape (N, ...)
        Targets of all rows, on the model's device.
    optimizer : torch.optim.Optimizer
        Over the parameters to train, as `groups` has prepared them.
    aids : Aids
        May change what a step sees.
    randomness : Randomness
        What the model draws from, dropout for example.
    events : Events
        Told of every step.
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        phase: Phase,
        groups: Groups,
        inputs: Inputs,
        targets: torch.Tensor,
        optimizer: torch.optim.Optimizer,
        aids: Aids,
        randomness: Randomness,
        events: Events,
    ) -> None:
        self.model = model
        self.task = task
        self.phase = phase
        self.groups = groups
        self.inputs = inputs
        self.targets = targets
        self.optimizer = optimizer
        self._trained = [p for group in optimizer.param_groups for p in group["params"]]
        self.view = aids.view
        self.events = events
        self.steps_done = 0
        self._generator = randomness.generator
        self._draws = draws_of(model, randomness)

    def epoch(self, rows: torch.Tensor, batch_size: int) -> torch.Tensor:
        """Take one step on each batch and return their losses."""
        self.groups.train(self.phase)
        batches = rows.split(batch_size)
        with single_values_use_running_statistics(self.model):
            losses = [self._step(batch, self.phase.epochs * len(batches)) for batch in batches]
        return torch.stack(losses)

    def _step(self, rows: torch.Tensor, steps: int) -> torch.Tensor:
        pause()
        self._set_rates(steps)
        inputs: Any = self.inputs.read(rows)
        targets = self.targets[rows]
        if self.view is not None:
            masks = targets if self.task.has_masks else None
            inputs, moved = self.view(inputs, masks, self._generator)
            targets = targets if moved is None else moved
        for parameter in self._trained:
            parameter.grad = None  # what `zero_grad()` does beside its bookkeeping
        with self._draws:
            loss = self.task.loss(self.model(inputs), targets)
            loss.backward()
        self.optimizer.step()
        self.steps_done += 1
        loss = loss.detach()
        self.events.on_step(loss)
        return loss

    def _set_rates(self, steps: int) -> None:
        if self.phase.schedule != "constant":
            factor, beta1 = factor_and_beta1(self.phase, self.steps_done, steps)
            for group in self.optimizer.param_groups:
                group["lr"] = group["rate"] * factor
                group["betas"] = (beta1, group["betas"][1])
        self.events.on_rates(self.optimizer.param_groups)

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

    def state(self) -> dict[str, torch.Tensor]:
        """Return what the next step depends on beside the model."""
        steps = torch.tensor(self.steps_done)
        return {**prefixed("optimizer", adam_tensors(self.optimizer)), "steps": steps}

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on from a state.

        Raises
        ------
        WeightsError
            If it is that of another optimiser.
        """
        fill_adam(self.optimizer, without_prefix("optimizer", state), partial=True)
        self.steps_done = int(state["steps"])

    def is_finite(self) -> bool:
        """Return whether all parameters are finite."""
        return all(bool(torch.isfinite(parameter).all()) for parameter in self.model.parameters())
