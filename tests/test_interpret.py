"""`foundation_interpret()`: what a fit is worth."""

import numpy as np
import pandas as pd
import pytest
import xarray
from sklearn import metrics

from closeness import assert_close
from edaphos_bridge import (
    foundation_attribute,
    foundation_band_importance,
    foundation_fit_regressor,
    foundation_interpret,
    foundation_moco_pretrain_tiles,
    foundation_probe_sweep,
    foundation_tile_dataset,
)
from edaphos_bridge.errors import InputError
from interpreted import BandMeans, classifier_of_means, fit_with, numbers
from small_fits import quick


def data_array(values, bands):
    """A raster whose bands have names."""
    rows, columns = (np.arange(float(n)) for n in values.shape[1:])
    return xarray.DataArray(
        values, dims=("band", "y", "x"), coords={"band": list(bands), "y": -rows, "x": columns}
    )


CLASSES = ["clay", "loam", "sand"]


@pytest.fixture
def fit():
    return classifier_of_means(4 * np.eye(3))


@pytest.fixture
def x():
    signal = np.eye(3)[np.arange(60) % 3][:, :, None, None]
    return np.random.default_rng(1).normal(size=(60, 3, 5, 5), scale=4.0) + signal


@pytest.fixture
def y():
    return np.array(CLASSES)[np.arange(60) % 3]


def test_scores_are_those_of_its_predictions(fit, x, y):
    found = foundation_interpret(fit, x, y, n_boot=50, seed=1)
    table = found.as_table()
    assert list(table.columns) == ["model", "metric", "class", "estimate", "conf_low", "conf_high"]
    overall = table[table["class"].isna()].set_index("metric")
    predicted = fit.predict(x)
    assert_close(overall.loc["accuracy", "estimate"], metrics.accuracy_score(y, predicted), 1e-12)
    inside = table[table["metric"] != "support"]
    assert (inside["conf_low"] <= inside["conf_high"]).all()
    assert table[table["metric"] == "support"]["conf_low"].isna().all()
    assert table["model"].unique().tolist() == ["fit"]
    assert len(found) == 60
    assert (found.seed, found.n_boot, found.units.kind) == (1, 50, "rows")


def test_rows_of_the_confusion_matrix_are_actual(fit, x, y):
    found = foundation_interpret(fit, x, y, n_boot=0)
    expected = pd.crosstab(
        pd.Series(y, name="actual"), pd.Series(list(fit.predict(x)), name="predicted")
    )
    pd.testing.assert_frame_equal(found.confusion, expected, check_dtype=False)


def test_most_confused_are_the_largest_counts_off_the_diagonal(fit, x, y):
    found = foundation_interpret(fit, x, y, n_boot=0)
    pairs = [
        (actual, predicted, found.confusion.loc[actual, predicted])
        for actual in CLASSES
        for predicted in CLASSES
        if actual != predicted and found.confusion.loc[actual, predicted] >= 3
    ]
    expected = sorted(pairs, key=lambda pair: -pair[2])
    confused = found.most_confused(3)
    assert list(confused.itertuples(index=False, name=None)) == expected
    assert len(found.most_confused(1000)) == 0


def test_top_losses_are_the_rows_whose_actual_class_was_least_probable(fit, x, y):
    found = foundation_interpret(fit, x, y, n_boot=0, n_pictures=4)
    worst = found.top_losses(10)
    of_actual = fit.predict_proba(x)[np.arange(60), np.arange(60) % 3]
    rows = np.argsort(of_actual, kind="stable")[:10]
    assert worst["row"].tolist() == rows.tolist()
    assert_close(worst["probability"], of_actual[rows], 1e-12)
    assert_close(worst["loss"], -np.log(of_actual[rows]), 1e-12)
    assert worst["actual"].tolist() == y[rows].tolist()
    assert worst["prediction"].tolist() == [fit.predict(x)[row] for row in rows]
    np.testing.assert_array_equal(found.picture_rows, rows[:4])
    np.testing.assert_array_equal(found.patches, x[rows[:4]].astype(np.float32))
    assert len(found.top_losses()) == 60


def test_groups_are_drawn_together(fit, x, y):
    """Copies of a patch in a group of their own tell no more than the patch."""
    once = foundation_interpret(fit, x, y, n_boot=50, seed=3)
    copies = np.repeat(np.arange(60), 4)
    grouped, not_grouped = (
        foundation_interpret(fit, x[copies], y[copies], n_boot=50, seed=3, **names).as_table()
        for names in ({"groups": [f"p{row}" for row in copies]}, {})
    )
    columns = ["conf_low", "conf_high"]
    alone = once.as_table()
    known = alone["metric"] != "support"
    assert_close(grouped[known][columns], alone[known][columns], 1e-12)
    width = (alone["conf_high"] - alone["conf_low"])[0]
    assert (not_grouped["conf_high"] - not_grouped["conf_low"])[0] < 0.8 * width


