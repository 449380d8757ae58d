"""What a run tells while it lasts. To listen, override methods of `Events`.

>>> class LowestLoss(Events):
...     lowest = float("inf")
...
...     def on_epoch(self, report):
...         self.lowest = min(self.lowest, report.loss)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch


@dataclass(frozen=True)
class EpochReport:
    """What is known at the end of an epoch (counted from 1).

    Attributes
    ----------
    loss : float
        Mean of the losses of its steps.
    score : float or None
        The task's score of the validation rows, NaN without any; None in pretraining.
    probe : float or None
        Of pretraining: the last score of its probe, None before there is one.
    """

    epoch: int
    epochs: int
    loss: float
    score: float | None = None
    probe: float | None = None


class Events:
    """A listener; this one does nothing. What a method raises ends the run."""

    def on_step(self, loss: torch.Tensor) -> None:
        """Hear of a step of the optimiser: the loss before it, a scalar on the device.

        To read it is to wait for the device. Linear heads on cached features, which train in
        closed form, many steps at a time, tell of none.
        """

    def on_rates(self, groups: list[dict[str, Any]]) -> None:
        """Hear of the rates of the step that follows: the optimiser's ``param_groups``.

        ``lr``, ``betas``, ``weight_decay`` and ``eps`` are torch's; ``group`` is the number of the
        encoder's block, the head's the last. A group stands twice where norm layers and biases do
        not decay.
        """

    def on_epoch(self, report: EpochReport) -> None:
        """Hear of the end of an epoch."""

    def on_end(self) -> None:
        """Hear that the run is over, and that it ended well."""


class PartOf(Events):
    """Tells another listener of one phase, counting the epochs of the whole run."""

    def __init__(self, events: Events, before: int, epochs: int) -> None:
        self._before, self._epochs = before, epochs
        self._events = events
        self.on_step = events.on_step  # type: ignore[method-assign]
        self.on_rates = events.on_rates  # type: ignore[method-assign]

    def on_epoch(self, report: EpochReport) -> None:
        """Tell of an epoch."""
        number = self._before + report.epoch
        self._events.on_epoch(replace(report, epoch=number, epochs=self._epochs))
