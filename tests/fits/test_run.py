"""From checked data to a fit: what is trained, in which mode it is left, and what it says."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import foundation_encoder, foundation_fit_classifier
from edaphos_bridge.classifier import FoundationClassifier
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.errors import EdaphosWarning, InputError, TrainingError
from edaphos_bridge.fits import run as engine
from edaphos_bridge.heads.registry import make_head
from edaphos_bridge.tasks.classification import Classification
from edaphos_bridge.training.events import Events
from edaphos_bridge.training.phase import Phase
from edaphos_bridge.training.settings import FitSettings, HeadSettings
from engine_fits import EPOCHS, N, fitted, plain_loop, plan_of_41
from heard import Heard
from small_fits import REGIMES, quick


@pytest.fixture
def fit(patches, labels):
    """Train with some settings changed."""
    return lambda encoder, **changes: fitted(patches, labels, encoder, **changes)


def test_a_frozen_encoder_runs_once_over_the_data_and_never_in_train_mode(fit, encoder, state_of):
    calls = []
    encoder.register_forward_pre_hook(
        lambda module, inputs: calls.append((module.training, len(inputs[0])))
    )
    before = state_of(encoder)
    trained = fit(encoder, epochs=7)
    assert calls == [(False, 1), (False, N)]  # finding feature_dim, and the features
    for name, tensor in trained.encoder.state_dict().items():
        assert torch.equal(tensor, before[name])


@pytest.mark.parametrize("freeze_backbone", [True, False])
@pytest.mark.parametrize("val_split", [0.2, 0])
def test_afterwards_both_modules_are_in_eval_mode(fit, dropout_encoder, freeze_backbone, val_split):
    settings = {"head": "mlp", "dropout": 0.5, "val_split": val_split}
    trained = fit(dropout_encoder, freeze_backbone=freeze_backbone, **settings)
    parts = [*trained.encoder.modules(), *trained.head.modules()]
    assert not any(part.training for part in parts)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in parts)


def test_a_seed_is_drawn_only_when_there_is_none_and_kept(patches, labels, encoder, fit):
    config = fit(encoder, seed=5).config
    assert config["seed"] == 5
    trained = engine.fit(
        FoundationClassifier,
        Classification.of(labels),
        labels.codes,
        encoder,
        Patches(patches),
        FitSettings.checked(**{**config, "freeze_backbone": True, "seed": None}),
        torch.device("cpu"),
        Events(),
        lambda: 77,
    )
    assert trained.config["seed"] == 77


@pytest.mark.parametrize(("freeze_backbone", "head"), [(True, "mlp"), (False, "linear")])
def test_a_listener_hears_of_every_step_every_epoch_and_the_end(
    fit, encoder, freeze_backbone, head
):
    events = Heard()
    trained = fit(encoder, events=events, freeze_backbone=freeze_backbone, head=head)
    losses = torch.stack(events.losses).double().reshape(EPOCHS, -1).mean(dim=1)
    assert losses.tolist() == trained.loss_history
    assert [report.loss for report in events.reports] == trained.loss_history
    assert [report.score for report in events.reports] == trained.score_history
    assert events.ends == 1


def test_features_that_are_not_finite_are_an_error_that_says_which_patches(fit, no_training):
    class Log(nn.Module):
        def forward(self, x):
            return torch.log(x[:, :2, 0, 0])

    with pytest.raises(InputError, match=r"`encoder` returns NaN or infinite features for \d+ of"):
        fit(Log())


def test_diverging_training_is_an_error_and_not_a_classifier(fit, encoder):
    with pytest.raises(TrainingError, match="training has diverged"):
        fit(encoder, lr=1e30, freeze_backbone=False, backbone_lr_mult=1.0, epochs=3)


def test_an_encoder_without_parameters_can_be_fine_tuned_without_a_word(fit):
    trained = fit(nn.Flatten(), freeze_backbone=False)
    assert trained.feature_dim == 100


def test_an_encoder_whose_parameters_need_no_gradient_is_fine_tuned_with_a_warning(
    fit, encoder, state_of
):
    before = state_of(encoder)
    encoder.requires_grad_(False)
    with pytest.warns(EdaphosWarning, match="no parameter of the encoder requires a gradient"):
        trained = fit(encoder, freeze_backbone=False)
    for name, _ in encoder.named_parameters():
        assert torch.equal(trained.encoder.state_dict()[name], before[name])


def test_without_validation_all_rows_train_and_accuracy_is_nan(fit, encoder):
    seen = []
    head = make_head("mlp", 8, 3, (4,), 0.0)
    head.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    trained = fit(encoder, val_split=0, initial_head=head, epochs=1)
    assert seen == [32, 9]
    assert all(math.isnan(value) for value in trained.val_accuracy_history)


def test_a_fit_trains_where_gradients_were_left_off(x, y, encoder):
    with torch.no_grad():
        fit = foundation_fit_classifier(encoder, x, y, epochs=2, seed=1, freeze_backbone=False)
        assert not torch.is_grad_enabled()
    again = foundation_fit_classifier(encoder, x, y, epochs=2, seed=1, freeze_backbone=False)
    assert fit.loss_history == again.loss_history


def test_phases_follow_each_other_and_only_weights_cross(patches, labels, encoder):
    """A probe, then all together, is what the two parts of the loop written out give."""

    class TwoPhases(FitSettings):
        def phases(self):
            both = Phase(EPOCHS, 0.01, 0.5, batch_size=32, weight_decay=0.1)
            return [replace(both, freeze_to=-1), both]

    plan, head = plan_of_41(), make_head("linear", 8, 3, (), 0.0)
    plain_encoder, plain_head = copy.deepcopy(encoder), copy.deepcopy(head)
    one = plain_loop(plain_encoder, plain_head, patches, labels.codes, plan, frozen=True)
    plain_encoder.requires_grad_(True)
    two = plain_loop(plain_encoder, plain_head, patches, labels.codes, plan, frozen=False)
    linear = HeadSettings("linear", (), 0.0)
    settings = TwoPhases(False, linear, EPOCHS, 32, 0.01, 0.1, 0.5, 0.2, 1)
    trained = engine.fit(
        FoundationClassifier,
        Classification.of(labels),
        labels.codes,
        encoder,
        Patches(patches),
        settings,
        torch.device("cpu"),
        Events(),
        plan=plan,
        head=head,
    )
    assert_close(trained.loss_history, one[0] + two[0], 1e-4)
    assert trained.val_accuracy_history == one[1] + two[1]
    assert trained.config["epochs"] == 2 * EPOCHS


@REGIMES
def test_without_validation_accuracy_is_nan_and_every_row_trains(encoder, x, freeze_backbone):
    y = ["a"] * 20 + ["b"] * 20 + ["the only one"]
    fit = quick(encoder, x, y, val_split=0, freeze_backbone=freeze_backbone)
    assert all(math.isnan(value) for value in fit.val_accuracy_history)
    assert "best val_acc:  NA" in repr(fit)


@REGIMES
@pytest.mark.parametrize("which", ["encoder", "dropout_encoder"])
def test_41_patches_train_with_all_defaults_though_the_last_batch_has_one(
    request, x, y, which, freeze_backbone
):
    fit = foundation_fit_classifier(
        request.getfixturevalue(which), x, y, freeze_backbone=freeze_backbone, epochs=2, seed=1
    )
    assert (fit.config["batch_size"], fit.config["val_split"]) == (32, 0.2)
    assert all(math.isfinite(loss) for loss in fit.loss_history)


@REGIMES
@pytest.mark.parametrize("batch_size", [1, 32, 1000])
def test_patches_of_one_pixel_train_at_any_batch_size(y, freeze_backbone, batch_size):
    x = np.random.default_rng(1).normal(size=(41, 4, 1, 1))
    encoder = foundation_encoder("moco", 4, feature_dim=8, proj_dim=4, seed=1)
    fit = quick(encoder, x, y, freeze_backbone=freeze_backbone, batch_size=batch_size, epochs=1)
    assert math.isfinite(fit.loss_history[0])
    assert np.isfinite(fit.predict_proba(x)).all()
