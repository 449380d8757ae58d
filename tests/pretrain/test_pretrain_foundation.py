"""`foundation_moco_pretrain()` and its sisters as users call them."""

import inspect
import math
import os

import numpy as np
import pytest
import torch

from edaphos_bridge import (
    foundation_fit_classifier,
    foundation_moco_pretrain,
    foundation_rotation_pretrain,
    foundation_simclr_pretrain,
)
from edaphos_bridge.encoders import MoCoEncoder, RotationEncoder, SimCLREncoder
from edaphos_bridge.errors import (
    AdjustedWarning,
    DeviceFallbackWarning,
    InputError,
    TrainingError,
)

OURS = {"device": "cpu", "checkpoint_dir": None, "checkpoint_every": None, "steps_per_epoch": 1}


def defaults(function):
    parameters = inspect.signature(function).parameters
    assert next(iter(parameters)) == "patches"
    return {name: p.default for name, p in parameters.items() if name != "patches"}


def test_mocos_arguments_and_defaults_are_those_of_the_original_and_a_few_more():
    assert defaults(foundation_moco_pretrain) == {
        "feature_dim": 64, "proj_dim": 32, "queue_size": 1024, "momentum": 0.999,
        "temperature": 0.07, "batch_size": 16, "epochs": 30, "lr": 0.03, "crop_ratio": (0.6, 1),
        "flip_prob": 0.5, "rot90_prob": 0.75, "channel_drop_prob": 0.2, "cutout_prob": 0.3,
        "cutout_size_ratio": 0.2, "brightness_jitter": 0.2, "noise_sd": 0.1, "seed": None,
        "verbose": False, **OURS, "momentum_schedule": None, "encoder": None, "probe": None,
    }  # fmt: skip


def test_simclrs_arguments_and_defaults_are_those_of_the_original_and_a_few_more():
    assert defaults(foundation_simclr_pretrain) == {
        "feature_dim": 32, "proj_dim": 16, "batch_size": 8, "epochs": 30, "lr": 0.005,
        "temperature": 0.2, "noise_sd": 0.1, "seed": None, "verbose": False, **OURS,
        "encoder": None, "probe": None,
    }  # fmt: skip


def test_rotations_defaults_are_those_of_the_session_that_it_is_from():
    assert defaults(foundation_rotation_pretrain) == {
        "mode": "all", "feature_dim": 256, "batch_size": 64, "epochs": 10, "lr": 0.001,
        "val_split": 0.2, "seed": None, "verbose": False, **OURS, "steps_per_epoch": None,
        "encoder": None, "probe": None,
    }  # fmt: skip


# --- the result --------------------------------------------------------------------------

ENCODERS = {"moco": MoCoEncoder, "simclr": SimCLREncoder, "rotation": RotationEncoder}


def test_a_fit_has_its_encoder_history_and_settings(pretrain):
    fit = pretrain()
    assert fit.method == pretrain.method
    assert isinstance(fit.encoder, ENCODERS[fit.method])
    assert not fit.encoder.training
    proj_dim = None if fit.method == "rotation" else 4
    assert (fit.in_channels, fit.feature_dim, fit.proj_dim) == (3, 6, proj_dim)
    assert fit.patch_size == [5, 5]
    assert len(fit.loss_history) == 4
    assert all(math.isfinite(loss) for loss in fit.loss_history)
    assert fit.final_loss == fit.loss_history[-1]
    assert fit.normalisation is None
    assert fit.config["seed"] == 1
    assert fit.config["steps_per_epoch"] == 1


def test_a_fit_goes_straight_into_the_classifier_with_features_before_the_projection(
    pretrain, patches, equal_states
):
    fit = pretrain()
    classifier = foundation_fit_classifier(fit, patches, np.arange(24) % 3, epochs=1, seed=1)
    assert classifier.feature_dim == 6
    assert equal_states(classifier.encoder.state_dict(), fit.encoder.state_dict())


