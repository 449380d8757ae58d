"""How a phase is computed: chosen here by rule, and never seen by the user.

* `Solve`: L-BFGS on cached features, in double;
* a linear classifier on cached features: gradients in closed form;
* any other head on cached features, and an encoder with its head: autograd.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.heads.registry import LinearHead
from edaphos_bridge.optim.adam import adam
from edaphos_bridge.tasks.classification import Classification
from edaphos_bridge.tasks.task import Task
from edaphos_bridge.training.backprop import Backprop
from edaphos_bridge.training.events import Events
from edaphos_bridge.training.inputs import Inputs
from edaphos_bridge.training.lbfgs import logistic_path, warn_about_unfinished
from edaphos_bridge.training.linear import LinearProbe
from edaphos_bridge.training.loop import History, Learner, train
from edaphos_bridge.training.phase import Epochs, Phase, Solve
from edaphos_bridge.training.plan import Plan


def execute(
    phase: Phase,
    task: Task,
    model: Any,
    inputs: Inputs,
    targets: torch.Tensor,
    plan: Plan,
    randomness: Randomness,
    events: Events,
) -> History:
    """Train `model` in place and return the record of it.

    Parameters
    ----------
    model : module with ``encoder`` and ``head``
        From what `inputs` reads of patches to outputs of the task.
    targets : torch.Tensor, shape (N, ...)
        Of all rows, on the device of `inputs` and `plan`.
    """
    if isinstance(phase, Solve):
        return _solved(phase, task, model.head, inputs, targets, plan)
    learner = _learner(phase, task, model, inputs, targets, randomness, events)
    return train(learner, plan, phase.epochs, phase.batch_size, events)


def _learner(
    phase: Epochs,
    task: Task,
    model: Any,
    inputs: Inputs,
    targets: torch.Tensor,
    randomness: Randomness,
    events: Events,
) -> Learner:
    head, features = model.head, inputs.features
    groups: list[dict[str, Any]] = [{"params": list(head.parameters()), "lr": phase.lr}]
    if features is None:
        trained = [p for p in model.encoder.parameters() if p.requires_grad]
        groups.append({"params": trained, "lr": phase.encoder_lr})
    elif isinstance(head, LinearHead) and isinstance(task, Classification):
        return LinearProbe(head, features, targets, phase.lr, phase.weight_decay)
    else:
        model = head
    optimizer = adam(groups, phase.weight_decay)
    return Backprop(model, task, inputs, targets, optimizer, randomness, events)


def _solved(
    phase: Solve,
    task: Task,
    head: nn.Module,
    inputs: Inputs,
    targets: torch.Tensor,
    plan: Plan,
) -> History:
    """Put the solution at the phase's C into a linear head."""
    features = inputs.features
    assert features is not None and isinstance(head, LinearHead)  # noqa: PT018
    rows = plan.train_rows.cpu()  # in double, which not every device has
    (solution,) = logistic_path(
        features.cpu()[rows], targets.cpu()[rows], task.n_outputs, [phase.C]
    )
    warn_about_unfinished([] if solution.converged else [phase.C])
    with torch.no_grad():
        head.weight.copy_(solution.weight)
        head.bias.copy_(solution.bias)
    losses = solution.loss_history
    return History(losses, [math.nan] * len(losses))
