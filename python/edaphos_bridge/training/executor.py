"""How a phase is computed: chosen here by rule, and never seen by the user.

* `Solve`: L-BFGS on cached features, in double;
* a linear classifier on cached features, with nothing unusual: gradients in closed form;
* any other head on cached features, and an encoder with its head: autograd.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.errors import InputError
from edaphos_bridge.heads.registry import LinearHead
from edaphos_bridge.optim.adam import adam
from edaphos_bridge.tasks.classification import Classification
from edaphos_bridge.tasks.task import Task
from edaphos_bridge.training.aids import Aids
from edaphos_bridge.training.backprop import Backprop
from edaphos_bridge.training.events import Events
from edaphos_bridge.training.groups import Groups
from edaphos_bridge.training.inputs import Inputs
from edaphos_bridge.training.lbfgs import logistic_path, warn_about_unfinished
from edaphos_bridge.training.linear import LinearLearner
from edaphos_bridge.training.loop import History, Keeper, Learner, train
from edaphos_bridge.training.phase import AnyPhase, Phase, Solve
from edaphos_bridge.training.plan import Plan


def execute(
    phase: AnyPhase,
    task: Task,
    model: Any,
    groups: Groups,
    inputs: Inputs,
    targets: torch.Tensor,
    plan: Plan,
    aids: Aids,
    randomness: Randomness,
    events: Events,
    keeper: Keeper | None = None,
    before: Sequence[float] = (),
) -> History:
    """Train `model` in place and return the record of it.

    Parameters
    ----------
    model : module with ``encoder`` and ``head``
        From what `inputs` reads of patches to outputs of the task.
    groups : Groups
        Of that model.
    targets : torch.Tensor, shape (N, ...)
        Of all rows, on the device of `inputs` and `plan`.
    before : sequence of float
        Scores of the phases before.
    keeper : Keeper, optional
        Of what has epochs.
    """
    if isinstance(phase, Solve):
        return _solved(phase, task, model.head, inputs, targets, plan)
    assert phase.batch_size is not None
    if _is_closed_form(phase, task, model.head, inputs, aids):
        features, rate = inputs.features, phase.rates(len(groups))[-1]
        assert features is not None
        learner: Learner = LinearLearner(model.head, features, targets, rate, phase.weight_decay)
    else:
        trained_groups = groups.prepare(phase)
        if not trained_groups:
            raise InputError(
                "head",
                "has no parameter that trains, and below it nothing trains either",
                hint="Set requires_grad on its parameters, or train the encoder too.",
            )
        optimizer = adam(
            trained_groups, decoupled=phase.decoupled, betas=phase.betas, eps=phase.eps
        )
        trained = model.head if inputs.is_cached else model
        learner = Backprop(
            trained, task, phase, groups, inputs, targets, optimizer, aids, randomness, events
        )
    return train(
        learner,
        task,
        plan,
        phase.epochs,
        phase.batch_size,
        events,
        aids.patience,
        keeper,
        before,
    )


def _is_closed_form(phase: Phase, task: Task, head: nn.Module, inputs: Inputs, aids: Aids) -> bool:
    """Return whether the one case applies that `LinearLearner` has written out."""
    usual = Phase(phase.epochs, phase.lr, batch_size=phase.batch_size)
    same = ("schedule", "decoupled", "decay_norms", "betas", "eps")
    return (
        inputs.features is not None
        and type(head) is LinearHead
        and isinstance(task, Classification)
        and task.is_plain
        and aids.patience is None
        and all(getattr(phase, name) == getattr(usual, name) for name in same)
    )


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
