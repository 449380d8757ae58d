"""`foundation_fit_regressor()` and what it returns."""

import copy
import math

import numpy as np
import pandas as pd
import pytest
import torch

from closeness import assert_close
from edaphos_bridge import FoundationClassifier, FoundationRegressor, foundation_fit_regressor
from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.fits.result import FoundationFit
from small_fits import REGIMES, assert_frozen, bad_patches, channel_means, quick


@pytest.fixture
def clay(x):
    """The clay of each patch in per cent, which shows in its first channel."""
    return 40 + 60 * x[:, 0].mean(axis=(1, 2))


@pytest.fixture
def table(clay):
    return pd.DataFrame({"clay": clay, "sand": 90 - 0.8 * clay})


def regress(encoder, x, y, **changes):
    return foundation_fit_regressor(encoder, x, y, **{"epochs": 2, "seed": 1, **changes})


@REGIMES
@pytest.mark.parametrize("loss", ["mse", "huber"])
def test_it_learns_what_can_be_learnt(x, clay, table, loss, freeze_backbone):
    how = {"epochs": 150, "lr": 0.05, "loss": loss, "freeze_backbone": freeze_backbone}
    fit = regress(channel_means(), x, clay, **how)
    assert fit.val_rmse_history[-1] < clay.std() / 10
    assert_close(fit.predict(x), clay, 0.05)
    both = regress(channel_means(), x, table, **how).predict(x)
    assert both.columns.tolist() == ["clay", "sand"]
    assert_close(both, table, 0.05)


def test_predictions_are_in_the_unit_of_the_target(encoder, x, clay):
    fit = regress(encoder, x, clay)
    in_permille = regress(encoder, x, 10 * clay + 5)
    assert_close(in_permille.predict(x), 10 * fit.predict(x) + 5, 1e-5)
    rmse = [10 * value for value in fit.val_rmse_history]
    assert_close(in_permille.val_rmse_history, rmse, 1e-5)
    assert_close(in_permille.loss_history, fit.loss_history, 1e-5)


def test_one_target_gives_a_vector_and_a_table_a_table(encoder, x, clay):
    vector = regress(encoder, x, clay).predict(x)
    named = regress(encoder, x, pd.DataFrame({"clay": clay})).predict(x)
    assert (type(vector), vector.dtype, vector.shape) == (np.ndarray, np.float64, (41,))
    assert named.shape == (41, 1)
    assert np.array_equal(named["clay"], vector)
    assert regress(encoder, x, np.stack([clay, -clay], axis=1)).predict(x[:0]).shape == (0, 2)


def test_it_keeps_what_the_r_original_keeps(encoder, x, clay, table):
    fit = regress(encoder, x, clay, loss="huber", val_split=0)
    assert (fit.y_mean, fit.y_sd) == (clay.mean(), clay.std(ddof=1))
    assert (fit.loss_fn, fit.config["loss"], fit.targets) == ("huber", "huber", None)
    assert all(math.isnan(value) for value in fit.val_rmse_history)
    several = regress(encoder, x, table)
    assert_close(several.y_mean, table.mean(), 1e-14, size=0)
    assert_close(several.y_sd, table.std(), 1e-14, size=0)
    transposed = regress(encoder, x, np.asfortranarray(table))
    assert (transposed.y_mean, transposed.y_sd) == (several.y_mean, several.y_sd)
    assert several.targets == ["clay", "sand"]


def test_printing_says_what_was_learnt(encoder, x, table):
    fit = regress(encoder, x, table["clay"])
    lines = repr(fit).splitlines()
    assert lines[0] == "<edaphos_foundation_regressor>"
    assert lines[1] == f"  target:        {fit.y_mean:.4g} (sd {fit.y_sd:.4g})"
    assert lines[2] == "  loss:          mse"
    best = min(fit.val_rmse_history)
    epoch = fit.val_rmse_history.index(best) + 1
    last = fit.val_rmse_history[-1]
    assert lines[-1] == f"  best val_rmse: {best:.4g} (epoch {epoch}), at the end {last:.4g}"
    named = repr(regress(encoder, x, table)).splitlines()[1]
    assert named.startswith("  targets:       clay ")
    assert "), sand " in named


