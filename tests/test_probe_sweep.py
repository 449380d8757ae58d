"""foundation_probe_sweep(): each row is its own single fit, the classifier that of all rows."""

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import (
    FoundationClassifier,
    foundation_encoder,
    foundation_fit_classifier,
    foundation_probe_sweep,
    foundation_tile_dataset,
    probe_sweep,
)
from edaphos_bridge.errors import DeviceFallbackWarning, EdaphosWarning, InputError
from edaphos_bridge.training import lbfgs
from small_sweeps import MEASURED, SMALL, bright_labels, bright_patches, sweep_of


@pytest.fixture
def x():
    return bright_patches()


@pytest.fixture
def y():
    return bright_labels()


def test_a_sweep_keeps_the_settings_that_make_it_again(encoder, x, y):
    sweep = sweep_of(encoder, x, y, val_split=0.3, batch_size=16)
    assert sweep.config == {**SMALL, "batch_size": 16, "val_split": 0.3}
    again = foundation_probe_sweep(encoder, x, y, **sweep.config)
    assert again.classifier.to_bytes() == sweep.classifier.to_bytes()
    pd.testing.assert_frame_equal(again.results, sweep.results)
    only_c = sweep_of(encoder, x, y, lr=())
    assert (only_c.config["lr"], only_c.config["weight_decay"]) == ([], [])


# --- the rows -----------------------------------------------------------------------------


def test_each_row_equals_its_own_single_fit(encoder, x, y):
    sweep = sweep_of(encoder, x, y, epochs=20, seeds=(7, 2, 5))
    rows = sweep.results[sweep.results["solver"] == "adam"]
    assert len(rows) == 2 * 2 * 3
    for row in rows.to_dict("records"):
        setting = {name: row[name] for name in ("lr", "weight_decay", "seed")}
        fit = foundation_fit_classifier(encoder, x, y, epochs=20, **setting)
        assert_close(row["train_loss"], fit.loss_history[-1], 1e-6)
        assert_close(row["val_accuracy"], fit.val_accuracy_history[-1], 1e-6)


def test_the_tables_have_a_row_for_each_fit_and_each_setting_in_the_order_given(encoder, x, y):
    sweep = sweep_of(encoder, x, y, lr=[0.1, 0.01], C=[10, 0.1], seeds=[3, 1])
    columns = ["solver", "lr", "weight_decay", "C"]
    assert sweep.results.columns.tolist() == [*columns, "seed", *MEASURED]
    assert sweep.results["seed"].tolist() == [3, 1] * 6
    expected = [("adam", lr, decay, None) for lr in (0.1, 0.01) for decay in (0.0, 0.01)]
    expected += [("lbfgs", None, None, c) for c in (10.0, 0.1)]
    table = sweep.settings[columns].astype(object)
    assert list(table.where(table.notna(), None).itertuples(index=False, name=None)) == expected


def test_settings_are_means_over_seeds(encoder, x, y):
    sweep = sweep_of(encoder, x, y, seeds=(1, 2, 3))
    accuracies = sweep.results["val_accuracy"].to_numpy().reshape(-1, 3)
    losses = sweep.results["val_loss"].to_numpy().reshape(-1, 3)
    settings = sweep.settings
    assert_close(settings["val_accuracy"], accuracies.mean(axis=1), 1e-12)
    assert_close(settings["val_accuracy_sd"], accuracies.std(axis=1, ddof=1), 1e-12)
    assert_close(settings["val_loss"], losses.mean(axis=1), 1e-12)


def test_with_one_seed_the_standard_deviation_is_nan(encoder, x, y):
    sweep = sweep_of(encoder, x, y, seeds=4)
    assert sweep.settings["val_accuracy_sd"].isna().all()
    assert sweep.results["seed"].tolist() == [4] * 5


def test_the_encoder_sees_each_patch_once(encoder, x, y):
    seen = []
    encoder.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    sweep_of(encoder, x, y)
    assert sum(seen) - 1 == 61  # one patch tells the width of the features


# --- the refit ----------------------------------------------------------------------------


def test_the_classifier_is_the_single_fit_on_all_rows_bit_for_bit(encoder, x, y):
    sweep = sweep_of(encoder, x, y, C=(), seeds=(9, 4))
    setting = {"lr": sweep.best["lr"], "weight_decay": sweep.best["weight_decay"]}
    single = foundation_fit_classifier(encoder, x, y, epochs=3, val_split=0, seed=9, **setting)
    assert sweep.classifier.to_bytes() == single.to_bytes()


def test_the_classifier_of_lbfgs_is_the_solution_on_all_rows(encoder, x, y):
    sweep = sweep_of(encoder, x, y, lr=(), C=0.5)
    fit = sweep.classifier
    assert sweep.best == {"solver": "lbfgs", "C": 0.5}
    with torch.no_grad():
        features = fit.encoder(torch.from_numpy(x).float())
    codes = torch.tensor([fit.classes.index(label) for label in y])
    (expected,) = lbfgs.logistic_path(features, codes, 3, [0.5])
    assert_close(fit.head.weight, expected.weight, 1e-5)
    assert_close(fit.head.bias, expected.bias, 1e-5)
    assert fit.config == {
        "solver": "lbfgs", "C": 0.5, "epochs": len(fit.loss_history),
        "head": "linear", "hidden": [64, 32], "dropout": 0.0, "val_split": 0.0, "seed": 3,
    }  # fmt: skip
    p = fit.predict_proba(x)
    assert_close(-np.log(p[range(61), codes]).mean(), fit.loss_history[-1], 1e-6)
    assert np.isnan(fit.val_accuracy_history).all()


