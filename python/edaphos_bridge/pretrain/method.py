"""What every method of pretraining says of itself; the loop reads patches and takes the steps.

A new one is a file of its own beside `simclr.py`, its settings (`settings.py`), a name for it in
`run.py`, its encoder (`encoders/`), and a verb.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import nn

from edaphos_bridge.data.augmentations import Augmentations


class Method(nn.Module, ABC):
    """An encoder, trained in place, and what it is trained with.

    The `state_dict`, and what `begin` draws, are all that a later step needs. What requires a
    gradient is trained.

    Attributes
    ----------
    negatives : int
        Patches whose views are asked for before the first step.
    val_split : float
        Share of the patches that are held out, for `right` to be asked of.
    steps_taken : int
        Steps before this one; the loop says so.
    watched : dict of str to torch.Tensor
        What the latest `loss` tells of a step beside itself: scalars by name, which become a
        history of their own. Before the first step their names are known.
    """

    negatives = 0
    val_split = 0.0
    steps_taken = 0

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder.train()
        self.watched: dict[str, torch.Tensor] = {}

    def warm_up(self, views: Iterable[torch.Tensor]) -> None:
        """Prepare with one view ``(B, C, H, W)`` of each of whole batches."""

    def begin(self, n: int, generator: torch.Generator) -> None:
        """Draw what stays the same of each of `n` patches: a run that goes on draws it again."""

    def views(
        self,
        patches: torch.Tensor,
        rows: torch.Tensor,
        augmentations: Augmentations,
        generator: torch.Generator,
    ) -> list[torch.Tensor]:
        """Return what `loss` takes of patches ``(B, C, H, W)``, which stand in these `rows`.

        Two random views, unless a method says something else.
        """
        return [augmentations.view(patches, generator) for _ in range(2)]

    @abstractmethod
    def loss(self, views: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the loss of what `views` gave of a batch, a scalar with gradients."""

    def right(self, views: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return for each question that `views` puts whether the answer is right, as bool.

        Asked only of a method with a `val_split`, which must have its own.
        """
        raise NotImplementedError

    def after_step(self, done: float) -> None:
        """Do what follows a step of the optimiser; `done` is the share of the run before it."""

    def ended(self, course: Mapping[str, Sequence[float]]) -> None:
        """Hear that the run is over, with the means of each epoch: ``loss`` and what is watched."""