def test_verbose_reports_the_error_in_the_original_s_line(encoder, x, clay, capsys):
    fit = regress(encoder, x, clay, verbose=True)
    loss, rmse = fit.loss_history[0], fit.val_rmse_history[0]
    first = capsys.readouterr().out.splitlines()[0]
    assert first == f"[regressor] ep   1/2  loss={loss:.4f}  val_rmse={rmse:.4g}"


@REGIMES
def test_it_comes_back_from_a_file_as_itself_and_as_any_fit(
    encoder, x, table, tmp_path, freeze_backbone
):
    for y in (table, table["clay"]):
        fit = regress(encoder, x, y, head="mlp", loss="huber", freeze_backbone=freeze_backbone)
        fit.save(tmp_path / "fit")
        for kind in (FoundationRegressor, FoundationFit):
            twin = kind.load(tmp_path / "fit")
            assert type(twin) is FoundationRegressor
            assert twin.to_bytes() == fit.to_bytes()
            assert np.array_equal(twin.predict(x), fit.predict(x))
            assert (twin.config, repr(twin)) == (fit.config, repr(fit))


def test_a_classifier_is_no_regressor(encoder, x, y, clay):
    with pytest.raises(WeightsError, match="holds a fit of 'regression', not 'classification'"):
        FoundationClassifier.from_bytes(regress(encoder, x, clay).to_bytes())
    with pytest.raises(WeightsError, match="holds a fit of 'classification', not 'regression'"):
        FoundationRegressor.from_bytes(quick(encoder, x, y).to_bytes())
    assert type(FoundationFit.from_bytes(quick(encoder, x, y).to_bytes())) is FoundationClassifier


def test_a_class_of_the_user_s_below_it_reads_its_own(encoder, x, clay):
    class Mine(FoundationRegressor):
        pass

    assert type(Mine.from_bytes(regress(encoder, x, clay).to_bytes())) is Mine


@REGIMES
def test_the_same_seed_gives_the_same_bits_and_nothing_given_changes(
    encoder, x, clay, snapshot, freeze_backbone
):
    before = snapshot(encoder), x.tobytes(), clay.tobytes(), torch.get_rng_state().tolist()
    how = {"freeze_backbone": freeze_backbone, "head": "mlp", "dropout": 0.3}
    one, again, other = (regress(encoder, x, clay, **how, seed=seed) for seed in (3, 3, 4))
    assert one.to_bytes() == again.to_bytes()
    assert one.loss_history != other.loss_history
    after = snapshot(encoder), x.tobytes(), clay.tobytes(), torch.get_rng_state().tolist()
    assert before == after


def test_a_frozen_encoder_stays_as_it_is(encoder, x, clay, state_of):
    state = state_of(encoder)
    assert_frozen(regress(copy.deepcopy(encoder), x, clay), state)


@pytest.mark.parametrize(
    ("argument", "value", "says"),
    [
        ("y", [1.0] * 40 + [math.nan], "holds missing or infinite values in 1 of 41 rows"),
        ("y", [1.0, math.inf] + [2.0] * 39, "(first: 1; counted from 0)"),
        ("y", [1.0, 2.0] * 20, "one row for each of the 41 patches; found 40"),
        ("y", [2.0] * 41, "must vary"),
        ("y", ["Oxisol"] * 41, "must be a number for each patch"),
        ("y", None, "must be a number for each patch"),
        ("loss", "mae", "must be one of 'mse', 'huber'; found 'mae'"),
        ("loss", None, "must be one of 'mse', 'huber'; found None"),
        ("epochs", 0, "positive whole number"),
        ("head", "conv", "must be one of"),
        ("val_split", 1, "less than 1"),
        ("device", "gpu", "must be one of"),
        ("verbose", "no", "true/false"),
        ("x", np.zeros((41, 4)), "four dimensions"),
    ],
)
def test_bad_input_is_named_before_any_training(
    encoder, x, clay, no_training, argument, value, says
):
    with pytest.raises(InputError) as caught:
        foundation_fit_regressor(encoder, **{"x": x, "y": clay, argument: value})
    assert caught.value.argument == argument
    assert says in str(caught.value)


def test_patches_with_missing_cells_are_refused(encoder, x, clay, no_training):
    with pytest.raises(InputError, match="in 2 of 41 patches"):
        regress(encoder, bad_patches("nan", x), clay)


def test_there_is_nothing_to_predict_but_the_response(encoder, x, clay):
    with pytest.raises(InputError, match="`type` must be one of 'response'; found 'prob'"):
        regress(encoder, x, clay).predict(x, type="prob")
