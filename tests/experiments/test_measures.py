"""How good predictions are, against the formulas written out."""

from types import SimpleNamespace

import numpy as np

from closeness import assert_close
from edaphos_bridge.experiments.measures import measures_of

ROWS = np.array([0, 2, 3, 5])


def fit_of(task, classes=None, **more):
    return SimpleNamespace(task=SimpleNamespace(name=task, classes=classes), **more)


def test_of_a_classifier_accuracy_balanced_accuracy_and_log_loss():
    y = ["b", "a", "b", "a", "c", "b"]  # b, b, a, b are judged: c is not there
    probabilities = np.array([[0.1, 0.9, 0], [0.6, 0.4, 0], [0, 1, 0], [0.2, 0.7, 0.1]])
    found = measures_of(fit_of("classification", ["a", "b", "c"]), y, ROWS, probabilities, None)
    least = np.finfo(float).eps
    expected = {
        "accuracy": 2 / 4,
        "balanced_accuracy": (2 / 3 + 0) / 2,
        "log_loss": -(np.log(0.9) + np.log(0.4) + np.log(least) + np.log(0.7)) / 4,
    }
    assert_close(found, expected, 1e-12)
    # columns are in the order of the fit's classes, whatever that of the labels
    turned = measures_of(
        fit_of("classification", ["c", "b", "a"]), y, ROWS, probabilities[:, ::-1], None
    )
    assert_close(turned, expected, 1e-12)


def test_of_a_regressor_means_over_targets():
    y = np.array([[1.0, 10], [9, 9], [2, 20], [3, 30], [9, 9], [4, 40]])
    predicted = np.array([[1.0, 12], [2, 18], [3, 30], [6, 40]])
    found = measures_of(fit_of("regression"), y, ROWS, predicted, None)
    expected = {
        "rmse": (np.sqrt(4 / 4) + np.sqrt(8 / 4)) / 2,
        "mae": (2 + 2 + 2) / 8,
        "r_squared": ((1 - 4 / 5) + (1 - 8 / 500)) / 2,
    }
    assert_close(found, expected, 1e-12)
    one = measures_of(fit_of("regression"), y[:, 0], ROWS, predicted[:, :1], None)
    assert_close(one, {"rmse": 1.0, "mae": 0.5, "r_squared": 0.2}, 1e-12)
    flat = measures_of(fit_of("regression"), np.ones(6), ROWS, predicted[:, :1], None)
    assert np.isnan(flat["r_squared"])


def test_of_any_other_task_its_own_last_score():
    fit = fit_of("another task", score_name="val_iou", score_history=[0.1, 0.4])
    assert measures_of(fit, None, ROWS, np.zeros((4, 1)), None) == {"val_iou": 0.4}