@pytest.mark.parametrize(("n", "size"), [(24, 16), (9, 2), (8, 2), (2000, 1024)])
def test_the_queue_holds_what_the_patches_allow(moco, n, size):
    fit = moco(np.random.default_rng(1).normal(size=(n, 1, 3, 3)), epochs=1)
    assert fit.config["queue_size"] == size


def test_training_lowers_the_loss_on_patches_that_differ():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(64, 4, 1, 1)) * 3 + 0.1 * rng.normal(size=(64, 4, 7, 7))
    for function in (foundation_moco_pretrain, foundation_simclr_pretrain):
        history = function(x, epochs=80, batch_size=16, lr=0.01, seed=1).loss_history
        assert np.mean(history[-10:]) < np.mean(history[:10]) - 0.3


# --- epochs and steps --------------------------------------------------------------------


def test_an_epoch_is_one_step_and_steps_per_epoch_makes_it_more(pretrain):
    steps = pretrain(epochs=6).loss_history
    epochs = pretrain(epochs=2, steps_per_epoch=3)
    assert len(steps) == 6
    assert epochs.loss_history == [math.fsum(steps[:3]) / 3, math.fsum(steps[3:]) / 3]


# --- seeds -------------------------------------------------------------------------------


def test_the_same_seed_gives_equal_bits_and_another_seed_others(pretrain):
    torch.manual_seed(1)
    one = pretrain().to_bytes()
    torch.manual_seed(2)
    assert pretrain().to_bytes() == one
    assert pretrain(seed=2).loss_history != pretrain().loss_history


def test_the_callers_generators_and_patches_are_left_alone(pretrain, patches):
    before = patches.copy()
    state = torch.get_rng_state()
    pretrain()
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(patches, before)


def test_without_a_seed_one_is_drawn_and_kept(pretrain):
    fit = pretrain(seed=None)
    assert pretrain(seed=fit.config["seed"]).to_bytes() == fit.to_bytes()
    assert pretrain(seed=None).config["seed"] != fit.config["seed"]


@pytest.mark.parametrize(("name", "value"), [
    ("queue_size", 4), ("momentum", 0.5), ("temperature", 0.2), ("lr", 0.001),
    ("crop_ratio", (0.3, 0.5)), ("flip_prob", 0), ("rot90_prob", 0), ("channel_drop_prob", 0.9),
    ("cutout_prob", 1), ("cutout_size_ratio", 0.9), ("brightness_jitter", 0.9), ("noise_sd", 1),
    ("momentum_schedule", "cosine"),
])  # fmt: skip
def test_each_setting_has_its_effect(moco, name, value):
    changes = {"momentum": 0.5} if name == "momentum_schedule" else {}
    assert moco(**{**changes, name: value}).loss_history != moco(**changes).loss_history


# --- what cannot be used -----------------------------------------------------------------


@pytest.mark.parametrize(("argument", "value"), [
    ("feature_dim", 0), ("batch_size", "8"), ("epochs", 0), ("lr", 0), ("seed", 1.5),
    ("verbose", 1), ("device", "tpu"), ("steps_per_epoch", 0), ("checkpoint_dir", 3),
])  # fmt: skip
def test_arguments_that_cannot_be_used_are_named(pretrain, argument, value):
    with pytest.raises(InputError) as caught:
        pretrain(**{argument: value})
    assert caught.value.argument == argument
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(("argument", "value"), [
    ("proj_dim", 2.5), ("temperature", -1), ("noise_sd", -0.1), ("steps_per_epoch", None),
    ("queue_size", 0), ("momentum", 1.1), ("flip_prob", -0.1), ("rot90_prob", 2),
    ("channel_drop_prob", None), ("cutout_prob", math.nan), ("cutout_size_ratio", 0),
    ("brightness_jitter", 1), ("crop_ratio", (0.9, 0.5)), ("crop_ratio", 0.5),
    ("crop_ratio", (0.5, 1.2)), ("crop_ratio", (0.5,)), ("momentum_schedule", "linear"),
])  # fmt: skip
def test_arguments_of_moco_that_cannot_be_used_are_named(moco, argument, value):
    with pytest.raises(InputError) as caught:
        moco(**{argument: value})
    assert caught.value.argument == argument


