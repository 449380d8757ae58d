"""Classification: one class for each patch, learnt with cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from edaphos_bridge.data.labels import ClassLabel, Labels
from edaphos_bridge.errors import warn
from edaphos_bridge.files.schema import check, is_count, is_flag, list_of, require
from edaphos_bridge.tasks.task import Task
from edaphos_bridge.training.plan import Plan


@dataclass(frozen=True)
class Classification(Task):
    """Patches to classes.

    Attributes
    ----------
    classes : list of str, int or bool
        Order of the columns of probabilities.
    ordered : bool
        Whether that order means something: labels were an ordered Categorical.
    class_counts : list of int or None
        Labelled patches of each class, validation rows included; None in a file that was
        written without them.
    """

    name = "classification"
    score_range = (0.0, 1.0)
    highest_is_best = True

    classes: list[ClassLabel]
    ordered: bool = False
    class_counts: list[int] | None = None

    @classmethod
    def of(cls, labels: Labels) -> Classification:
        """Return the task of these labels; their codes are its targets."""
        return cls(labels.classes, labels.ordered, labels.counts())

    @property
    def n_outputs(self) -> int:
        """One logit a class."""
        return len(self.classes)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean cross-entropy of logits ``(B, n_classes)`` and class codes ``(B,)``."""
        return functional.cross_entropy(outputs, targets)

    def counts(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return how many patches are classified correctly, and how many there are."""
        correct = outputs.argmax(dim=1) == targets
        return torch.stack([correct.sum(), correct.new_tensor(len(correct), dtype=torch.int64)])

    def score(self, counts: torch.Tensor) -> float:
        """Return the accuracy."""
        correct, total = counts.tolist()
        return float(correct / total)

    def values(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return class probabilities: in double, rows sum to 1 within R's own tolerance."""
        return outputs.softmax(dim=1)

    def warn_about_split(self, targets: torch.Tensor, plan: Plan) -> None:
        """Warn where the split left a class without training rows."""
        counts = torch.bincount(targets[plan.train_rows], minlength=len(self.classes))
        absent = [str(self.classes[code]) for code in torch.nonzero(counts == 0).flatten().tolist()]
        if absent:
            warn(
                f"the validation split left no training row of: {', '.join(absent)}. "
                "The classifier cannot learn them; use another `seed` or `val_split`."
            )

    def describe(self) -> dict[str, Any]:
        """Return the classes, their order and their counts."""
        return {
            "classes": self.classes,
            "ordered": self.ordered,
            "class_counts": self.class_counts,
        }

    @classmethod
    def from_description(cls, description: Any) -> Classification:
        """Return the task, or raise `WeightsError`; the first files have no counts and order."""
        classes = check(description, {"classes": _are_classes})["classes"]
        counts, ordered = description.get("class_counts"), description.get("ordered", False)
        require(
            counts is None or (list_of(is_count)(counts) and len(counts) == len(classes)),
            "'class_counts' has no whole number for each class",
        )
        require(is_flag(ordered), "'ordered' is neither true nor false")
        return cls(classes, ordered, counts)


def _are_classes(value: Any) -> bool:
    if not isinstance(value, list) or len(value) < 2:
        return False
    kinds = {type(label) for label in value}
    return len(kinds) == 1 and kinds <= {str, int, bool} and len(set(value)) == len(value)
