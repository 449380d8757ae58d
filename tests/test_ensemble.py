"""`foundation_finetune_ensemble()` and what it returns."""

import json

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import (
    FoundationClassifier,
    FoundationEnsemble,
    FoundationFit,
    foundation_finetune_ensemble,
    foundation_fit_classifier,
    foundation_fit_regressor,
)
from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.files.container import pack, unpack
from edaphos_bridge.training.checkpoint import Checkpoints
from small_fits import REGIMES, quick, small_network


@pytest.fixture
def clay(x):
    return 40 + 60 * x[:, 0].mean(axis=(1, 2))


@pytest.fixture
def ensemble(encoder, x, y):
    return foundation_finetune_ensemble(encoder, x, y, K_ens=3, base_seed=7, epochs=2)


@REGIMES
def test_members_are_the_fits_of_their_seeds(encoder, x, y, clay, freeze_backbone):
    how = {"epochs": 2, "freeze_backbone": freeze_backbone, "head": "mlp", "dropout": 0.2}
    for task, verb, target in (
        ("classification", foundation_fit_classifier, y),
        ("regression", foundation_fit_regressor, clay),
    ):
        ensemble = foundation_finetune_ensemble(
            encoder, x, target, task=task, K_ens=2, base_seed=7, **how
        )
        for seed, member in zip((7, 8), ensemble.members, strict=True):
            assert member.to_bytes() == verb(encoder, x, target, seed=seed, **how).to_bytes()


def test_with_patience_printing_shows_the_scores_of_the_weights_kept(encoder, x, y):
    how = {"epochs": 20, "lr": 0.05, "patience": 3, "freeze_backbone": False}
    ensemble = foundation_finetune_ensemble(encoder, x, y, K_ens=2, base_seed=7, **how)
    scores = [member.val_accuracy_history for member in ensemble.members]
    assert any(max(history) > history[-1] for history in scores)
    assert [member.kept_score for member in ensemble.members] == [max(h) for h in scores]
    mean = sum(map(max, scores)) / 2
    assert f"{mean:.3f}" in next(line for line in repr(ensemble).splitlines() if "val_acc" in line)


def test_it_keeps_what_the_r_original_keeps(ensemble):
    assert (ensemble.task, ensemble.K_ens) == ("classification", 3)
    assert ensemble.config == {"task": "classification", "base_seed": 7}
    assert ensemble.loss_histories == [member.loss_history for member in ensemble.members]
    assert ensemble.final_losses == [losses[-1] for losses in ensemble.loss_histories]


def test_predict_gives_members_then_patches_then_classes(ensemble, encoder, x, clay):
    found = ensemble.predict(x)
    assert (found.shape, found.dtype) == ((3, 41, 3), np.float64)
    for member, values in zip(ensemble.members, found, strict=True):
        assert_close(values, member.predict_proba(x), 1e-12)
    regressors = foundation_finetune_ensemble(
        encoder, x, clay, task="regression", K_ens=2, epochs=1
    )
    assert regressors.predict(x).shape == (2, 41)
    assert regressors.predict(x[:0]).shape == (2, 0)
    assert_close(regressors.predict(x)[1], regressors.members[1].predict(x), 1e-12)
    table = pd.DataFrame({"clay": clay, "sand": -clay})
    both = foundation_finetune_ensemble(encoder, x, table, task="regression", K_ens=2, epochs=1)
    assert both.predict(x).shape == (2, 41, 2)


def test_mean_and_sd_are_those_over_members(ensemble, encoder, x, clay):
    each = ensemble.predict(x)
    mean, sd = (ensemble.predict(x, type=name) for name in ("mean", "sd"))
    assert mean.columns.tolist() == sd.columns.tolist() == ensemble.members[0].classes
    expected = sum(each) / 3
    assert_close(mean, expected, 1e-12)
    assert_close(sd, np.sqrt(sum((values - expected) ** 2 for values in each) / 2), 1e-12)
    vector = foundation_finetune_ensemble(encoder, x, clay, task="regression", K_ens=2, epochs=1)
    assert vector.predict(x, type="mean").shape == vector.predict(x, type="sd").shape == (41,)


def test_members_share_a_frozen_encoder_in_memory_and_in_the_file(encoder, x, y, ensemble):
    assert all(member.encoder is ensemble.encoder for member in ensemble.members)
    one = quick(encoder, x, y).to_bytes()
    assert len(ensemble.to_bytes()) < 1.5 * len(one)
    how = {"K_ens": 2, "epochs": 1, "freeze_backbone": False}
    tuned = foundation_finetune_ensemble(encoder, x, y, **how)
    assert tuned.encoder is None
    assert len(tuned.to_bytes()) > 1.5 * len(one)


@REGIMES
def test_it_comes_back_from_a_file(encoder, x, y, tmp_path, freeze_backbone):
    how = {"K_ens": 2, "epochs": 2, "freeze_backbone": freeze_backbone, "val_split": 0}
    ensemble = foundation_finetune_ensemble(encoder, x, y, **how)
    ensemble.save(tmp_path / "ensemble")
    twin = FoundationEnsemble.load(tmp_path / "ensemble")
    assert twin.to_bytes() == ensemble.to_bytes()
    assert np.array_equal(twin.predict(x), ensemble.predict(x))
    assert repr(twin) == repr(ensemble)
    assert (twin.encoder is None) == (not freeze_backbone)


def test_a_module_of_the_user_s_own_is_asked_for(x, y, tmp_path):
    ensemble = foundation_finetune_ensemble(small_network(), x, y, K_ens=2, epochs=1)
    ensemble.save(tmp_path / "ensemble")
    with pytest.raises(WeightsError, match="encoder"):
        FoundationEnsemble.load(tmp_path / "ensemble")
    twin = FoundationEnsemble.load(tmp_path / "ensemble", encoder=small_network())
    assert np.array_equal(twin.predict(x), ensemble.predict(x))


