"""Scores of segmentation: naive counting, and scikit-learn's own."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    jaccard_score,
    precision_score,
    recall_score,
)

from closeness import assert_close
from edaphos_bridge.tasks.overlap import Overlap, confusion_of, mean_of, overall_accuracy

K = 4


@pytest.fixture(scope="module")
def cells():
    """Predictions and truth of three tiles: some unlabelled, class 2 is never predicted."""
    draws = np.random.default_rng(1)
    truth = draws.integers(-1, K, size=(3, 7, 6))
    predicted = np.where(draws.uniform(size=truth.shape) < 0.6, truth.clip(0), 3)
    predicted[predicted == 2] = 1
    return predicted, truth


def confusion(cells, n_classes=K):
    return confusion_of(*map(torch.from_numpy, cells), n_classes).numpy()


def test_counts_are_those_of_each_tile_without_unlabelled_cells(cells):
    found = confusion(cells)
    for tile, predicted, truth in zip(found, *cells, strict=True):
        expected = np.zeros((K, K), dtype=int)
        for is_now, is_true in zip(predicted.flat, truth.flat, strict=True):
            if is_true >= 0:
                expected[is_true, is_now] += 1
        assert np.array_equal(tile, expected)
        known = truth >= 0
        assert np.array_equal(
            tile, confusion_matrix(truth[known], predicted[known], labels=range(K))
        )


def test_scores_are_those_of_scikit_learn(cells):
    predicted, truth = (part[cells[1] >= 0] for part in cells)
    scores = Overlap.of(confusion(cells).sum(axis=0))
    settings = {"labels": range(K), "average": None, "zero_division": 0}
    for found, score in (
        (scores.iou, jaccard_score),
        (scores.f1, f1_score),
        (scores.dice, f1_score),
        (scores.precision, precision_score),
        (scores.recall, recall_score),
    ):
        assert_close(found, score(truth, predicted, **settings), 1e-12)
    expected = [accuracy_score(truth == k, predicted == k) for k in range(K)]
    assert_close(scores.pixel_accuracy, expected, 1e-12)
    assert_close(
        overall_accuracy(confusion(cells).sum(axis=0)), accuracy_score(truth, predicted), 1e-12
    )


def test_scores_of_many_counts_are_those_of_each(cells):
    together = Overlap.of(confusion(cells))
    for number, counts in enumerate(confusion(cells)):
        alone = Overlap.of(counts)
        for name, mean in alone.means().items():
            assert_close(getattr(together, name)[number], getattr(alone, name), 1e-12)
            assert_close(together.means()[name][number], mean, 1e-12)
        assert_close(overall_accuracy(confusion(cells))[number], overall_accuracy(counts), 1e-12)


def test_a_class_that_neither_occurs_nor_is_predicted_does_not_count():
    counts = np.zeros((3, 3), dtype=int)
    counts[0, 0], counts[0, 2] = 6, 2  # 1 is nowhere; 2 does not occur
    scores = Overlap.of(counts)
    assert_close(scores.iou, [6 / 8, math.nan, 0], 1e-12)
    assert_close(scores.precision, [1, math.nan, 0], 1e-12)
    assert_close(scores.recall, [6 / 8, math.nan, 0], 1e-12)
    assert_close(scores.pixel_accuracy, [6 / 8, math.nan, 6 / 8], 1e-12)
    assert_close(scores.means()["iou"], 3 / 8, 1e-12)


def test_of_no_cell_there_is_no_score():
    scores = Overlap.of(np.zeros((3, 3), dtype=int))
    assert all(math.isnan(mean) for mean in scores.means().values())
    assert math.isnan(overall_accuracy(np.zeros((3, 3), dtype=int)))
    assert math.isnan(mean_of(np.array([math.nan, math.nan])))
