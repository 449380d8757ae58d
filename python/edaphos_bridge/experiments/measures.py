"""How good predictions of held-out rows are, by task."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.data.labels import codes_among
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.tasks.overlap import confusion_of, overall_accuracy
from edaphos_bridge.tasks.segmentation import Segmentation

Values = NDArray[np.float64]


def measures_of(
    fit: FoundationFit, y: Any, rows: NDArray[np.int64], values: Values, patches: Patches
) -> Any:
    """Return a dict of numbers that judge the `values` predicted for some `rows` of `y`.

    Of a classifier its accuracy, balanced accuracy (over the classes that are there) and log
    loss; of a regressor of one or more targets RMSE, MAE and R²; of a segmenter its intersection
    over union and the share of cells that are right; of any other task its own score.
    The rows are those that the fit was validated on.
    """
    if fit.task.name == "classification":
        return measures_of_classes(codes_among(y, fit.task.classes)[rows], values)
    if fit.task.name == "regression":
        truth = np.asarray(y, dtype=np.float64)[rows].reshape(len(rows), -1)
        return _of_numbers(truth, values.reshape(len(rows), -1))
    if fit.task.name == "segmentation":
        masks = fit.task.masks_of(patches, y)
        return _of_cells(fit.task, masks.codes[rows], values)
    return {fit.score_name: fit.score_history[-1]}


def _of_cells(task: Segmentation, truth: torch.Tensor, values: Values) -> dict[str, float]:
    predicted = task.codes(torch.from_numpy(values))
    counts = confusion_of(predicted, truth, len(task.classes)).sum(dim=0)
    return {"iou": task.score(counts), "pixel_accuracy": float(overall_accuracy(counts.numpy()))}


def measures_of_classes(codes: NDArray[np.int64], probabilities: Values) -> dict[str, float]:
    """Return accuracy, balanced accuracy and log loss of probabilities ``(N, K)``."""
    right = probabilities.argmax(axis=1) == codes
    given_to_truth = probabilities[np.arange(len(codes)), codes]
    least = np.finfo(np.float64).eps  # as scikit-learn has it
    return {
        "accuracy": float(right.mean()),
        "balanced_accuracy": float(np.mean([right[codes == c].mean() for c in np.unique(codes)])),
        "log_loss": float(-np.log(np.clip(given_to_truth, least, None)).mean()),
    }


def _of_numbers(truth: Values, predicted: Values) -> dict[str, float]:
    """Return means over targets; R² is NaN where a target does not vary."""
    off = predicted - truth
    spread = ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        explained = np.where(spread > 0, 1 - (off**2).sum(axis=0) / spread, np.nan)
    return {
        "rmse": float(np.sqrt((off**2).mean(axis=0)).mean()),
        "mae": float(np.abs(off).mean()),
        "r_squared": float(explained.mean()),
    }
