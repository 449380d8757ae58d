"""What every task says of itself; the engine knows no more of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from edaphos_bridge.training.plan import Plan


class Task(ABC):
    """What is learnt: outputs of a head, their loss, and the values that become of them.

    Attributes
    ----------
    name : str
        Of the task, in files.
    score_range : pair of float
        The lowest and the highest score that there is.
    highest_is_best : bool
        Whether a higher score is a better one.
    score_format : str
        How a score is shown.
    has_masks : bool
        Whether targets and outputs lie on the cells of patches, ``(N, H, W)`` and
        ``(N, n_outputs, H, W)``, so that a decoder gives the outputs.
    one_class : bool
        Whether a patch or cell is of exactly one class, and `values` are their probabilities.
    types : tuple of str
        What layers a map may have of it, the default first.
    """

    name: ClassVar[str]
    score_range: ClassVar[tuple[float, float]]
    highest_is_best: ClassVar[bool]
    score_format: ClassVar[str] = ".3f"
    has_masks: ClassVar[bool] = False
    one_class: ClassVar[bool] = False
    types: ClassVar[tuple[str, ...]] = ("response",)

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """How many numbers the head gives for a patch."""

    @abstractmethod
    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of outputs ``(B, n_outputs)``, with gradients."""

    @abstractmethod
    def counts(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return what `score` needs of a batch, as numbers that add up over batches."""

    @abstractmethod
    def score(self, counts: torch.Tensor) -> float:
        """Return the score of summed counts."""

    @abstractmethod
    def values(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return what is predicted, from outputs ``(N, n_outputs)`` in float64.

        By operations of torch that change nothing in place: `torch.export` follows them.
        """

    def shape_of_values(self, size: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of `values` of one patch of `size`, its rows and columns."""
        return (self.n_outputs, *size) if self.has_masks else (self.n_outputs,)

    def learnt_from(self, targets: torch.Tensor, plan: Plan) -> Task:
        """Return the task as the training rows of a plan teach it, or warn what they cannot."""
        return self

    def settings(self) -> dict[str, Any]:
        """Return those of its values that a fit shows among its settings, by their arguments."""
        return {}

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return JSON values from which `from_description` makes the same task."""

    @classmethod
    @abstractmethod
    def from_description(cls, description: Any) -> Task:
        """Return the task of a file, or raise `WeightsError` if its description is damaged."""
