"""Scores of predictions, each row counted as often as its weight says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

OF_CLASSIFICATION = ("accuracy", "balanced_accuracy", "kappa", "calibration_error")
OF_A_CLASS = ("precision", "recall", "f1", "support")
OF_REGRESSION = ("rmse", "mae", "r2", "bias", "concordance")

BINS = 15
"""Of confidence, in the calibration error of Guo et al. (2017)."""


@dataclass(frozen=True)
class Classified:
    """Predicted classes beside the actual ones.

    Attributes
    ----------
    actual : numpy.ndarray of int, shape (N,)
        Class codes.
    probabilities : numpy.ndarray, shape (N, K)
    """

    actual: NDArray[np.intp]
    probabilities: Floats

    @property
    def n_classes(self) -> int:
        """K."""
        return self.probabilities.shape[1]

    @cached_property
    def predicted(self) -> NDArray[np.intp]:
        """Codes of the most probable classes; of equal ones the first."""
        return self.probabilities.argmax(axis=1)

    @cached_property
    def confidence(self) -> Floats:
        """Probability of the predicted class, shape (N,)."""
        found: Floats = self.probabilities.max(axis=1)
        return found

    @property
    def losses(self) -> Floats:
        """Cross-entropy of each row, shape (N,)."""
        return -np.log(np.maximum(self.of_actual, np.finfo(float).tiny))

    @property
    def of_actual(self) -> Floats:
        """Probability of the actual class, shape (N,)."""
        found: Floats = self.probabilities[np.arange(len(self.actual)), self.actual]
        return found

    def confusion(self, weights: Floats | None = None) -> Floats:
        """Return counts, shape (K, K): rows are actual classes, columns predicted ones."""
        k = self.n_classes
        cells = self.actual * k + self.predicted
        return np.bincount(cells, weights, minlength=k * k).reshape(k, k).astype(float)

    def reliability(self, weights: Floats | None = None) -> Floats:
        """Return a row for each bin of confidence: how many rows, their confidence and accuracy."""
        weights = np.ones(len(self.actual)) if weights is None else weights
        confidence = self.confidence
        bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
        right = (self.predicted == self.actual).astype(float)
        sums = [
            np.bincount(bins, weights * part, minlength=BINS) for part in (1.0, confidence, right)
        ]
        with np.errstate(invalid="ignore"):
            return np.stack([sums[0], sums[1] / sums[0], sums[2] / sums[0]], axis=1)

    def scores(self, weights: Floats) -> Floats:
        """Return `OF_CLASSIFICATION`, then for each class `OF_A_CLASS`; NaN where not defined.

        Precision is not defined for a class that was never predicted, recall for one that did not
        occur.
        """
        counts = self.confusion(weights)
        total, right = counts.sum(), np.diag(counts)
        actual, predicted = counts.sum(axis=1), counts.sum(axis=0)
        with np.errstate(invalid="ignore"):
            recall, precision = right / actual, right / predicted
            f1 = 2 * right / (actual + predicted)
            by_chance = (actual * predicted).sum() / total**2
            accuracy = right.sum() / total
            kappa = (accuracy - by_chance) / (1 - by_chance)
        balanced = recall[actual > 0].mean()
        found = self.reliability(weights)
        filled = found[found[:, 0] > 0]
        error = (filled[:, 0] * np.abs(filled[:, 1] - filled[:, 2])).sum() / total
        of_classes = np.stack([precision, recall, f1, actual], axis=1)
        return np.concatenate([[accuracy, balanced, kappa, error], of_classes.ravel()])


@dataclass(frozen=True)
class Measured:
    """Predicted numbers beside the actual ones, both of shape (N, T): a column for each target."""

    actual: Floats
    predicted: Floats

    @property
    def losses(self) -> Floats:
        """Squared error of each row; of several targets the mean, each over its variance."""
        errors = (self.predicted - self.actual) ** 2
        if errors.shape[1] > 1:
            varies = np.ptp(self.actual, axis=0) > 0
            errors = errors / np.where(varies, self.actual.var(axis=0), 1.0)
        found: Floats = errors.mean(axis=1)
        return found

    def scores(self, weights: Floats) -> Floats:
        """Return for each target `OF_REGRESSION`; R2 and concordance need a truth that varies.

        References
        ----------
        Lin, L. I.-K. (1989). A concordance correlation coefficient to evaluate reproducibility.
        Biometrics 45.
        """
        share = weights / weights.sum()
        errors = self.predicted - self.actual
        mean_actual, mean_predicted = share @ self.actual, share @ self.predicted
        from_actual, from_predicted = self.actual - mean_actual, self.predicted - mean_predicted
        variance, spread = share @ from_actual**2, share @ from_predicted**2
        varies = np.ptp(self.actual[weights > 0], axis=0) > 0  # the variance, but for rounding
        bias = mean_predicted - mean_actual
        squared = share @ errors**2
        with np.errstate(invalid="ignore", divide="ignore"):
            together = 2 * (share @ (from_actual * from_predicted))
            r2 = np.where(varies, 1 - squared / variance, np.nan)
            concordance = np.where(varies, together / (variance + spread + bias**2), np.nan)
        columns = [np.sqrt(squared), share @ np.abs(errors), r2, bias, concordance]
        return np.stack(columns, axis=1).ravel()
