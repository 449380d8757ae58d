"""Predicted masks beside the true ones, counted tile by tile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.data.masks import UNLABELLED, Masks
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.tasks.overlap import Overlap, confusion_of, overall_accuracy

Floats = NDArray[np.float64]

OF_MASKS = ("pixel_accuracy", "iou", "dice", "f1", "precision", "recall")
"""Of all classes: the share of cells that are right, and means over classes."""
OF_A_MASK_CLASS = (*OF_MASKS, "support")

_ROWS = 128  # tiles whose probabilities are held at a time


@dataclass(frozen=True)
class Segmented:
    """Counts of labelled cells, and how surprised a segmenter is by each tile.

    Attributes
    ----------
    confusions : numpy.ndarray of int, shape (N, K, K)
        Of each tile; rows are actual classes.
    losses : numpy.ndarray, shape (N,)
        Mean cross-entropy of the labelled cells of each tile; 0 of a tile without any.
    """

    confusions: NDArray[np.int64]
    losses: Floats

    @classmethod
    def of(cls, fit: FoundationFit, patches: Patches, masks: Masks) -> Segmented:
        """Return what a segmenter makes of patches, as they were read for it, and their masks."""
        counts, losses = [], []
        for rows in torch.arange(len(masks)).split(_ROWS):
            pause()
            values = torch.from_numpy(fit.values(patches.rows(rows), None, None, None))
            truth = masks.codes[rows].long()
            counts.append(confusion_of(fit.task.codes(values), truth, len(masks.classes)))
            losses.append(_losses(fit.task.probabilities(values), truth))
        return cls(torch.cat(counts).numpy(), torch.cat(losses).numpy())

    def scores(self, weights: Floats) -> Floats:
        """Return `OF_MASKS`, then for each class `OF_A_MASK_CLASS`, of tiles of these weights."""
        counts = np.einsum("n,nij->ij", weights, self.confusions)
        found = Overlap.of(counts)
        means = found.means()
        overall = [overall_accuracy(counts), *(means[name] for name in OF_MASKS[1:])]
        of_classes = np.stack(
            [*(getattr(found, name) for name in OF_MASKS), counts.sum(axis=1)], axis=1
        )
        return np.concatenate([np.array(overall), of_classes.ravel()])


def _losses(probabilities: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    labelled = truth != UNLABELLED
    of_truth = probabilities.gather(1, truth.clamp(min=0)[:, None])[:, 0]
    surprise = -of_truth.clamp(min=torch.finfo(torch.float64).tiny).log() * labelled
    return surprise.sum(dim=(1, 2)) / labelled.sum(dim=(1, 2)).clamp(min=1)
