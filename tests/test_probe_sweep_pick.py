"""Which setting a sweep picks: the highest mean accuracy, and what follows where some are equal."""

import numpy as np
import pandas as pd
import pytest

from edaphos_bridge import probe_sweep
from edaphos_bridge.errors import TrainingError
from small_sweeps import MEASURED, bright_labels, bright_patches, sweep_of


@pytest.fixture
def x():
    return bright_patches()


@pytest.fixture
def y():
    return bright_labels()


@pytest.fixture
def given_results(monkeypatch):
    """Make the sweep find these rows instead of training: a list of rows, then the call."""

    def give(rows):
        monkeypatch.setattr(probe_sweep, "fit_grid", lambda *args: rows)

    return give


def adam_row(lr, seed, accuracy, loss, weight_decay=0.0):
    return {
        **{"solver": "adam", "lr": lr, "weight_decay": weight_decay, "C": np.nan, "seed": seed},
        **{"train_loss": 1.0, "val_loss": loss, "val_accuracy": accuracy},
    }


def test_the_highest_mean_accuracy_is_picked(encoder, x, y, given_results):
    given_results(
        [adam_row(lr, seed, accuracy, 1.0)
         for lr, accuracies in [(0.1, (0.9, 0.1)), (0.2, (0.6, 0.6)), (0.3, (0.5, 0.5))]
         for seed, accuracy in zip((3, 1), accuracies, strict=True)]
    )  # fmt: skip
    sweep = sweep_of(encoder, x, y)
    assert sweep.best == {"solver": "adam", "lr": 0.2, "weight_decay": 0.0}


def test_between_equal_means_the_lower_validation_loss_decides_then_the_order(
    encoder, x, y, given_results
):
    """The three means are equal as numbers, but not to the last bit."""
    thirds = [0.1, 0.2, 0.3]
    orders = [(0, 1, 2), (2, 1, 0), (1, 0, 2)]
    assert len({pd.Series([thirds[i] for i in order]).mean() for order in orders}) > 1
    for losses, winner in [((1.0, 0.5, 0.7), 0.2), ((1.0, 1.0, 1.0), 0.1), ((1, 0.5, 0.5), 0.2)]:
        given_results(
            [adam_row(lr, seed, thirds[i], loss)
             for lr, order, loss in zip((0.1, 0.2, 0.3), orders, losses, strict=True)
             for seed, i in zip((3, 1, 2), order, strict=True)]
        )  # fmt: skip
        assert sweep_of(encoder, x, y).best["lr"] == winner


def test_a_setting_of_which_one_fit_diverged_comes_last(encoder, x, y, given_results):
    given_results(
        [adam_row(0.1, 3, 1.0, 0.1), adam_row(0.1, 1, np.nan, np.nan),
         adam_row(0.2, 3, 0.2, 2.0), adam_row(0.2, 1, 0.2, 2.0)]
    )  # fmt: skip
    sweep = sweep_of(encoder, x, y)
    assert sweep.best["lr"] == 0.2
    columns = ["val_accuracy", "val_accuracy_sd", "val_loss"]
    assert sweep.settings.loc[0, columns].isna().all()


def test_a_setting_that_diverges_is_nan_and_another_is_picked(encoder, x, y):
    sweep = sweep_of(encoder, x, y, lr=[1e38, 0.01], C=())
    assert sweep.results[MEASURED].isna().all(axis=1).tolist() == [True] * 4 + [False] * 4
    assert sweep.best["lr"] == 0.01


def test_where_every_rate_diverges_lbfgs_is_picked(encoder, x, y):
    assert sweep_of(encoder, x, y, lr=1e38).best == {"solver": "lbfgs", "C": 1.0}


def test_where_everything_diverges_it_is_an_error(encoder, x, y):
    with pytest.raises(TrainingError, match="diverged with every setting"):
        sweep_of(encoder, x, y, lr=1e38, C=())