def test_blocks_are_drawn_as_groups_are(fit, x, y):
    names = np.arange(60) // 10
    places = np.stack([100 * names + np.arange(60) % 10, np.arange(60)], axis=1)
    one = foundation_interpret(fit, x, y, blocks=places, block_size=100, n_boot=20, seed=1)
    other = foundation_interpret(fit, x, y, groups=pd.Categorical(names), n_boot=20, seed=1)
    pd.testing.assert_frame_equal(one.as_table(), other.as_table())
    assert "20 draws of 6 blocks" in repr(one)


def test_baselines_stand_beside_the_fit_with_the_same_draws(fit, x, y):
    found = foundation_interpret(
        fit, x[30:], y[30:], n_boot=20, seed=1, baselines=True, train=(x[:30], y[:30])
    )
    table = found.as_table()
    assert table["model"].unique().tolist() == ["fit", "random_convolutions", "band_statistics"]
    assert table["model"].value_counts().nunique() == 1
    again = foundation_interpret(
        fit, x[30:], y[30:], n_boot=20, seed=1, baselines=True, train=(x[:30], y[:30])
    )
    pd.testing.assert_frame_equal(again.as_table(), table)
    assert "-- band_statistics" in repr(found)


def test_baselines_learn_from_tiles_in_the_order_of_bands_that_the_encoder_has():
    raster = np.random.default_rng(3).normal(size=(3, 30, 40)) * [[[1]], [[30]], [[900]]]
    codes = np.arange(40) % 2
    ways = []
    tiles = foundation_tile_dataset(data_array(raster, "abc"), patch_size=6, n_patches=40, seed=2)
    encoder = foundation_moco_pretrain_tiles(tiles, feature_dim=4, epochs=1, batch_size=8, seed=1)
    fit = quick(encoder, tiles, codes, val_split=0)
    for order in ("abc", "cab"):
        other = data_array(raster[["abc".index(band) for band in order]], order)
        train = foundation_tile_dataset(other, patch_size=6, n_patches=40, seed=2)
        how = {"baselines": True, "train": (train, codes), "n_boot": 0, "seed": 1}
        ways.append(foundation_interpret(fit, tiles, codes, **how).as_table())
    pd.testing.assert_frame_equal(*ways)


def test_a_fit_of_ours_and_a_sweep_are_interpreted(encoder):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(40, 4, 5, 5)), np.arange(40) % 2
    fit = quick(encoder, x, y)
    before = fit.to_bytes()
    found = foundation_interpret(fit, x, y, n_boot=0)
    assert fit.to_bytes() == before
    assert_close(found.outcome.probabilities, fit.predict_proba(x), 1e-12)
    sweep = foundation_probe_sweep(encoder, x, y, epochs=2, lr=[1e-3], C=[], weight_decay=[0])
    of_sweep = foundation_interpret(sweep, x, y, n_boot=0)
    assert_close(of_sweep.outcome.probabilities, sweep.classifier.predict_proba(x), 1e-12)


def test_one_class_of_the_truth_will_do(fit, x):
    found = foundation_interpret(fit, x[:5], ["loam"] * 5, n_boot=5, seed=1)
    table = found.as_table().set_index(["metric", "class"])
    assert table.loc[("support", "loam"), "estimate"] == 5
    assert np.isnan(table.loc[("recall", "clay"), "estimate"])


def test_printing_says_scores_and_what_was_drawn(fit, x, y):
    lines = foundation_interpret(fit, x, y, n_boot=50, seed=1).describe()
    assert lines[0] == "<edaphos_foundation_interpretation>"
    assert lines[2].endswith("95 %, bootstrap: 50 draws of 60 rows")
    assert lines[3].startswith("  accuracy:")
    assert " taken for " in lines[-1]


@pytest.mark.parametrize("names", [None, ["ph", "clay"]])
def test_a_regressor_has_scores_for_each_target(x, names):
    fit = fit_with(numbers(2, names), BandMeans(), np.eye(3)[:2])
    y = pd.DataFrame(np.random.default_rng(2).normal(size=(60, 2)))
    found = foundation_interpret(fit, x, y, n_boot=20, seed=1, n_pictures=3)
    table = found.as_table()
    assert table["target"].unique().tolist() == (names or ["y1", "y2"])
    first = table[(table["metric"] == "rmse")].iloc[0]
    predicted = x.astype(np.float32)[:, 0].mean(axis=(1, 2))
    assert_close(first["estimate"], np.sqrt(((predicted - y[0]) ** 2).mean()), 1e-6)
    assert first["conf_low"] < first["estimate"] < first["conf_high"]
    worst = found.top_losses(3)
    assert worst["row"].tolist() == found.picture_rows.tolist()
    assert list(worst.columns[-2:]) == ["loss", "row"]
    assert f"rmse of {(names or ['y1'])[0]}" in repr(found)


