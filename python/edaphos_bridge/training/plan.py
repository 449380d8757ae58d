"""Which rows train, which validate, and in what order: everything random about a fit's data."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from edaphos_bridge.data.splits import Split
from edaphos_bridge.errors import InputError


@dataclass(frozen=True)
class Plan:
    """Rows of a fit, counted from 0.

    Attributes
    ----------
    train_rows, val_rows : torch.Tensor, int64
        Rows of the data; training rows ascend.
    permutation : callable
        ``permutation(epoch)`` gives the order of the training rows in that epoch
        (counted from 0), as positions within `train_rows`.
    """

    train_rows: torch.Tensor
    val_rows: torch.Tensor
    permutation: Callable[[int], torch.Tensor]

    def epoch_rows(self, epoch: int) -> torch.Tensor:
        """Return the training rows in the order of an epoch (counted from 0)."""
        return self.train_rows[self.permutation(epoch).to(self.train_rows.device)]

    def to(self, device: torch.device) -> Plan:
        """Return the plan with its rows on `device`; orders are drawn on the cpu all the same."""
        return replace(
            self, train_rows=self.train_rows.to(device), val_rows=self.val_rows.to(device)
        )


def validation_size(n: int, val_split: float) -> int:
    """Return how many of `n` rows validate: ``max(1, floor(val_split * n))``, 0 for 0.

    Raises
    ------
    InputError
        If no row is left to train on.
    """
    n_val = max(1, math.floor(val_split * n)) if val_split > 0 else 0
    if n_val >= n:
        raise InputError(
            "val_split",
            f"leaves no training row of {n}",
            found=val_split,
            hint="Give more patches or a smaller val_split.",
        )
    return n_val


def draw_plan(
    n: int, val_split: float, generator: torch.Generator, split: Split | None = None
) -> Plan:
    """Draw a plan for `n` rows from a generator of the cpu, in the order of the R original.

    The order of an epoch's rows is drawn when it is asked for.

    Parameters
    ----------
    split : Split, optional
        How the rows are parted, if not one by one at random.

    Raises
    ------
    InputError
        If no row is left to train on.
    """
    if split is not None:
        train_rows, val_rows = map(torch.from_numpy, split.rows(val_split, generator))
        return _with_permutations(train_rows, val_rows, generator)
    n_val = validation_size(n, val_split)
    val_rows = (
        torch.randperm(n, generator=generator)[:n_val]
        if n_val
        else torch.empty(0, dtype=torch.int64)
    )
    held_out = torch.zeros(n, dtype=torch.bool)
    held_out[val_rows] = True
    train_rows = torch.nonzero(~held_out).flatten()
    return _with_permutations(train_rows, val_rows, generator)


def _with_permutations(
    train_rows: torch.Tensor, val_rows: torch.Tensor, generator: torch.Generator
) -> Plan:
    n_train = len(train_rows)
    return Plan(train_rows, val_rows, lambda epoch: torch.randperm(n_train, generator=generator))
