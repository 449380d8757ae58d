"""What every method of pretraining says of itself; the loop makes views and takes the steps.

A new one is a file of its own beside `simclr.py`, its settings (`settings.py`), a name for it in
`run.py`, its encoder (`encoders/`), and a verb.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import torch
from torch import nn


class Method(nn.Module, ABC):
    """An encoder, trained in place, and what it is trained with.

    The `state_dict` is all that a later step needs. What requires a gradient is trained.

    Attributes
    ----------
    negatives : int
        Patches whose views are asked for before the first step.
    """

    negatives = 0

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder.train()

    def warm_up(self, views: Iterable[torch.Tensor]) -> None:
        """Prepare with one view ``(B, C, H, W)`` of each of whole batches."""

    @abstractmethod
    def loss(self, views: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the loss of two views ``(B, C, H, W)`` of a batch, a scalar with gradients."""

    def after_step(self, done: float) -> None:
        """Do what follows a step of the optimiser; `done` is the share of the run before it."""
