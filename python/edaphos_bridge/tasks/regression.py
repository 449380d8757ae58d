"""Regression: numbers for each patch, learnt in units of their own spread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from edaphos_bridge.data.targets import Targets
from edaphos_bridge.errors import InputError
from edaphos_bridge.files.schema import (
    check,
    is_count,
    is_number,
    is_text,
    list_of,
    one_of,
    require,
)
from edaphos_bridge.tasks.task import Task

LOSSES = {"mse": functional.mse_loss, "huber": functional.smooth_l1_loss}
"""Of scaled targets; Huber's turns from squares to absolute values at one standard deviation."""


@dataclass(frozen=True)
class Regression(Task):
    """Patches to numbers.

    As in the R original, targets are centred and scaled by their mean and standard deviation (with
    N - 1) over all rows, validation rows included; the loss is that of scaled targets, the mean
    over targets where there are several. The score is the root mean squared error in the targets'
    own units, of several targets the mean of theirs.

    Attributes
    ----------
    means, sds : list of float
        Of the targets over all rows.
    names : list of str or None
        Of several targets, or of one that was given in a table.
    loss_fn : {"mse", "huber"}
    n : int
        Patches, validation rows included.
    """

    name = "regression"
    score_range = (0.0, math.inf)
    highest_is_best = False
    score_format = ".4g"

    means: list[float]
    sds: list[float]
    names: list[str] | None
    loss_fn: str
    n: int

    @classmethod
    def of(cls, targets: Targets, loss_fn: str) -> Regression:
        """Return the task of these targets, or raise `InputError` where one does not vary."""
        values = targets.values
        if len(values) < 2:
            raise InputError("y", "must have at least two rows", found=len(values))
        columns = np.ascontiguousarray(values.T)  # equal bits from any memory order
        with np.errstate(over="ignore", invalid="ignore"):
            means, sds = columns.mean(axis=1), columns.std(axis=1, ddof=1)
        for column, sd in enumerate(sds):
            what = f"target {targets.names[column]!r}" if targets.names else "it"
            if values[:, column].min() == values[:, column].max() or sd == 0:
                raise InputError(
                    "y",
                    f"must vary; {what} is constant",
                    found=float(values[0, column]),
                    hint="There is nothing to learn.",
                )
            if not math.isfinite(sd):
                largest = float(np.abs(values[:, column]).max())
                raise InputError(
                    "y", f"is too large; {what} has no spread in double", found=largest
                )
        return cls(means.tolist(), sds.tolist(), targets.names, loss_fn, len(values))

    def scaled(self, targets: Targets) -> torch.Tensor:
        """Return what is learnt, shape (N, T), float32: scaled in double."""
        scaled = (targets.values - np.array(self.means)) / np.array(self.sds)
        return torch.from_numpy(scaled.astype(np.float32))

    @property
    def n_outputs(self) -> int:
        """One number a target."""
        return len(self.means)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of outputs ``(B, T)`` and scaled targets ``(B, T)``."""
        return LOSSES[self.loss_fn](outputs, targets)

    def counts(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the sum of squared errors of each scaled target, and how many patches."""
        errors = (outputs - targets).square().sum(dim=0)
        return torch.cat([errors, errors.new_tensor([len(targets)])])

    def score(self, counts: torch.Tensor) -> float:
        """Return the root mean squared error in the targets' units, as a mean over targets."""
        *errors, total = counts.tolist()
        each = [sd * math.sqrt(e / total) for sd, e in zip(self.sds, errors, strict=True)]
        return math.fsum(each) / len(each)

    def values(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return the targets in their own units."""
        return outputs * outputs.new_tensor(self.sds) + outputs.new_tensor(self.means)

    def settings(self) -> dict[str, Any]:
        """Return the loss, as the R original keeps it among the settings."""
        return {"loss": self.loss_fn}

    def describe(self) -> dict[str, Any]:
        """Return the targets' names, how they are scaled, and the loss."""
        return {
            "means": self.means,
            "sds": self.sds,
            "names": self.names,
            "loss_fn": self.loss_fn,
            "n": self.n,
        }

    @classmethod
    def from_description(cls, description: Any) -> Regression:
        """Return the task, or raise `WeightsError`."""
        found = check(
            description,
            {
                "means": list_of(is_number),
                "sds": list_of(lambda sd: is_number(sd) and sd > 0),
                "names": lambda names: names is None or list_of(is_text)(names),
                "loss_fn": one_of(*LOSSES),
                "n": is_count,
            },
        )
        means, names = found["means"], found["names"]
        require(len(means) == len(found["sds"]), "it has not one mean and one sd for each target")
        n_names = 1 if names is None else len(set(names))
        require(n_names == len(means), "its targets' names do not fit their means")
        return cls(**found)
