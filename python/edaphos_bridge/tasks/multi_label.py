"""Multi-label classification: any number of labels for each patch, each learnt by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from edaphos_bridge.basics.arguments import number
from edaphos_bridge.data.label_sets import LabelSets
from edaphos_bridge.errors import InputError, warn
from edaphos_bridge.files.schema import (
    check,
    is_count,
    is_number,
    is_text,
    list_of,
    require,
)
from edaphos_bridge.tasks.task import Task
from edaphos_bridge.training.plan import Plan


@dataclass(frozen=True)
class MultiLabel(Task):
    """Patches to sets of labels.

    The loss is the mean binary cross-entropy over patches and labels. The score is the macro F1:
    the mean over labels of ``2 TP / (2 TP + FP + FN)``, where labels that neither occur nor are
    predicted do not count.

    Attributes
    ----------
    labels : list of str
        Order of the columns of probabilities.
    threshold : list of float
        From which probability on a patch has a label, for each of them.
    label_counts : list of int
        Patches with each label, validation rows included.
    n : int
        Patches, validation rows included.
    """

    name = "multilabel"
    score_range = (0.0, 1.0)
    highest_is_best = True
    types = ("class", "prob")

    labels: list[str]
    threshold: list[float]
    label_counts: list[int]
    n: int

    @classmethod
    def of(cls, sets: LabelSets, threshold: Any) -> MultiLabel:
        """Return the task of these labels; a label that all or none have is warned about."""
        counts = sets.held.sum(axis=0).tolist()
        for what, count in (("no patch has", 0), ("all patches have", len(sets))):
            found = [name for name, c in zip(sets.labels, counts, strict=True) if c == count]
            if found:
                warn(f"{what} the label {', '.join(found)}: there is nothing to learn of it.")
        return cls(sets.labels, thresholds(threshold, sets.labels), counts, len(sets))

    @staticmethod
    def targets(sets: LabelSets) -> torch.Tensor:
        """Return what is learnt, shape (N, L), float32: 0 and 1."""
        return torch.from_numpy(sets.held.astype(np.float32))

    @property
    def n_outputs(self) -> int:
        """One logit a label."""
        return len(self.labels)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean binary cross-entropy of logits and targets, both ``(B, L)``."""
        return functional.binary_cross_entropy_with_logits(outputs, targets)

    def counts(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return true positives, false positives and false negatives of each label: (3, L)."""
        found = outputs.sigmoid() >= outputs.new_tensor(self.threshold)
        held = targets > 0
        return torch.stack([(found & held), (found & ~held), (~found & held)]).sum(dim=1)

    def score(self, counts: torch.Tensor) -> float:
        """Return the macro F1; NaN where no label occurs or is predicted."""
        each = [
            2 * right / (2 * right + wrong + missed)
            for right, wrong, missed in counts.T.tolist()
            if right + wrong + missed > 0
        ]
        return math.fsum(each) / len(each) if each else math.nan

    def values(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return the probability of each label."""
        return outputs.sigmoid()

    def learnt_from(self, targets: torch.Tensor, plan: Plan) -> MultiLabel:
        """Return the task; warn where the split left a label without a training row."""
        occurs = targets[plan.train_rows].sum(dim=0) > 0
        absent = [
            name
            for name, count, there in zip(self.labels, self.label_counts, occurs, strict=True)
            if count and not there
        ]
        if absent:
            warn(
                f"the validation split left no training row with: {', '.join(absent)}. "
                "The fit cannot learn them; use another `seed` or `val_split`."
            )
        return self

    def settings(self) -> dict[str, Any]:
        """Return the thresholds."""
        return {"threshold": self.threshold}

    def describe(self) -> dict[str, Any]:
        """Return the labels, their thresholds and their counts."""
        return {
            "labels": self.labels,
            "threshold": self.threshold,
            "label_counts": self.label_counts,
            "n": self.n,
        }

    @classmethod
    def from_description(cls, description: Any) -> MultiLabel:
        """Return the task, or raise `WeightsError`."""
        found = check(
            description,
            {
                "labels": list_of(is_text),
                "threshold": list_of(lambda value: is_number(value) and 0 < value < 1),
                "label_counts": list_of(is_count),
                "n": is_count,
            },
        )
        labels = found["labels"]
        require(len(set(labels)) == len(labels), "two of its labels have one name")
        for name in ("threshold", "label_counts"):
            require(len(found[name]) == len(labels), f"{name!r} has not one number a label")
        return cls(**found)


def thresholds(value: Any, labels: list[str]) -> list[float]:
    """Return a threshold for each label from one for all, one a label, or a mapping of names."""
    if isinstance(value, Mapping):
        if sorted(map(str, value)) != sorted(labels):
            raise InputError(
                "threshold", f"must name each of the labels {labels}", found=list(value)
            )
        by_name = {str(name): one for name, one in value.items()}
        value = [by_name[name] for name in labels]
    if isinstance(value, list | tuple | np.ndarray) and np.ndim(value) == 1:
        if len(value) != len(labels):
            problem = f"must be one number, or one for each of the {len(labels)} labels"
            raise InputError("threshold", problem, found=f"{len(value)} numbers")
        return [number("threshold", one, above=0, below=1) for one in value]
    return [number("threshold", value, above=0, below=1)] * len(labels)
