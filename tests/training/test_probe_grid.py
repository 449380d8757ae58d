"""The grid: its arguments, and its rows against single fits of heads on the same features."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from closeness import assert_close
from edaphos_bridge import foundation_fit_classifier
from edaphos_bridge.data.labels import as_labels
from edaphos_bridge.errors import EdaphosWarning, InputError
from edaphos_bridge.tasks.classification import Classification
from edaphos_bridge.training.events import Events
from edaphos_bridge.training.lbfgs import logistic_path
from edaphos_bridge.training.probe_grid import ProbeGrid, fit_grid
from heard import Heard

N, D = 90, 6
CLASSES = ["Inceptisol", "Oxisol", "Ultisol"]


def grid_rows(features, labels, grid, events):
    return fit_grid(features, Classification.of(labels), labels.codes, grid, events)


def grid_of(**changes):
    arguments = {
        **{"lr": [0.01, 0.1], "weight_decay": [0.0, 0.01], "C": [], "seeds": [7, 2, 5]},
        **{"epochs": 4, "batch_size": 32, "val_split": 0.2},
    }
    return ProbeGrid.checked(**{**arguments, **changes})


@pytest.fixture
def features():
    return torch.randn(N, D, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def y(features):
    """Three classes that the features tell apart, mostly."""
    noise = torch.randn(N, 3, generator=torch.Generator().manual_seed(2))
    return [CLASSES[code] for code in (features[:, :3] + noise / 2).argmax(dim=1).tolist()]


def split(seed, n_val=18):
    """Training and validation rows, as docs/design.md states that a seed draws them."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        val_rows = torch.randperm(N)[:n_val]
    train_rows = torch.tensor(sorted(set(range(N)) - set(val_rows.tolist())))
    return train_rows, val_rows


# --- rows ---------------------------------------------------------------------------------


def test_each_row_is_the_single_fit_with_its_setting_and_seed(features, y):
    """Seeds are not in order, and the last batch is smaller than the others."""
    rows = grid_rows(features, as_labels(y), grid_of(epochs=30), Events())
    settings = [(lr, decay) for lr in (0.01, 0.1) for decay in (0.0, 0.01)]
    assert [(row["lr"], row["weight_decay"], row["seed"]) for row in rows] == [
        (*setting, seed) for setting in settings for seed in (7, 2, 5)
    ]
    for row in rows:
        setting = {name: row[name] for name in ("lr", "weight_decay", "seed")}
        x = features.numpy()[:, :, None, None]
        fit = foundation_fit_classifier(nn.Flatten(), x, y, epochs=30, **setting)
        val_rows = split(row["seed"])[1]
        p = fit.predict_proba(x[val_rows.numpy()])
        codes = [CLASSES.index(y[i]) for i in val_rows]
        val_loss = -np.log(p[range(18), codes]).mean()
        assert_close(row["train_loss"], fit.loss_history[-1], 1e-6)
        assert_close(row["val_accuracy"], fit.val_accuracy_history[-1], 1e-6)
        assert_close(row["val_loss"], val_loss, 1e-6)
        assert row["solver"] == "adam"
        assert math.isnan(row["C"])


def test_a_row_of_lbfgs_is_the_solution_on_its_split(features, y):
    labels = as_labels(y)
    rows = grid_rows(features, labels, grid_of(lr=[], C=[10, 0.1]), Events())
    assert [(row["C"], row["seed"]) for row in rows] == [
        (c, seed) for c in (10.0, 0.1) for seed in (7, 2, 5)
    ]
    for row in rows:
        train_rows, val_rows = split(row["seed"])
        train_targets, val_targets = labels.codes[train_rows], labels.codes[val_rows]
        (head,) = logistic_path(features[train_rows], train_targets, 3, [row["C"]])
        logits = functional.linear(features, head.weight, head.bias)
        right = logits[val_rows].argmax(dim=1) == val_targets
        train_loss = functional.cross_entropy(logits[train_rows], train_targets).item()
        val_loss = functional.cross_entropy(logits[val_rows], val_targets).item()
        assert_close(row["train_loss"], train_loss, 1e-5)
        assert_close(row["val_loss"], val_loss, 1e-5)
        assert row["val_accuracy"] == right.double().mean().item()
        assert row["solver"] == "lbfgs"
        assert math.isnan(row["lr"])
        assert math.isnan(row["weight_decay"])