@pytest.mark.parametrize("changes", [{"C": ()}, {"lr": ()}])
def test_the_classifier_is_whole_after_save_and_load(encoder, x, y, tmp_path, changes):
    fit = sweep_of(encoder, x, y, **changes).classifier
    fit.save(tmp_path / "fit.safetensors")
    again = FoundationClassifier.load(tmp_path / "fit.safetensors")
    assert again.config == fit.config
    assert repr(again) == repr(fit)
    assert np.array_equal(again.predict_proba(x), fit.predict_proba(x))
    assert again.to_bytes() == fit.to_bytes()


def test_predictions_are_those_of_the_classifier(encoder, x, y):
    sweep = sweep_of(encoder, x, y)
    pd.testing.assert_frame_equal(
        sweep.predict(x, type="prob"), sweep.classifier.predict(x, type="prob")
    )
    assert sweep.predict(x[:5]).tolist() == sweep.classifier.predict(x[:5]).tolist()
    assert np.array_equal(sweep.predict_proba(x), sweep.classifier.predict_proba(x))


def test_a_dataset_gives_predictions_at_points_their_normalisation(encoder, x, y):
    sweep = sweep_of(encoder, x, y)
    raster = np.random.default_rng(4).normal(size=(4, 30, 40))
    size = sweep.classifier.patch_size[0]
    tiles = foundation_tile_dataset(raster, patch_size=size, n_patches=40, seed=1)
    points = [[10.5, 10.5], [20.5, 12.5], [-1, 2]]
    expected = sweep.classifier.predict_proba(raster, coords=points, dataset=tiles)
    found = sweep.predict_proba(raster, coords=points, dataset=tiles)
    assert np.array_equal(found, expected, equal_nan=True)
    classes = sweep.predict(raster, coords=points, dataset=tiles)
    assert classes.codes.tolist() == [*expected[:2].argmax(axis=1), -1]


def test_a_solution_that_has_not_converged_is_warned_about_at_the_line_of_the_caller(
    encoder, x, y, monkeypatch
):
    monkeypatch.setattr(lbfgs, "_ITERATIONS", 1)
    with pytest.warns(EdaphosWarning, match=r"before it converged at C = 1\.0") as caught:
        foundation_probe_sweep(encoder, x, y, **{**SMALL, "lr": ()})
    assert len(caught) == 2  # of the splits, and of all rows
    assert {warning.filename for warning in caught} == {__file__}


def test_a_class_missing_from_a_split_is_warned_about_and_learned_in_the_end(encoder, x, y):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        y[int(torch.randperm(61)[0])] = "Histosol"
    with pytest.warns(EdaphosWarning, match="no training row of: Histosol") as caught:
        sweep = foundation_probe_sweep(encoder, x, y, **SMALL)
    assert caught[0].filename == __file__
    assert "Histosol" in sweep.classifier.classes
    assert sweep.results[MEASURED].notna().all(axis=None)


# --- what goes in -------------------------------------------------------------------------


def test_the_same_call_gives_the_same_result_and_leaves_the_generator(encoder, x, y):
    state = torch.get_rng_state()
    one = sweep_of(encoder, x, y)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    other = sweep_of(encoder, x, y)
    pd.testing.assert_frame_equal(one.results, other.results, check_exact=True)
    assert one.classifier.to_bytes() == other.classifier.to_bytes()


@pytest.mark.parametrize("evaluation", [1, 4])
def test_ctrl_c_in_lbfgs_leaves_nothing_behind(encoder, x, y, monkeypatch, snapshot, evaluation):
    expected, before = sweep_of(encoder, x, y), snapshot(encoder)
    state, evaluations, original = torch.get_rng_state(), [], lbfgs._mean_loss

    def interrupted(*args):
        evaluations.append(args)
        if len(evaluations) == evaluation:
            raise KeyboardInterrupt
        return original(*args)

    with monkeypatch.context() as patched:
        patched.setattr(lbfgs, "_mean_loss", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sweep_of(encoder, x, y)
    assert torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), state)
    assert snapshot(encoder) == before
    again = sweep_of(encoder, x, y)
    pd.testing.assert_frame_equal(again.results, expected.results, check_exact=True)


def test_nothing_that_is_given_is_changed(dropout_encoder, x, y, snapshot):
    dropout_encoder.train()
    dropout_encoder.register_forward_hook(lambda module, inputs, output: None)
    lists = {name: list(SMALL[name]) for name in ("lr", "weight_decay", "C", "seeds")}
    before = snapshot(dropout_encoder), x.copy(), list(y), copy.deepcopy(lists)
    sweep_of(dropout_encoder, x, y, **lists)
    assert snapshot(dropout_encoder) == before[0]
    assert np.array_equal(x, before[1])
    assert (y, lists) == before[2:]


