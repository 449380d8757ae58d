"""Classification: one class for each patch, learnt with cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn import functional

from edaphos_bridge.data.class_weights import check_names, weights_of
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
    class_weight : str, dict or None
        "balanced": ``n / (K * n_k)`` for a class with n_k of the n training rows; "capped": the
        same, at most 10; or the weight of each class by its name.
    label_smoothing : float
        Share of the target that goes to all classes alike (Szegedy et al. 2016).
    weights : list of float or None
        What became of `class_weight` in training.
    """

    name = "classification"
    score_range = (0.0, 1.0)
    highest_is_best = True
    one_class = True
    types = ("class", "prob")

    classes: list[ClassLabel]
    ordered: bool = False
    class_counts: list[int] | None = None
    class_weight: str | dict[str, float] | None = None
    label_smoothing: float = 0.0
    weights: list[float] | None = None

    @classmethod
    def of(
        cls,
        labels: Labels,
        class_weight: str | dict[str, float] | None = None,
        label_smoothing: float = 0.0,
    ) -> Classification:
        """Return the task of these labels; their codes are its targets.

        Raises
        ------
        InputError
            If `class_weight` names other classes than there are.
        """
        if isinstance(class_weight, dict):
            check_names(class_weight, labels.classes)
        counts = labels.counts()
        return cls(labels.classes, labels.ordered, counts, class_weight, label_smoothing)

    @property
    def is_plain(self) -> bool:
        """Whether the loss is the mean cross-entropy and no more."""
        return self.class_weight is None and self.label_smoothing == 0

    @property
    def n_outputs(self) -> int:
        """One logit a class."""
        return len(self.classes)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean cross-entropy of logits ``(B, n_classes)`` and class codes ``(B,)``.

        With weights it is the mean by weight, as torch has it.
        """
        weights = None if self.weights is None else outputs.new_tensor(self.weights)
        return functional.cross_entropy(
            outputs, targets, weight=weights, label_smoothing=self.label_smoothing
        )

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

    def learnt_from(self, targets: torch.Tensor, plan: Plan) -> Classification:
        """Return the task with its weights; warn where the split left a class without rows."""
        counts = torch.bincount(targets[plan.train_rows], minlength=len(self.classes))
        known = self.class_counts or [1] * len(self.classes)  # 0: not in a fit that goes on
        pairs = zip(self.classes, counts.tolist(), known, strict=True)
        absent = [str(label) for label, rows, there in pairs if there and not rows]
        if absent:
            warn(
                f"the validation split left no training row of: {', '.join(absent)}. "
                "The classifier cannot learn them; use another `seed` or `val_split`."
            )
        if self.class_weight is None:
            return replace(self, weights=None)
        weights = weights_of(self.class_weight, self.classes, counts.tolist())
        return replace(self, weights=weights)

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
        classes = check(description, {"classes": are_classes})["classes"]
        counts, ordered = description.get("class_counts"), description.get("ordered", False)
        require(
            counts is None or (list_of(is_count)(counts) and len(counts) == len(classes)),
            "'class_counts' has no whole number for each class",
        )
        require(is_flag(ordered), "'ordered' is neither true nor false")
        return cls(classes, ordered, counts)


def are_classes(value: Any) -> bool:
    """Return whether a value of a file is an ordered list of at least two classes."""
    if not isinstance(value, list) or len(value) < 2:
        return False
    kinds = {type(label) for label in value}
    return len(kinds) == 1 and kinds <= {str, int, bool} and len(set(value)) == len(value)