def test_reports_tell_the_lowest_loss_and_the_highest_accuracy_of_an_epoch(features, y):
    events = Heard()
    rows = grid_rows(features, as_labels(y), grid_of(C=[1.0]), events)
    adam = [row for row in rows if row["solver"] == "adam"]
    assert [(report.epoch, report.epochs) for report in events.reports] == [
        (i, 4) for i in range(1, 5)
    ]
    assert events.reports[-1].loss == min(row["train_loss"] for row in adam)
    assert events.reports[-1].score == max(row["val_accuracy"] for row in adam)


def test_where_one_setting_diverges_its_rows_are_nan_and_the_others_are_not(features, y):
    events = Heard()
    labels = as_labels(y)
    rows = grid_rows(features, labels, grid_of(lr=[0.1, 1e38]), events)
    alone = grid_rows(features, labels, grid_of(lr=[0.1]), Events())
    measured = ("train_loss", "val_loss", "val_accuracy")
    for row in rows:
        assert all(math.isnan(row[name]) == (row["lr"] == 1e38) for name in measured)
    for row, same in zip(rows[:6], alone, strict=True):
        assert_close([row[name] for name in measured], [same[name] for name in measured], 1e-6)
    assert all(math.isfinite(report.loss) for report in events.reports)


def test_where_every_rate_diverges_lbfgs_is_still_there(features, y):
    events = Heard()
    rows = grid_rows(features, as_labels(y), grid_of(lr=[1e38], C=[1.0]), events)
    usable = [math.isfinite(row["val_accuracy"]) for row in rows]
    assert usable == [row["solver"] == "lbfgs" for row in rows]
    assert len(events.reports) < 4


def test_a_class_without_training_rows_is_warned_about_and_no_error(features):
    val_row = int(split(7)[1][0])
    y = ["Oxisol" if i % 2 else "Ultisol" for i in range(N)]
    y[val_row] = "Histosol"
    with pytest.warns(EdaphosWarning, match="left no training row of: Histosol"):
        rows = grid_rows(features, as_labels(y), grid_of(C=[1.0], seeds=7), Events())
    assert all(math.isfinite(row["val_accuracy"]) for row in rows)


def test_features_and_generator_are_left_as_they_are(features, y):
    before, state = features.clone(), torch.get_rng_state()
    grid_rows(features, as_labels(y), grid_of(C=[1.0]), Events())
    assert torch.equal(features, before)
    assert torch.equal(torch.get_rng_state(), state)


# --- arguments ----------------------------------------------------------------------------


def test_a_number_is_a_grid_of_one():
    assert grid_of(lr=0.1, weight_decay=0, C=1, seeds=3) == grid_of(
        lr=[0.1], weight_decay=[0.0], C=[1.0], seeds=[3]
    )


@pytest.mark.parametrize("kind", [tuple, np.array, iter])
def test_any_sequence_of_numbers_will_do(kind):
    assert grid_of(lr=kind([0.1, 0.2]), seeds=kind([3, 1])) == grid_of(lr=[0.1, 0.2], seeds=[3, 1])


def test_an_empty_lr_leaves_adam_out_and_an_empty_c_leaves_lbfgs_out():
    assert grid_of(lr=(), C=[1]).adam == []
    assert grid_of(lr=(), weight_decay=(), C=[1]).adam == []
    assert grid_of(C=()).path == []


def test_seeds_go_as_far_as_those_of_a_single_fit():
    assert grid_of(seeds=[2**53, -(2**53), 0]).seeds == [2**53, -(2**53), 0]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("lr", "a"), ("lr", b"1"), ("lr", None), ("lr", ["a"]), ("lr", 0), ("lr", [0.1, -1]),
        ("lr", [0.1, math.nan]), ("lr", math.inf), ("lr", [True]), ("lr", [[0.1]]), ("lr", []),
        ("lr", [0.1, 0.2, 0.1]), ("lr", np.array("a")),
        ("weight_decay", -1e-9), ("weight_decay", []), ("weight_decay", [0.0, -0.0]),
        ("C", 0), ("C", [1, -1]), ("C", [1, 1.0]), ("C", "1"), ("C", None),
        ("seeds", []), ("seeds", [1, 1]), ("seeds", 1.5), ("seeds", 2**53 + 1), ("seeds", None),
        ("seeds", "1"), ("seeds", [True]),
        ("epochs", 0), ("batch_size", 2.5), ("val_split", 0), ("val_split", 1), ("val_split", "a"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_an_error_that_names_the_argument(argument, value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=f"^`{argument}` ") as caught:
            grid_of(**{argument: value})
    assert caught.value.argument == argument
