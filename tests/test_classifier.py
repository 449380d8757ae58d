"""`foundation_fit_classifier()`: what goes in, what it returns, and what is shown."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest

from closeness import assert_close
from edaphos_bridge import FoundationClassifier, foundation_fit_classifier, foundation_probe_sweep
from small_fits import CLASSES, REGIMES, quick, same


@REGIMES
def test_a_fit_carries_what_the_original_carries(encoder, x, y, freeze_backbone):
    fit = foundation_fit_classifier(
        encoder, x, y, freeze_backbone=freeze_backbone, head="mlp", hidden=(6, 5), dropout=0.1,
        epochs=3, batch_size=16, lr=0.01, weight_decay=0.001, backbone_lr_mult=0.2,
        val_split=0.25, seed=7,
    )  # fmt: skip
    assert isinstance(fit, FoundationClassifier)
    assert fit.classes == CLASSES
    assert len(fit.loss_history) == len(fit.val_accuracy_history) == 3
    assert all(math.isfinite(loss) for loss in fit.loss_history)
    assert all(0 <= accuracy <= 1 for accuracy in fit.val_accuracy_history)
    assert fit.config == {
        "epochs": 3, "batch_size": 16, "lr": 0.01, "weight_decay": 0.001,
        "backbone_lr_mult": 0.2, "head": "mlp", "hidden": [6, 5], "dropout": 0.1,
        "val_split": 0.25, "seed": 7,
    }  # fmt: skip
    assert (fit.feature_dim, fit.head_type, fit.device) == (8, "mlp", "cpu")
    assert fit.freeze_backbone is freeze_backbone
    assert (fit.in_channels, fit.patch_size) == (4, [5, 5])
    assert fit.class_counts == [list(y).count(name) for name in CLASSES]


def test_the_defaults_are_those_of_the_original(encoder, x, y):
    fit = foundation_fit_classifier(encoder, x, y)
    seed = fit.config.pop("seed")
    assert isinstance(seed, int)
    assert fit.config == {
        "epochs": 30, "batch_size": 32, "lr": 0.001, "weight_decay": 0.0,
        "backbone_lr_mult": 0.1, "head": "linear", "hidden": [64, 32], "dropout": 0.0,
        "val_split": 0.2,
    }  # fmt: skip
    assert fit.freeze_backbone is True
    assert fit.head_type == "linear"
    assert len(fit.loss_history) == 30


def test_settings_are_given_by_name(encoder, x, y):
    with pytest.raises(TypeError, match="positional"):
        foundation_fit_classifier(encoder, x, y, True)


def test_whole_floats_are_whole_numbers(encoder, x, y):
    one = quick(encoder, x, y, epochs=2.0, batch_size=16.0, seed=1.0)
    assert same(one, quick(encoder, x, y, epochs=2, batch_size=16, seed=1))


@REGIMES
def test_training_learns_what_can_be_learnt(encoder, easy, freeze_backbone):
    x, y = easy
    fit = foundation_fit_classifier(
        encoder, x, y, freeze_backbone=freeze_backbone, lr=0.1, epochs=40, seed=1
    )
    assert fit.loss_history[-1] < fit.loss_history[0] / 2
    assert max(fit.val_accuracy_history) > 0.9
    assert (np.asarray(fit.predict(x)) == y).mean() > 0.9


def test_a_fit_without_trouble_warns_of_nothing(encoder, x, y):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick(encoder, x, y)
        quick(encoder, x, y, freeze_backbone=False)


# --- labels -------------------------------------------------------------------------------


def test_the_order_of_a_factors_levels_is_the_order_of_columns_everywhere(encoder, x):
    y = pd.Categorical(
        [["wet", "dry", "moist"][row % 3] for row in range(41)],
        categories=["dry", "never", "moist", "wet"],
        ordered=True,
    )
    fit = quick(encoder, x, y)
    assert fit.classes == ["dry", "moist", "wet"]
    assert fit.predict(x, type="prob").columns.tolist() == ["dry", "moist", "wet"]
    assert fit.predict(x).categories.tolist() == ["dry", "moist", "wet"]
    assert y.categories.tolist() == ["dry", "never", "moist", "wet"]


@pytest.mark.parametrize(
    ("y", "classes"),
    [([7, 3] * 20 + [7], [3, 7]), ([True, False] * 20 + [True], [False, True])],
)
def test_labels_that_are_int_or_bool_stay_so(encoder, x, y, classes, tmp_path):
    fit = quick(encoder, x, y)
    fit.save(tmp_path / "fit")
    for one in (fit, FoundationClassifier.load(tmp_path / "fit")):
        assert [type(value) for value in one.classes] == [type(value) for value in classes]
        assert one.classes == classes
        assert one.predict(x).categories.tolist() == classes
        assert one.predict(x, type="prob").columns.tolist() == classes
        assert set(one.predict(x)) <= set(classes)


@pytest.mark.parametrize("ordered", [True, False])
def test_predictions_are_ordered_where_the_labels_were(encoder, x, y, ordered):
    labels = pd.Categorical(y, categories=CLASSES[::-1], ordered=ordered)
    settings = {"epochs": 1, "seed": 1}
    sweep = foundation_probe_sweep(encoder, x, labels, lr=0.1, C=(), seeds=1, epochs=1)
    for fit in (
        foundation_fit_classifier(encoder, x, labels, **settings),
        foundation_fit_classifier(encoder, x, labels, freeze_backbone=False, **settings),
        sweep.classifier,
    ):
        assert fit.ordered is ordered
        for known in (fit, FoundationClassifier.from_bytes(fit.to_bytes())):
            predicted = known.predict(x)
            assert predicted.ordered is ordered
            assert predicted.categories.tolist() == CLASSES[::-1]


# --- classes and probabilities ------------------------------------------------------------


def test_classes_are_the_most_probable_and_rows_of_probabilities_sum_to_1(encoder, easy):
    x, y = easy
    fit = quick(encoder, x, y, epochs=20, lr=0.1)
    table = fit.predict(x, type="prob")
    assert isinstance(table, pd.DataFrame)
    assert table.shape == (60, 3)
    assert (table.dtypes == np.float64).all()
    assert_close(table.sum(axis=1), np.ones(60), 1e-12)
    assert ((table > 0) & (table < 1)).all(axis=None)
    probabilities = fit.predict_proba(x)
    assert isinstance(probabilities, np.ndarray)
    assert np.array_equal(table.to_numpy(), probabilities)
    classes = fit.predict(x)
    assert isinstance(classes, pd.Categorical)
    assert len(set(classes)) > 1
    assert list(classes) == [fit.classes[code] for code in probabilities.argmax(axis=1)]


@pytest.mark.parametrize("n", [0, 1])
def test_no_row_and_one_row_are_predicted(encoder, x, y, n):
    fit = quick(encoder, x, y)
    classes, table = fit.predict(x[:n]), fit.predict(x[:n], type="prob")
    assert len(classes) == n
    assert classes.categories.tolist() == CLASSES
    assert table.shape == (n, 3)
    assert table.columns.tolist() == CLASSES
    assert fit.predict_proba(x[:n]).shape == (n, 3)
    assert_close(table, fit.predict_proba(x)[:n], 1e-6)


# --- what is shown ------------------------------------------------------------------------


def test_verbose_prints_the_lines_of_the_original(encoder, x, y, capsys):
    fit = quick(encoder, x, y, epochs=11, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[2] == (
        f"[classifier] ep  11/11  loss={fit.loss_history[-1]:.4f}  "
        f"val_acc={fit.val_accuracy_history[-1]:.3f}"
    )


def test_nothing_is_printed_otherwise(encoder, x, y, capsys):
    quick(encoder, x, y)
    assert capsys.readouterr() == ("", "")
