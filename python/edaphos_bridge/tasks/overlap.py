"""How well predicted classes of cells lie on the true ones, from counts that add up."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def confusion_of(predicted: torch.Tensor, truth: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Return how many cells of each tile are of a class and predicted as another one.

    Cells whose truth is negative do not count.

    Parameters
    ----------
    predicted, truth : torch.Tensor, shape (B, H, W), of whole numbers
        Codes of classes.

    Returns
    -------
    torch.Tensor, shape (B, n_classes, n_classes), int64
        Rows are the truth.
    """
    n, cells = len(truth), n_classes**2 + 1  # one more for those that do not count
    pairs = torch.where(truth >= 0, truth.long() * n_classes + predicted, cells - 1)
    first = torch.arange(n, device=truth.device) * cells
    counts = torch.bincount((pairs + first[:, None, None]).flatten(), minlength=n * cells)
    return counts.reshape(n, cells)[:, :-1].reshape(n, n_classes, n_classes)


@dataclass(frozen=True)
class Overlap:
    """Scores of each class, shape (..., K); NaN where a class neither occurs nor is predicted.

    Elsewhere a share of nothing is 0: the precision of a class that is never predicted, the recall
    of one that does not occur. TP, FP and FN are cells rightly of a class, wrongly, and missed.

    Attributes
    ----------
    iou : numpy.ndarray
        Intersection over union, Jaccard's index: ``TP / (TP + FP + FN)``.
    dice, f1 : numpy.ndarray
        ``2 TP / (2 TP + FP + FN)``: of cells, Dice's coefficient and the F1 score are one.
    precision, recall : numpy.ndarray
        ``TP / (TP + FP)`` and ``TP / (TP + FN)``.
    pixel_accuracy : numpy.ndarray
        Share of all cells that are rightly of the class or rightly not.

    References
    ----------
    Dice, L. R. (1945). Measures of the amount of ecologic association between species. Ecology 26.
    Jaccard, P. (1912). The distribution of the flora in the alpine zone. New Phytologist 11.
    """

    iou: Floats
    dice: Floats
    f1: Floats
    precision: Floats
    recall: Floats
    pixel_accuracy: Floats

    @classmethod
    def of(cls, confusion: NDArray[np.int64]) -> Overlap:
        """Return the scores of counts ``(..., K, K)``, rows the truth, as of `confusion_of`."""
        counts = np.asarray(confusion, dtype=np.float64)
        right = np.diagonal(counts, axis1=-2, axis2=-1)
        occurs, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
        total = np.broadcast_to(counts.sum(axis=(-2, -1))[..., None], right.shape)
        union = occurs + predicted - right
        counted = union > 0

        def share(part: Floats, whole: Floats) -> Floats:
            shares = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
            return np.where(counted, shares, np.nan)

        dice = share(2 * right, occurs + predicted)
        return cls(
            iou=share(right, union),
            dice=dice,
            f1=dice,
            precision=share(right, predicted),
            recall=share(right, occurs),
            pixel_accuracy=share(total - union + right, total),
        )

    def means(self) -> dict[str, Floats]:
        """Return the mean of each score over the classes that count, by its name, shape (...)."""
        return {field.name: mean_of(getattr(self, field.name)) for field in fields(self)}


def mean_of(scores: Floats) -> Floats:
    """Return the means of scores ``(..., K)`` that are not NaN; NaN where all are."""
    counted = ~np.isnan(scores)
    n = counted.sum(axis=-1)
    total = np.where(counted, scores, 0.0).sum(axis=-1)
    return np.divide(total, n, out=np.full(np.shape(total), np.nan), where=n > 0)


def overall_accuracy(confusion: NDArray[np.int64]) -> Floats:
    """Return the share of cells whose class is right, of counts ``(..., K, K)``; NaN of none."""
    counts = np.asarray(confusion, dtype=np.float64)
    right = np.trace(counts, axis1=-2, axis2=-1)
    total = counts.sum(axis=(-2, -1))
    return np.divide(right, total, out=np.full(np.shape(total), np.nan), where=total > 0)
