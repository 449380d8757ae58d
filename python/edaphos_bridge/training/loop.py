"""The training loop: mini-batches of cross-entropy with Adam, validation in eval mode."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from edaphos_bridge.errors import TrainingError
from edaphos_bridge.training.plan import Plan


@dataclass(frozen=True)
class EpochReport:
    """What is known at the end of an epoch (counted from 1).

    `val_accuracy` is NaN without validation rows.
    """

    epoch: int
    epochs: int
    loss: float
    val_accuracy: float


Report = Callable[[EpochReport], None]

_DIVERGED_HINT = "Lower `lr`, or bring `x` to zero mean and unit variance per channel."


def train(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    plan: Plan,
    optimizer: torch.optim.Optimizer,
    *,
    epochs: int,
    batch_size: int,
    eval_batch_size: int,
    report: Report,
) -> tuple[list[float], list[float]]:
    """Train `model` from `inputs` to logits in place; the last epoch's weights are kept.

    Parameters
    ----------
    model : torch.nn.Module
        From inputs ``(B, ...)`` to logits ``(B, n_classes)``.
    inputs, targets : torch.Tensor, shapes (N, ...) and (N,)
        Features or patches, and class codes, on the model's device.
    plan : Plan
        Rows and their order.
    optimizer : torch.optim.Optimizer
        Over the parameters to train.
    report : callable
        Called with an `EpochReport` after every epoch.

    Returns
    -------
    loss_history : list of float
        For each epoch the mean of its mini-batch losses, each batch counting the same.
    val_accuracy_history : list of float
        Accuracy on the validation rows; NaN without any.

    Raises
    ------
    TrainingError
        If the loss of an epoch, or a weight at the end, is not finite.
    """
    train_rows = plan.train_rows.to(inputs.device)
    val_rows = plan.val_rows.to(inputs.device)
    losses: list[float] = []
    accuracies: list[float] = []
    for epoch in range(epochs):
        model.train()
        order = train_rows[plan.permutation(epoch).to(inputs.device)]
        batch_losses = []
        for rows in order.split(batch_size):
            loss = functional.cross_entropy(model(inputs[rows]), targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            batch_losses.append(loss.detach())
        losses.append(torch.stack(batch_losses).cpu().double().mean().item())
        if not math.isfinite(losses[-1]):
            raise TrainingError(
                f"The loss is {losses[-1]} in epoch {epoch + 1}: training has diverged. "
                f"{_DIVERGED_HINT}"
            )
        accuracies.append(_accuracy(model, inputs, targets, val_rows, eval_batch_size))
        report(EpochReport(epoch + 1, epochs, losses[-1], accuracies[-1]))
    if not all(torch.isfinite(parameter).all() for parameter in model.parameters()):
        raise TrainingError(f"The last step diverged: weights are not finite. {_DIVERGED_HINT}")
    return losses, accuracies


def _accuracy(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    rows: torch.Tensor,
    batch_size: int,
) -> float:
    if len(rows) == 0:
        return math.nan
    model.eval()
    with torch.no_grad():
        correct = [
            (model(inputs[part]).argmax(dim=1) == targets[part]).sum()
            for part in rows.split(batch_size)
        ]
    return torch.stack(correct).sum().item() / len(rows)
