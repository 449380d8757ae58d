"""Segmentation: one class for each cell of a patch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from edaphos_bridge.data.class_weights import ClassWeight, check_names, weights_of
from edaphos_bridge.data.labels import ClassLabel
from edaphos_bridge.data.masks import UNLABELLED, Masks, cells_of_classes
from edaphos_bridge.data.patch_masks import masks_of
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.errors import InputError, warn
from edaphos_bridge.files.schema import check, is_count, is_number, list_of, one_of, require
from edaphos_bridge.tasks.classification import are_classes
from edaphos_bridge.tasks.overlap import Overlap, confusion_of, mean_of
from edaphos_bridge.tasks.task import Task
from edaphos_bridge.training.plan import Plan

SEGMENTATION_LOSSES = ("cross_entropy", "dice", "focal")

_SMOOTH = 1.0  # cells, in the coefficient of Dice
_SMALLEST = 1e-6  # of 1 - p in the focal loss, whose power has no gradient at 0


def _in_files(value: Any) -> Any:
    """Return a value of cells as JSON has it: those of NaN are unlabelled without being told."""
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


@dataclass(frozen=True)
class Segmentation(Task):
    """Patches to a class for each of their cells.

    Two classes have one output, the logit of the second one; more have one each. Unlabelled cells
    leave loss and score: they count as if they were not there. Every cell counts by the weight of
    its class, over the whole batch:

    * "cross_entropy": the mean cross-entropy by weight, binary with two classes;
    * "focal": the same of ``(1 - p) ** gamma`` times the cross-entropy, p being the probability of
      the true class;
    * "dice": one minus the coefficient of Dice of probabilities and truth, with one cell added to
      both sides, of the second of two classes, or as the mean over more. A class that the batch
      does not hold is pushed away.

    The score is the intersection over union: of the second of two classes, of more the mean over
    those that occur or are predicted.

    Attributes
    ----------
    classes : list of str, int or bool
        In the order of codes and of probabilities.
    pixel_counts : list of int
        Labelled cells of each class, validation rows included.
    n : int
        Patches, validation rows included.
    loss_fn : {"cross_entropy", "dice", "focal"}
    gamma : float
        Of the focal loss.
    threshold : float
        From which probability on a cell is of the second of two classes.
    unlabelled : str, int, float, bool or None
        Value of cells without a class in masks of this fit, beside those that are missing.
    class_weight : str, dict or None
        "balanced", "capped", or the weight of each class by its name, as `Classification` has it,
        of labelled cells.
    weights : list of float or None
        What became of `class_weight` in training.

    References
    ----------
    Lin, T.-Y., Goyal, P., Girshick, R., He, K. and Dollar, P. (2017). Focal loss for dense object
    detection. arXiv:1708.02002. Milletari, F., Navab, N. and Ahmadi, S.-A. (2016). V-Net: fully
    convolutional neural networks for volumetric medical image segmentation. arXiv:1606.04797; the
    sums without squares as in Sudre, C. H. et al. (2017). arXiv:1707.03237. Clay Foundation Model,
    fine-tuning: ``binary_cross_entropy_with_logits``.
    """

    name = "segmentation"
    score_range = (0.0, 1.0)
    highest_is_best = True
    has_masks = True
    one_class = True
    types = ("class", "prob")

    classes: list[ClassLabel]
    pixel_counts: list[int]
    n: int
    loss_fn: str = "cross_entropy"
    gamma: float = 2.0
    threshold: float = 0.5
    unlabelled: ClassLabel | float | None = None
    class_weight: ClassWeight | None = None
    weights: list[float] | None = None

    @classmethod
    def of(
        cls,
        masks: Masks,
        loss_fn: str = "cross_entropy",
        *,
        gamma: float = 2.0,
        threshold: float = 0.5,
        unlabelled: ClassLabel | float | None = None,
        class_weight: ClassWeight | None = None,
    ) -> Segmentation:
        """Return the task of these masks; their codes are its targets.

        Raises
        ------
        InputError
            If `class_weight` names other classes than there are.
        """
        if isinstance(class_weight, dict):
            check_names(class_weight, masks.classes)
        return cls(
            masks.classes,
            masks.counts(),
            len(masks),
            loss_fn,
            gamma,
            threshold,
            _in_files(unlabelled),
            class_weight,
        )

    def masks_of(self, patches: Patches, masks: Any) -> Masks:
        """Return masks of patches with these classes, or raise `InputError`; see `masks_of`."""
        read = partial(masks_of, patches, masks, classes=self.classes)
        try:
            return read(unlabelled=self.unlabelled)
        except InputError as error:
            if error.argument != "unlabelled":
                raise
        return read()  # in masks of text no cell has a number, nor the other way round

    @property
    def is_binary(self) -> bool:
        """Whether there are two classes, and so one output."""
        return len(self.classes) == 2

    @property
    def n_outputs(self) -> int:
        """One logit a class, of two classes one."""
        return 1 if self.is_binary else len(self.classes)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss of logits ``(B, n_outputs, H, W)`` and codes ``(B, H, W)``.

        Of a batch without a labelled cell it is 0, and its gradients are.
        """
        weights = self._cell_weights(outputs, targets)
        if self.loss_fn == "dice":
            return self._dice(outputs, targets, weights)
        losses = self._cross_entropies(outputs, targets)
        if self.loss_fn == "focal":
            wrong = -torch.expm1(-losses)  # 1 - p of the true class
            losses = wrong.clamp(min=_SMALLEST) ** self.gamma * losses
        total = weights.sum()
        return (losses * weights).sum() / torch.where(total > 0, total, 1)

    def _cell_weights(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return how much each cell counts, ``(B, H, W)``; unlabelled ones do not."""
        labelled = (targets != UNLABELLED).to(outputs.dtype)
        if self.weights is None:
            return labelled
        return outputs.new_tensor(self.weights)[targets.clamp(min=0).long()] * labelled

    def _cross_entropies(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the cross-entropy of each cell, ``(B, H, W)``."""
        if self.is_binary:
            truth = (targets > 0).to(outputs.dtype)
            return functional.binary_cross_entropy_with_logits(
                outputs[:, 0], truth, reduction="none"
            )
        return functional.cross_entropy(
            outputs, targets.long(), ignore_index=UNLABELLED, reduction="none"
        )

    def _dice(
        self, outputs: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        shares = self.values(outputs)
        first = 1 if self.is_binary else 0
        codes = torch.arange(first, len(self.classes), device=targets.device)
        truth = targets[:, None] == codes[:, None, None]
        weights = weights[:, None]
        both = (weights * shares * truth).sum(dim=(0, 2, 3))
        each = (weights * shares).sum(dim=(0, 2, 3)) + (weights * truth).sum(dim=(0, 2, 3))
        return (1 - (2 * both + _SMOOTH) / (each + _SMOOTH)).mean()

    def counts(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return labelled cells by true and predicted class, ``(K, K)``, rows the truth."""
        predicted = self.codes(self.values(outputs))
        return confusion_of(predicted, targets, len(self.classes)).sum(dim=0)

    def score(self, counts: torch.Tensor) -> float:
        """Return the intersection over union; NaN where there is nothing to compare."""
        iou = Overlap.of(counts.cpu().numpy()).iou
        return float(iou[1] if self.is_binary else mean_of(iou))

    def values(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return probabilities ``(N, n_outputs, H, W)``: of two classes that of the second one."""
        return outputs.sigmoid() if self.is_binary else outputs.softmax(dim=1)

    def codes(self, values: torch.Tensor) -> torch.Tensor:
        """Return the class of each cell, ``(N, H, W)``, from probabilities as of `values`."""
        if self.is_binary:
            return (values[:, 0] >= self.threshold).long()
        return values.max(dim=1).indices  # argmax's, which takes ten times as long along classes

    def probabilities(self, values: torch.Tensor) -> torch.Tensor:
        """Return the probability of every class, ``(..., K, H, W)``, also of two classes."""
        return torch.cat([1 - values, values], dim=-3) if self.is_binary else values

    def learnt_from(self, targets: torch.Tensor, plan: Plan) -> Segmentation:
        """Return the task with its weights; warn where the split left a class without cells.

        Raises
        ------
        InputError
            If no cell of the training rows is labelled.
        """
        n_classes = len(self.classes)
        counts = cells_of_classes(targets[plan.train_rows], n_classes)
        if not any(counts):
            raise InputError(
                "masks",
                "label no cell of the training rows",
                hint="Use another `seed` or `val_split`, or label more patches.",
            )
        each = zip(self.classes, self.pixel_counts, counts, strict=True)
        absent = [str(label) for label, there, trained in each if there and not trained]
        if absent:
            warn(
                f"the validation split left no training cell of: {', '.join(absent)}. "
                "The segmenter cannot learn them; use another `seed` or `val_split`."
            )
        if len(plan.val_rows) and not any(cells_of_classes(targets[plan.val_rows], n_classes)):
            warn(
                "no cell of the validation rows is labelled, so there is no score; "
                "use another `seed` or `val_split`."
            )
        if self.class_weight is None:
            return replace(self, weights=None)
        return replace(self, weights=weights_of(self.class_weight, self.classes, counts))

    def settings(self) -> dict[str, Any]:
        """Return the loss, with what belongs to it, and the threshold of two classes."""
        return {
            "loss": self.loss_fn,
            **({"gamma": self.gamma} if self.loss_fn == "focal" else {}),
            **({"threshold": self.threshold} if self.is_binary else {}),
            **({} if self.unlabelled is None else {"unlabelled": self.unlabelled}),
        }

    def describe(self) -> dict[str, Any]:
        """Return the classes, their counts, and how they are learnt and told."""
        return {
            "classes": self.classes,
            "pixel_counts": self.pixel_counts,
            "n": self.n,
            "loss_fn": self.loss_fn,
            "gamma": self.gamma,
            "threshold": self.threshold,
            "unlabelled": self.unlabelled,
        }

    @classmethod
    def from_description(cls, description: Any) -> Segmentation:
        """Return the task, or raise `WeightsError`."""
        found = check(
            description,
            {
                "classes": are_classes,
                "pixel_counts": list_of(is_count),
                "n": is_count,
                "loss_fn": one_of(*SEGMENTATION_LOSSES),
                "gamma": lambda value: is_number(value) and value >= 0,
                "threshold": lambda value: is_number(value) and 0 < value < 1,
                "unlabelled": lambda value: value is None or isinstance(value, str | int | float),
            },
        )
        require(
            len(found["pixel_counts"]) == len(found["classes"]),
            "'pixel_counts' has not one number a class",
        )
        return cls(**found)
