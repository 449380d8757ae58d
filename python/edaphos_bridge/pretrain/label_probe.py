"""Probes of features: what is scored are the classes of whole patches."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import nn

from edaphos_bridge.basics.devices import device_of
from edaphos_bridge.data.labels import as_labels
from edaphos_bridge.errors import InputError
from edaphos_bridge.pretrain.probe import Probe
from edaphos_bridge.tasks.classification import Classification
from edaphos_bridge.training.inputs import inputs_of


class LabelProbe(Probe):
    """A probe that tells the classes of patches from their features.

    `x` and `how` are arguments of `Probe`, `y` are the labels as a classifier takes them. The score
    is the accuracy. Warns where no row of a class is learnt from.
    """

    score_name = "accuracy"

    def __init__(self, x: Any, y: Any, **how: Any) -> None:
        super().__init__(x, **how)
        labels = as_labels(y)
        if len(labels) != len(self.patches):
            raise InputError(
                "y",
                f"must have one label for each of the {len(self.patches)} patches",
                found=len(labels),
            )
        self._codes = labels.codes
        self._task = Classification.of(labels).learnt_from(labels.codes, self.plan)

    @abstractmethod
    def outputs(
        self, train: torch.Tensor, codes: torch.Tensor, held_out: torch.Tensor
    ) -> torch.Tensor:
        """Return a number for each class of held-out rows, ``(M, K)``; the largest is the answer.

        `train` ``(N, D)`` and `held_out` ``(M, D)`` are features, `codes` ``(N,)`` the classes of
        the former, all on the cpu.
        """

    @property
    def n_classes(self) -> int:
        """How many classes there are, K."""
        return self._task.n_outputs

    def score(self, encoder: nn.Module) -> float:
        """Return the accuracy of the held-out rows."""
        features = inputs_of(encoder, self.patches, device_of(encoder), cached=True).features
        assert features is not None
        features = features.cpu()
        train, held_out = self.plan.train_rows, self.plan.val_rows
        outputs = self.outputs(features[train], self._codes[train], features[held_out])
        return self._task.score(self._task.counts(outputs, self._codes[held_out]))

    def learnt(self) -> dict[str, torch.Tensor]:
        """Return the class of each row."""
        return {repr(self._task.classes): self._codes}
