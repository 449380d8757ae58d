"""Scores of the ways of fine-tuning: docs/comparison/fine_tuning.py."""

import numpy as np
from docs.comparison.ways_scores import Estimate, WayScores, accuracies, scores_of, verdicts
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from closeness import assert_close

RNG = np.random.default_rng(1)
TRUTH = RNG.integers(0, 3, 60)
BLOCKS = np.arange(60) // 10
PREDICTED = {
    ("", "guess"): RNG.integers(0, 3, 60),
    ("moco", "probe"): np.where(np.arange(60) % 4, TRUTH, 0),
    ("moco", "right"): TRUTH,
}


def found(n_boot: int = 200) -> dict[tuple[str, str], WayScores]:
    return scores_of(PREDICTED, TRUTH, BLOCKS, reference=("moco", "probe"), n_boot=n_boot, seed=1)


def test_accuracies_are_those_of_scikit_learn_on_rows_that_count_so_often() -> None:
    times = RNG.integers(0, 3, 60)
    rows = np.repeat(np.arange(60), times)
    for predicted in PREDICTED.values():
        right = (predicted == TRUTH).astype(float)[None]
        accuracy, balanced = accuracies(right, TRUTH, np.unique(TRUTH), times.astype(float))
        assert_close(accuracy[0], accuracy_score(TRUTH[rows], predicted[rows]), 1e-12)
        expected = balanced_accuracy_score(TRUTH[rows], predicted[rows])
        assert_close(balanced[0], expected, 1e-12)


def test_a_class_that_was_not_drawn_counts_nothing() -> None:
    weights = (TRUTH != 2).astype(float)
    _, balanced = accuracies(np.ones((1, 60)), TRUTH, np.unique(TRUTH), weights)
    assert balanced.tolist() == [1]


def test_an_interval_holds_its_score_and_that_of_the_reference_against_itself_is_none() -> None:
    scores = found()
    for each in scores.values():
        for score in (each.accuracy, each.balanced, each.difference):
            assert score.low <= score.value <= score.high
    assert scores["moco", "probe"].difference == Estimate(0, 0, 0)
    assert scores["moco", "right"].accuracy == Estimate(1, 1, 1)
    assert scores["", "guess"].accuracy.low < scores["", "guess"].accuracy.high


def test_a_seed_gives_the_same_intervals() -> None:
    assert found() == found()


def test_a_verdict_names_what_differs_for_certain() -> None:
    names = {way: " ".join(way).strip() for way in PREDICTED}
    (line,) = verdicts({"20": found()}, names, {"20": "20 labels per class"})
    value = found()["moco", "right"].difference.value
    assert f"better: moco right ({value:+.3f})" in line
    assert "worse: guess (" in line
    assert "probe" not in line