def test_a_regressor_of_ours_is_interpreted_in_the_units_of_its_targets(encoder):
    x = np.random.default_rng(2).normal(size=(40, 4, 5, 5))
    y = pd.DataFrame({"clay": 30 + 5 * x[:, 0].mean(axis=(1, 2)), "ph": x[:, 1, 0, 0]})
    fit = foundation_fit_regressor(encoder, x, y, epochs=2, seed=1)
    found = foundation_interpret(fit, x, y, n_boot=0)
    table = found.as_table().set_index(["metric", "target"])
    predicted = fit.predict(x)
    for name in y:
        expected = metrics.mean_absolute_error(y[name], predicted[name])
        assert_close(table.loc[("mae", name), "estimate"], expected, 1e-9)
    found = foundation_band_importance(fit, x, y, n_repeats=2, seed=1)
    assert found.metric == "rmse"
    assert foundation_attribute(fit, x[:2], target="ph").target == ["ph", "ph"]


def test_one_target_has_plain_columns_and_baselines(x):
    fit = fit_with(numbers(), BandMeans(), [[1.0, 0.0, 0.0]])
    y = x[:, 0].mean(axis=(1, 2))
    found = foundation_interpret(
        fit, x, y, n_boot=10, seed=1, baselines=True, train=(x, y), groups=np.arange(60) // 6
    )
    assert list(found.top_losses(1).columns) == ["prediction", "actual", "loss", "row"]
    rmse = found.as_table().query("metric == 'rmse'")["estimate"].tolist()
    assert_close(rmse[0], 0.0, 1e-5)
    assert rmse[2] < 0.1  # the mean of a band is one of its statistics


@pytest.mark.parametrize(
    ("changes", "argument", "says"),
    [
        ({"fit": np.eye(3)}, "fit", "must be a fit"),
        ({"x": np.zeros((60, 3, 5))}, "x", "four dimensions"),
        ({"x": np.full((60, 3, 5, 5), np.nan)}, "x", "60 of 60"),
        ({"y": CLASSES}, "y", "each of the 60 patches"),
        ({"y": ["silt"] * 60}, "y", "classes of the fit, clay, loam, sand"),
        ({"y": [None] * 60}, "y", "NA"),
        ({"groups": [1, 2]}, "groups", "60"),
        ({"blocks": np.zeros((60, 2))}, "block_size", "needed"),
        ({"block_size": 2}, "block_size", "`blocks`"),
        ({"groups": range(60), "blocks": range(60)}, "blocks", "one of the two"),
        ({"n_boot": -1}, "n_boot", "whole number"),
        ({"n_boot": 2.5}, "n_boot", "whole number"),
        ({"seed": "a"}, "seed", "whole number"),
        ({"baselines": 1}, "baselines", "true/false"),
        ({"baselines": True}, "train", "pair of patches and truth"),
        ({"baselines": True, "train": np.zeros(3)}, "train", "pair of patches"),
        ({"baselines": True, "train": (np.zeros((2, 3, 5, 5)), ["clay"])}, "train", "truth"),
        ({"baselines": True, "train": (np.zeros((2, 2, 5, 5)), CLASSES[:2])}, "train", "channels"),
        (
            {"baselines": True, "train": (np.full((2, 3, 5, 5), np.nan), CLASSES[:2])},
            "train",
            "NaN",
        ),
        ({"train": (1, 2)}, "train", "`baselines`"),
        ({"n_pictures": None}, "n_pictures", "whole number"),
    ],
)
def test_bad_input_is_refused_before_any_prediction(
    fit, x, y, changes, argument, says, monkeypatch
):
    if "nan" not in str(changes.get("x")):
        monkeypatch.setattr("edaphos_bridge.interpret.values_of", None)
    with pytest.raises(InputError, match=says) as caught:
        foundation_interpret(**{"fit": fit, "x": x, "y": y, **changes})
    assert caught.value.argument == argument


@pytest.mark.parametrize("y", [["a"] * 60, np.zeros((60, 2)), np.full(60, np.inf), None])
def test_a_truth_that_is_no_number_is_refused(x, y):
    fit = fit_with(numbers(), BandMeans(), [[1.0, 0.0, 0.0]])
    with pytest.raises(InputError) as caught:
        foundation_interpret(fit, x, y)
    assert caught.value.argument == "y"


@pytest.mark.parametrize("call", ["most_confused", "top_losses"])
def test_counts_that_are_none_are_refused(fit, x, y, call):
    with pytest.raises(InputError, match="positive whole number"):
        getattr(foundation_interpret(fit, x, y, n_boot=0), call)(0)