def test_a_fit_stands_for_its_encoder(encoder, x, y):
    fit = foundation_fit_classifier(encoder, x, y, epochs=1, seed=1)
    assert sweep_of(fit, x, y).classifier.to_bytes() == (
        sweep_of(encoder, x, y).classifier.to_bytes()
    )


def test_two_classes_and_true_or_false_as_labels(encoder, x):
    sweep = sweep_of(encoder, x, [row % 2 == 0 for row in range(61)])
    assert sweep.classifier.classes == [False, True]
    assert sweep.predict(x).categories.tolist() == [False, True]


def test_patches_in_a_file_give_what_they_give_in_memory(encoder, x, y, tmp_path):
    x = x.astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    expected = sweep_of(encoder, x, y)
    for source in (tmp_path / "x.npy", np.load(tmp_path / "x.npy", mmap_mode="r")):
        found = sweep_of(encoder, source, y)
        pd.testing.assert_frame_equal(found.results, expected.results, check_exact=True)
        assert found.classifier.to_bytes() == expected.classifier.to_bytes()


@pytest.mark.filterwarnings("ignore:.*share cells with another")
def test_a_tile_dataset_gives_its_normalisation_to_the_classifier(encoder):
    raster = np.random.default_rng(4).normal(size=(4, 30, 40))
    tiles = foundation_tile_dataset(raster, patch_size=5, n_patches=40, seed=1)
    sweep = sweep_of(encoder, tiles, [f"class {row % 3}" for row in range(40)])
    assert sweep.classifier.normalisation is not None
    assert sweep.classifier.patch_size == [5, 5]


@pytest.mark.parametrize(
    ("argument", "changes"),
    [
        ("lr", {"lr": "a"}), ("lr", {"lr": (), "C": ()}), ("C", {"C": 0}), ("C", {"C": [1, 1]}),
        ("weight_decay", {"weight_decay": -1}), ("seeds", {"seeds": [1, 1]}),
        ("val_split", {"val_split": 0}), ("epochs", {"epochs": 0}), ("device", {"device": "gpu"}),
        ("verbose", {"verbose": "yes"}), ("val_split", {"val_split": 1}),
        ("encoder", {"encoder": nn.Identity}),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_an_error_before_any_training(
    encoder, x, y, monkeypatch, argument, changes
):
    def fit_grid(*args):
        raise AssertionError("training started")

    monkeypatch.setattr(probe_sweep, "fit_grid", fit_grid)
    with pytest.raises(InputError) as caught:
        foundation_probe_sweep(**{"encoder": encoder, "x": x, "y": y, **SMALL, **changes})
    assert caught.value.argument == argument


def test_a_missing_label_or_value_is_an_error_before_any_training(encoder, x, y, monkeypatch):
    def fit_grid(*args):
        raise AssertionError("training started")

    monkeypatch.setattr(probe_sweep, "fit_grid", fit_grid)
    with pytest.raises(InputError, match="`y` must have one label for each of the 61 patches"):
        sweep_of(encoder, x, y[:60])
    x[7, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match=r"^`x` .*first: 7"):
        sweep_of(encoder, x, y)


def test_a_missing_device_falls_back_to_the_cpu(encoder, x, y, monkeypatch):
    monkeypatch.setattr("edaphos_bridge.basics.devices.is_available", lambda name: name == "cpu")
    with pytest.warns(DeviceFallbackWarning) as caught:
        sweep = sweep_of(encoder, x, y, device="cuda")
    assert len(caught) == 1
    assert sweep.classifier.device == "cpu"


# --- what is shown ------------------------------------------------------------------------


def test_printing_shows_the_best_setting(encoder, x, y):
    sweep = sweep_of(encoder, x, y, lr=(), C=(0.5,))
    accuracy = sweep.settings["val_accuracy"].max()
    assert repr(sweep).splitlines() == [
        "<edaphos_probe_sweep>",
        "  settings:      1, each with 2 seeds",
        "  best:          lbfgs, C = 0.5",
        f"  val_acc:       {accuracy:.3f}",
        "  classes:       Inceptisol, Oxisol, Ultisol",
    ]
    one = sweep_of(encoder, x, y, lr=0.01, weight_decay=1e-4, C=(), seeds=8)
    assert "  settings:      1, each with 1 seed" in repr(one)
    assert "  best:          adam, lr = 0.01, weight_decay = 0.0001" in repr(one)


def test_verbose_prints_epoch_one_every_tenth_and_the_last(encoder, x, y, capsys):
    sweep_of(encoder, x, y, epochs=12, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    heads = ["[classifier] ep   1/12", "[classifier] ep  10/12", "[classifier] ep  12/12"]
    assert [line[:22] for line in lines] == heads
    sweep_of(encoder, x, y)
    assert capsys.readouterr().out == ""


def test_an_encoder_of_another_width_works_too(x, y):
    encoder = foundation_encoder("simclr", 4, feature_dim=5, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sweep_of(encoder, x, y).classifier.feature_dim == 5