@pytest.mark.parametrize("function", [foundation_moco_pretrain, foundation_simclr_pretrain])
def test_a_batch_of_one_is_an_error_that_says_what_to_do(function, patches):
    with pytest.raises(InputError, match="`batch_size` must be at least 2; found 1"):
        function(patches, batch_size=1)


def test_a_batch_is_all_patches_where_there_are_fewer_with_a_warning(pretrain, patches):
    what, n = ("patches that train", 6) if pretrain.method == "rotation" else ("patches", 7)
    message = f"batch_size = 8 is larger than the number of {what}, {n}; using batch_size = {n}"
    with pytest.warns(AdjustedWarning, match=message):
        fit = pretrain(patches[:7])
    assert fit.to_bytes() == pretrain(patches[:7], batch_size=n).to_bytes()
    assert (fit.config["batch_size"], fit.batch_size) == (n, n)


def test_one_patch_is_an_error_that_says_what_to_do(pretrain, patches):
    with pytest.raises(InputError, match="Give more patches"):
        pretrain(patches[:1])


def test_missing_values_in_patches_are_an_error_that_counts_them(pretrain, patches):
    patches[[3, 5], 0, 1, 1] = np.nan
    with pytest.raises(InputError, match=r"`patches` holds NA.* 2 of 24 patches \(first: 3, 5;"):
        pretrain(patches)


def test_patches_of_another_shape_are_called_patches(pretrain):
    with pytest.raises(InputError, match="`patches` must have the four dimensions"):
        pretrain(np.zeros((24, 5, 5)))


def test_checkpoint_every_without_a_folder_is_an_error(pretrain):
    with pytest.raises(InputError, match="`checkpoint_every` needs a `checkpoint_dir`"):
        pretrain(checkpoint_every=5)


def test_a_run_that_diverges_says_so_and_leaves_no_checkpoint_of_it(pretrain, tmp_path):
    with pytest.raises(TrainingError, match="pretraining has diverged"):
        pretrain(lr=1e37, checkpoint_dir=tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_device_that_is_not_there_falls_back_to_the_cpu(pretrain, monkeypatch):
    monkeypatch.setattr("edaphos_bridge.basics.devices.is_available", lambda name: name == "cpu")
    with pytest.warns(DeviceFallbackWarning, match="'cuda' backend requested") as caught:
        fit = pretrain(device="cuda")
    assert os.path.basename(caught[0].filename) == "conftest.py"  # the caller's line
    assert fit.device == "cpu"
    assert fit.to_bytes() == pretrain().to_bytes()


# --- what is shown -----------------------------------------------------------------------


def test_verbose_prints_the_first_every_tenth_and_the_last_epoch(pretrain, capsys):
    fit = pretrain(epochs=12, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    scores = fit.val_accuracy_history
    assert lines == [
        f"[{fit.method}] ep {epoch:3d}/12  loss={fit.loss_history[epoch - 1]:.4f}"
        + ("" if scores is None else f"  val_acc={scores[epoch - 1]:.3f}")
        for epoch in (1, 10, 12)
    ]


def test_nothing_is_shown_where_nobody_looks(pretrain, capsys):
    pretrain()
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_with_the_loss(pretrain, bars):
    fit = pretrain()
    (bar,) = bars
    assert bar.options["disable"] is None  # tqdm's word for "only in a terminal"
    assert (bar.total, bar.n, bar.closed) == (4, 4, True)
    score = {}
    if fit.method == "rotation":
        score = {"val_acc": f"{fit.val_accuracy_history[-1]:.3f}"}
    assert bar.shown == {"loss": f"{fit.final_loss:.4f}", **score}
