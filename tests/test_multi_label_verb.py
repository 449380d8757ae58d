"""`foundation_fit_multilabel()` and what it returns."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from closeness import assert_close
from edaphos_bridge import (
    FoundationFit,
    FoundationMultiLabel,
    foundation_finetune_ensemble,
    foundation_fit_multilabel,
    foundation_mcdropout_predict,
)
from edaphos_bridge.errors import InputError
from small_fits import REGIMES, channel_means


@pytest.fixture
def scenes():
    """60 patches with any of three labels, each of which lights up a channel."""
    held = np.random.default_rng(5).uniform(size=(60, 3)) < 0.4
    x = np.random.default_rng(3).normal(size=(60, 4, 5, 5))
    x[:, :3] += 3 * held[:, :, None, None]
    return x, pd.DataFrame(held, columns=["crop", "water", "wood"])


def tag(encoder, x, y, **changes):
    return foundation_fit_multilabel(encoder, x, y, **{"epochs": 2, "seed": 1, **changes})


def lists_of(table):
    return [table.columns[row].tolist() for row in table.to_numpy()]


@pytest.fixture
def fit(encoder, scenes):
    return tag(encoder, *scenes)


@REGIMES
def test_it_learns_what_can_be_learnt(scenes, freeze_backbone):
    x, y = scenes
    fit = tag(channel_means(), x, y, epochs=60, lr=0.1, freeze_backbone=freeze_backbone)
    assert (fit.predict(x) == y).to_numpy().mean() > 0.95
    assert fit.val_f1_history[-1] > 0.9


def test_lists_and_tables_of_the_same_labels_are_the_same_fit(encoder, scenes, fit):
    x, y = scenes
    for same in (lists_of(y), y.astype(int), y.astype("boolean")):
        assert tag(encoder, x, same).to_bytes() == fit.to_bytes()


def test_classes_are_probabilities_at_the_thresholds(fit, scenes):
    x, _ = scenes
    prob = fit.predict(x, type="prob")
    assert prob.columns.tolist() == ["crop", "water", "wood"]
    assert np.array_equal(prob, fit.predict_proba(x))
    for given, at in (
        (None, [0.5] * 3),
        (0.45, [0.45] * 3),
        ({"wood": 0.4, "crop": 0.5, "water": 0.6}, [0.5, 0.6, 0.4]),
    ):
        found = fit.predict(x, threshold=given)
        assert found.equals(prob >= at)
        assert (found.dtypes == "bool").all()
        assert fit.predict(x, type="label", threshold=given) == lists_of(found)
    assert fit.predict(x[:0]).shape == (0, 3)


def test_thresholds_of_the_fit_make_its_score_and_its_classes(encoder, scenes, fit):
    x, y = scenes
    at = {"crop": 0.2, "water": 0.7, "wood": 0.5}
    other = tag(encoder, x, y, threshold=at)
    assert other.threshold == other.config["threshold"] == [0.2, 0.7, 0.5]
    assert np.array_equal(other.predict_proba(x), fit.predict_proba(x))
    assert other.predict(x).equals(fit.predict(x, threshold=at))
    assert other.val_f1_history != fit.val_f1_history


def test_points_without_data_are_missing(fit, scenes, monkeypatch):
    x, _ = scenes
    prob = fit.predict_proba(x[:4])
    prob[[1, 3]] = np.nan
    monkeypatch.setattr(FoundationMultiLabel, "predict_proba", lambda *args, **kwargs: prob)
    table = fit.predict(x[:4])
    assert table.isna().all(axis=1).tolist() == [False, True, False, True]
    assert (table.dtypes == "boolean").all()
    assert [row is None for row in fit.predict(x[:4], type="label")] == [False, True, False, True]


def test_top_losses_are_wrong_patches_with_the_highest_loss(fit, scenes):
    x, y = scenes
    table = fit.multi_top_losses(x, y, k=5)
    prob, held = fit.predict_proba(x), y.to_numpy()
    losses = [
        -sum(math.log(p if there else 1 - p) for p, there in zip(*row, strict=True)) / 3
        for row in zip(prob.tolist(), held.tolist(), strict=True)
    ]
    wrong = [row for row in range(60) if ((prob[row] >= 0.5) != held[row]).any()]
    expected = sorted(wrong, key=lambda row: -losses[row])[:5]
    assert table["row"].tolist() == expected
    assert_close(table["loss"], [losses[row] for row in expected], 1e-12)
    assert table["actual"].tolist() == [lists_of(y)[row] for row in expected]
    assert table["predicted"].tolist() == [fit.predict(x, "label")[row] for row in expected]
    assert table.columns[-3:].tolist() == [".pred_crop", ".pred_water", ".pred_wood"]
    assert_close(table.iloc[:, -3:], prob[expected], 1e-12)
    assert len(fit.multi_top_losses(x, y, k=1000)) == len(wrong)
    assert fit.multi_top_losses(x, lists_of(y), k=5).equals(table)


def test_top_losses_know_labels_by_name_and_none_but_the_fit_s(fit, scenes):
    x, y = scenes
    shuffled = y[["wood", "crop", "water"]]
    assert fit.multi_top_losses(x, shuffled).equals(fit.multi_top_losses(x, y))
    some = fit.multi_top_losses(x, [["crop"]] * 60, k=60)
    assert some["actual"].tolist() == [["crop"]] * len(some)
    with pytest.raises(InputError, match=r"must have the labels of the fit, .* found \['ice'\]"):
        fit.multi_top_losses(x, [["ice"]] * 60)
    with pytest.raises(InputError, match="positive whole number"):
        fit.multi_top_losses(x, y, k=0)


def test_printing_says_the_labels_and_thresholds(encoder, scenes, fit):
    lines = repr(fit).splitlines()
    assert lines[:3] == [
        "<edaphos_foundation_multilabel>",
        "  labels:        crop, water, wood",
        "  threshold:     0.5",
    ]
    assert lines[-1].startswith("  best val_f1:")
    assert "  threshold:     0.2, 0.3, 0.4" in repr(
        tag(encoder, *scenes, threshold=(0.2, 0.3, 0.4))
    )


@REGIMES
def test_it_comes_back_from_a_file(encoder, scenes, tmp_path, freeze_backbone):
    x, y = scenes
    fit = tag(encoder, x, y, freeze_backbone=freeze_backbone, threshold=0.4, val_split=0)
    fit.save(tmp_path / "fit")
    for kind in (FoundationMultiLabel, FoundationFit):
        twin = kind.load(tmp_path / "fit")
        assert type(twin) is FoundationMultiLabel
        assert twin.to_bytes() == fit.to_bytes()
        assert twin.predict(x).equals(fit.predict(x))


def test_ensembles_and_dropout_draws_have_a_probability_of_each_label(encoder, scenes):
    x, y = scenes
    how = {"epochs": 1, "head": "mlp", "dropout": 0.3}
    ensemble = foundation_finetune_ensemble(encoder, x, y, "multilabel", K_ens=2, **how)
    assert ensemble.predict(x).shape == (2, 60, 3)
    assert ensemble.predict(x, type="mean").columns.tolist() == ["crop", "water", "wood"]
    draws = foundation_mcdropout_predict(ensemble.members[0], x, n_draws=4, seed=1)
    assert draws.shape == (4, 60, 3)
    assert ((draws > 0) & (draws < 1)).all()


def test_nothing_given_changes(encoder, scenes, snapshot):
    x, y = scenes
    before = snapshot(encoder), x.tobytes(), y.copy(), torch.get_rng_state().tolist()
    tag(encoder, x, y, freeze_backbone=False)
    after = snapshot(encoder), x.tobytes(), y, torch.get_rng_state().tolist()
    assert before[:2] == after[:2]
    assert before[2].equals(after[2])
    assert before[3] == after[3]


@pytest.mark.parametrize(
    ("argument", "value", "says"),
    [
        ("y", [["a"]] * 40, "one row for each of the 41 patches; found 40"),
        ("y", ["a"] * 41, "must be a table (N, L)"),
        ("y", np.full((41, 2), 0.5), "must hold 0 and 1 only"),
        ("y", None, "must be a table (N, L)"),
        ("threshold", 1.5, "less than 1; found 1.5"),
        ("threshold", (0.5, 0.5, 0.5), "one for each of the 2 labels"),
        ("epochs", 0, "positive whole number"),
        ("device", "gpu", "must be one of"),
        ("verbose", 1, "true/false"),
    ],
)
def test_bad_input_is_named_before_any_training(encoder, x, no_training, argument, value, says):
    given = {"x": x, "y": [["a"], ["a", "b"], []] * 13 + [["b"], []], argument: value}
    with pytest.raises(InputError) as caught:
        foundation_fit_multilabel(encoder, **given)
    assert caught.value.argument == argument
    assert says in str(caught.value)


def test_there_is_no_other_type_of_prediction(fit, scenes):
    with pytest.raises(InputError, match="must be one of 'class', 'prob', 'label'"):
        fit.predict(scenes[0], type="response")