def test_an_ensemble_is_no_fit_and_a_fit_no_ensemble(encoder, x, y, ensemble):
    for kind in (FoundationClassifier, FoundationFit):
        with pytest.raises(WeightsError, match=r"FoundationEnsemble\.load\(\) reads it"):
            kind.from_bytes(ensemble.to_bytes())
    with pytest.raises(WeightsError, match="holds one fit, not the members"):
        FoundationEnsemble.from_bytes(quick(encoder, x, y).to_bytes())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda values: values.update(members=[]), "'members' is"),
        (lambda values: values.update(members=values["members"][:1]), "not fits of one task"),
        (lambda values: values.update(members=[1, 2]), "'members' is"),
        (lambda values: values.update(shared_encoder="yes"), "'shared_encoder' is"),
        (lambda values: values.update(shared_encoder=False), "do not fit"),
        (lambda values: values["members"][1]["task"].update(classes=["a", "b", "c"]), "one task"),
        (lambda values: values["members"][1].pop("config"), "it has no 'config'"),
    ],
)
def test_a_damaged_file_is_an_error(ensemble, change, says):
    tensors, values = unpack("fit", ensemble.to_bytes())
    values = json.loads(json.dumps(values))
    change(values)
    values = {key: values[key] for key in ("members", "shared_encoder") if key in values}
    with pytest.raises(WeightsError, match=says):
        FoundationEnsemble.from_bytes(pack("fit", tensors, values))


def test_every_cut_of_a_file_is_an_error(ensemble):
    data = ensemble.to_bytes()
    for length in range(0, len(data), 997):
        with pytest.raises(WeightsError):
            FoundationEnsemble.from_bytes(data[:length])
    assert len(safetensors.torch.load(data)) > 3


def test_printing_says_how_many_members_and_how_they_ended(ensemble):
    losses = sorted(ensemble.final_losses)
    assert repr(ensemble).splitlines()[:5] == [
        "<edaphos_foundation_ensemble>",
        "  task:          classification",
        "  K_ens:         3 (seeds 7 to 9)",
        "  classes:       Inceptisol, Oxisol, Ultisol",
        f"  final losses:  {losses[0]:.4g} to {losses[2]:.4g}, median {losses[1]:.4g}",
    ]


def test_a_head_of_the_user_s_own_is_asked_for(encoder, x, y):
    how = {"K_ens": 2, "epochs": 1, "head": lambda n_in, n_out: nn.Linear(n_in, n_out)}
    ensemble = foundation_finetune_ensemble(encoder, x, y, **how)
    with pytest.raises(WeightsError, match="give it as `head=`"):
        FoundationEnsemble.from_bytes(ensemble.to_bytes())
    twin = FoundationEnsemble.from_bytes(ensemble.to_bytes(), head=nn.Linear(8, 3))
    assert np.array_equal(twin.predict(x), ensemble.predict(x))


def test_an_ensemble_that_was_killed_goes_on_in_the_member_where_it_was(
    encoder, x, y, ensemble, tmp_path, monkeypatch
):
    how = {"K_ens": 3, "base_seed": 7, "epochs": 2, "checkpoint_dir": tmp_path}
    save, written = Checkpoints.save, []

    def killed_in_the_second_member(self, progress):
        save(self, progress)
        written.append(progress.step)
        if len(written) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "save", killed_in_the_second_member)
        with pytest.raises(KeyboardInterrupt):
            foundation_finetune_ensemble(encoder, x, y, **how)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["member-7", "member-8"]
    again = foundation_finetune_ensemble(encoder, x, y, **how)
    assert again.to_bytes() == ensemble.to_bytes()


def test_labels_that_can_be_read_once_serve_every_member(encoder, x, y, ensemble):
    again = foundation_finetune_ensemble(encoder, x, iter(y), K_ens=3, base_seed=7, epochs=2)
    assert again.to_bytes() == ensemble.to_bytes()


@pytest.mark.parametrize(
    ("argument", "value", "says"),
    [
        ("task", "clustering", "must be one of 'classification', 'regression'"),
        ("K_ens", 1, "at least 2; found 1"),
        ("K_ens", 2.5, "at least 2; found 2.5"),
        ("base_seed", 1.5, "whole number between -2^53 and 2^53; found 1.5"),
        ("base_seed", 2**53, "whole number between -2^53 and 2^53"),
        ("base_seed", None, "whole number between -2^53 and 2^53"),
        ("seed", 1, "Members have the seeds base_seed, base_seed + 1 and so on."),
        ("loss", "mse", "is no argument of an ensemble by foundation_fit_classifier()"),
        ("epochs", 0, "positive whole number; found 0"),
        ("y", ["a"] * 41, "at least two classes"),
        ("encoder", nn.Linear, "must be a fit of edaphos_bridge or a torch.nn.Module"),
    ],
)
def test_bad_input_is_named_before_any_training(encoder, x, y, no_training, argument, value, says):
    with pytest.raises(InputError) as caught:
        foundation_finetune_ensemble(**{"encoder": encoder, "x": x, "y": y, argument: value})
    assert caught.value.argument == argument
    assert says in str(caught.value)


def test_what_can_be_read_only_once_is_read_for_all_members(encoder, x, y):
    pairs = [(np.arange(30), np.arange(30, 41))]
    once = foundation_finetune_ensemble(encoder, x, y, K_ens=2, epochs=1, folds=iter(pairs))
    again = foundation_finetune_ensemble(encoder, x, y, K_ens=2, epochs=1, folds=pairs)
    assert once.to_bytes() == again.to_bytes()
