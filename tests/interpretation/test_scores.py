"""Scores are those of scikit-learn, and weights count rows as often as they say."""

import numpy as np
import pytest
from sklearn import metrics

from closeness import assert_close
from edaphos_bridge.interpretation.scores import (
    BINS,
    OF_A_CLASS,
    OF_CLASSIFICATION,
    OF_REGRESSION,
    Classified,
    Measured,
)
from interpreted import guesses


def named(outcome, weights=None):
    weights = np.ones(len(outcome.actual)) if weights is None else weights
    found = outcome.scores(weights)
    names = OF_CLASSIFICATION if isinstance(outcome, Classified) else OF_REGRESSION
    return dict(zip(names, found, strict=False)), found


@pytest.fixture
def classified():
    return Classified(*guesses(200, 4))


def test_scores_of_a_classifier_are_those_of_scikit_learn(classified):
    actual, predicted = classified.actual, classified.predicted
    scores, found = named(classified)
    assert_close(scores["accuracy"], metrics.accuracy_score(actual, predicted), 1e-12)
    assert_close(
        scores["balanced_accuracy"], metrics.balanced_accuracy_score(actual, predicted), 1e-12
    )
    assert_close(scores["kappa"], metrics.cohen_kappa_score(actual, predicted), 1e-12)
    expected = metrics.precision_recall_fscore_support(actual, predicted, zero_division=np.nan)
    of_classes = found[len(OF_CLASSIFICATION) :].reshape(4, len(OF_A_CLASS))
    assert_close(of_classes, np.stack(expected, axis=1), 1e-12)
    np.testing.assert_array_equal(
        classified.confusion(), metrics.confusion_matrix(actual, predicted)
    )
    labels = np.arange(4)
    loss = metrics.log_loss(actual, classified.probabilities, labels=labels)
    assert_close(classified.losses.mean(), loss, 1e-12)


def test_the_calibration_error_is_the_mean_gap_of_bins_of_confidence(classified):
    confidence = classified.probabilities.max(axis=1)
    right = classified.probabilities.argmax(axis=1) == classified.actual
    expected = 0.0
    for number in range(BINS):
        inside = (confidence > number / BINS) & (confidence <= (number + 1) / BINS)
        if inside.any():
            expected += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    assert_close(named(classified)[0]["calibration_error"], expected, 1e-12)


def test_weights_are_repeated_rows(classified):
    times = np.random.default_rng(2).integers(0, 4, size=200)
    rows = np.repeat(np.arange(200), times)
    repeated = Classified(classified.actual[rows], classified.probabilities[rows])
    assert_close(named(classified, times.astype(float))[1], named(repeated)[1], 1e-12)


def test_what_never_occurred_or_was_never_predicted_is_not_defined():
    probabilities = np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.7, 0.3, 0.0]])
    outcome = Classified(np.array([0, 0, 1]), probabilities)
    scores, found = named(outcome)
    precision, recall, f1, support = found[len(OF_CLASSIFICATION) :].reshape(3, 4).T
    assert_close(precision, [2 / 3, np.nan, np.nan], 1e-12)
    assert_close(recall, [1.0, 0.0, np.nan], 1e-12)
    assert_close(f1, [0.8, 0.0, np.nan], 1e-12)
    assert support.tolist() == [2, 1, 0]
    assert scores["balanced_accuracy"] == 0.5  # of the classes that occur


def test_the_loss_of_an_actual_class_without_probability_is_finite():
    assert np.isfinite(Classified(np.array([1]), np.array([[1.0, 0.0]])).losses).all()


@pytest.fixture
def measured():
    rng = np.random.default_rng(3)
    actual = rng.normal(size=(80, 2)) * [1, 50] + [3, -100]
    return Measured(actual, actual + rng.normal(size=(80, 2)) * [0.5, 20] + [0.1, 4])


def test_scores_of_a_regressor_are_those_of_scikit_learn(measured):
    found = named(measured)[1].reshape(2, len(OF_REGRESSION))
    for column, scores in enumerate(found):
        truth, predicted = measured.actual[:, column], measured.predicted[:, column]
        covariance = np.mean((truth - truth.mean()) * (predicted - predicted.mean()))
        bias = predicted.mean() - truth.mean()
        expected = {
            "rmse": np.sqrt(metrics.mean_squared_error(truth, predicted)),
            "mae": metrics.mean_absolute_error(truth, predicted),
            "r2": metrics.r2_score(truth, predicted),
            "bias": bias,
            "concordance": 2 * covariance / (truth.var() + predicted.var() + bias**2),
        }
        assert_close(dict(zip(OF_REGRESSION, scores, strict=True)), expected, 1e-11)


def test_weights_of_numbers_are_repeated_rows(measured):
    times = np.random.default_rng(2).integers(0, 4, size=80)
    rows = np.repeat(np.arange(80), times)
    repeated = Measured(measured.actual[rows], measured.predicted[rows])
    assert_close(named(measured, times.astype(float))[1], named(repeated)[1], 1e-11)


def test_r2_is_not_defined_where_the_truth_does_not_vary():
    outcome = Measured(np.ones((3, 1)), np.array([[1.0], [2.0], [3.0]]))
    scores = named(outcome)[0]
    assert np.isnan(scores["r2"])
    assert scores["bias"] == 1.0
    # nor where the mean of equal numbers is rounded, or the rows that vary do not count
    for value, weights in ((12.3, [1, 1, 1]), (0.1, [1, 2, 4]), (0.7, [3, 3, 0])):
        truth = np.array([[value], [value], [value if weights[2] else 5.0]])
        scores = named(Measured(truth, np.array([[1.0], [2.0], [3.0]])), np.array(weights, float))[
            0
        ]
        assert np.isnan([scores["r2"], scores["concordance"]]).all()


def test_the_loss_of_several_targets_counts_each_in_its_own_spread(measured):
    errors = (measured.predicted - measured.actual) ** 2 / measured.actual.var(axis=0)
    assert_close(measured.losses, errors.mean(axis=1), 1e-12)
    one = Measured(measured.actual[:, :1], measured.predicted[:, :1])
    assert_close(one.losses, ((one.predicted - one.actual) ** 2)[:, 0], 1e-12)
