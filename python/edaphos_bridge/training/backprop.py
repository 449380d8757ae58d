"""Training any model by backpropagation: an MLP head, or an encoder with its head."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.encoders.known_modules import draws_of
from edaphos_bridge.training.batchnorm import single_values_use_running_statistics


class Backprop:
    """A model from inputs to logits, trained with cross-entropy.

    Parameters
    ----------
    model : torch.nn.Module
        From inputs ``(B, ...)`` to logits ``(B, n_classes)``; trained in place.
    inputs : callable
        ``inputs(rows)`` gives those rows of the data, ``(len(rows), ...)``, on the model's
        device.
    targets : torch.Tensor, shape (N,), int64
        Class codes, on the model's device.
    optimizer : torch.optim.Optimizer
        Over the parameters to train.
    eval_batch_size : int
        Rows at once in validation.
    randomness : Randomness
        What the model draws from, dropout for example.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Callable[[torch.Tensor], torch.Tensor],
        targets: torch.Tensor,
        optimizer: torch.optim.Optimizer,
        eval_batch_size: int,
        randomness: Randomness,
    ) -> None:
        self.model = model
        self.inputs = inputs
        self.targets = targets
        self.optimizer = optimizer
        self.eval_batch_size = eval_batch_size
        self._draws = draws_of(model, randomness)

    def epoch(self, rows: torch.Tensor, batch_size: int) -> torch.Tensor:
        """Take one step on each batch and return their losses."""
        self.model.train()
        with single_values_use_running_statistics(self.model):
            losses = [self._step(batch) for batch in rows.split(batch_size)]
        return torch.stack(losses)

    def _step(self, rows: torch.Tensor) -> torch.Tensor:
        pause()
        inputs, targets = self.inputs(rows), self.targets[rows]
        self.optimizer.zero_grad()
        with self._draws:
            loss = functional.cross_entropy(self.model(inputs), targets)
            loss.backward()
        self.optimizer.step()
        return loss.detach()

    def accuracy(self, rows: torch.Tensor) -> float:
        """Return the accuracy on `rows`, in eval mode."""
        with self._draws:
            return accuracy(self.model, self.inputs, self.targets, rows, self.eval_batch_size)

    def is_finite(self) -> bool:
        """Return whether all parameters are finite."""
        return all(bool(torch.isfinite(parameter).all()) for parameter in self.model.parameters())


@torch.no_grad()
def accuracy(
    model: nn.Module,
    inputs: Callable[[torch.Tensor], torch.Tensor],
    targets: torch.Tensor,
    rows: torch.Tensor,
    batch_size: int,
) -> float:
    """Return the accuracy of `model` on `rows`, at least one, in eval mode."""
    model.eval()
    correct = []
    for batch in rows.split(batch_size):
        pause()
        correct.append((model(inputs(batch)).argmax(dim=1) == targets[batch]).sum())
    return torch.stack(correct).sum().item() / len(rows)
