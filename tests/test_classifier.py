"""`foundation_fit_classifier()` and the classifier it returns: the contracts of the design."""

import copy
import json
import math
import os
import re
import warnings
from collections import namedtuple
from dataclasses import dataclass, fields
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import (
    FoundationClassifier,
    foundation_encoder,
    foundation_fit_classifier,
    foundation_probe_sweep,
)
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.features import batch_size_for
from edaphos_bridge.errors import (
    DeviceFallbackWarning,
    EdaphosWarning,
    InputError,
    TrainingError,
    WeightsError,
)
from edaphos_bridge.weights.encoder_file import encoder_to_bytes

REGIMES = pytest.mark.parametrize("freeze_backbone", [True, False], ids=["frozen", "full"])
CLASSES = ["Inceptisol", "Oxisol", "Ultisol"]


def quick(encoder, x, y, **changes):
    return foundation_fit_classifier(encoder, x, y, **{"epochs": 2, "seed": 1, **changes})


def same(one, other):
    """Whether two fits are bit-equal."""
    return (
        one.to_bytes() == other.to_bytes()
        and one.loss_history == other.loss_history
        and one.classes == other.classes
    )


# The result


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


@pytest.mark.parametrize(
    ("changes", "regime"),
    [
        ({}, "linear probing"),
        ({"head": "mlp", "hidden": 5}, "frozen backbone"),
        ({"freeze_backbone": False}, "full fine-tuning"),
    ],
)
def test_printing_shows_what_the_original_shows(encoder, x, y, changes, regime):
    fit = quick(encoder, x, y, **changes)
    accuracies = fit.val_accuracy_history
    best = max(accuracies)
    lines = repr(fit).splitlines()
    assert lines[0] == "<edaphos_foundation_classifier>"
    shown = dict(re.split(r":\s+", line.strip(), maxsplit=1) for line in lines[1:])
    assert shown == {
        "classes": "Inceptisol, Oxisol, Ultisol",
        "feature_dim": "8",
        "head": changes.get("head", "linear"),
        "regime": regime,
        "device": "cpu",
        "final loss": f"{fit.loss_history[-1]:.4f}",
        "best val_acc": f"{best:.3f} (epoch {accuracies.index(best) + 1}), "
        f"at the end {accuracies[-1]:.3f}",
    }


@pytest.mark.parametrize(
    ("accuracies", "line"),
    [
        ([0.5, 0.875, 0.75], "0.875 (epoch 2), at the end 0.750"),
        ([0.5, 0.875, 0.875], "0.875 (epoch 2), at the end 0.875"),
        ([0.25], "0.250 (epoch 1), at the end 0.250"),
        ([math.nan, math.nan], "NA"),
    ],
)
def test_printing_shows_the_accuracy_of_the_weights_kept_beside_the_best(
    encoder, x, y, accuracies, line
):
    fit = quick(encoder, x, y)
    fit.score_history = accuracies
    assert repr(fit).splitlines()[-1] == f"  best val_acc:  {line}"


@pytest.fixture
def easy():
    """60 patches whose classes differ in brightness."""
    y = np.arange(60) % 3
    noise = np.random.default_rng(3).normal(size=(60, 4, 5, 5))
    return noise + 3 * y[:, None, None, None], y


@REGIMES
def test_training_learns_what_can_be_learnt(encoder, easy, freeze_backbone):
    x, y = easy
    fit = foundation_fit_classifier(
        encoder, x, y, freeze_backbone=freeze_backbone, lr=0.1, epochs=40, seed=1
    )
    assert fit.loss_history[-1] < fit.loss_history[0] / 2
    assert max(fit.val_accuracy_history) > 0.9
    assert (np.asarray(fit.predict(x)) == y).mean() > 0.9


# Labels


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


# Prediction


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


def test_probabilities_are_the_softmax_of_head_and_encoder(encoder, x, y):
    fit = quick(encoder, x, y)
    with torch.no_grad():
        logits = fit.head(fit.encoder(torch.from_numpy(x).float())).double().numpy()
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert_close(fit.predict_proba(x), expected, 1e-6)


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


def test_any_real_array_is_predicted(encoder, x, y):
    fit = quick(encoder, x, y)
    whole = np.rint(x * 10)
    expected = fit.predict_proba(whole)
    for other in (whole.astype(np.int16), np.asfortranarray(whole), torch.from_numpy(whole)):
        assert np.array_equal(fit.predict_proba(other), expected)


def test_prediction_goes_in_batches_from_reading_to_the_head(encoder, x, y, monkeypatch):
    fit = quick(encoder, x, y)
    many = np.random.default_rng(2).normal(size=(3000, 4, 5, 5)).astype(np.float32)
    read, encoded, headed = [], [], []
    original = Patches.batches
    monkeypatch.setattr(
        Patches,
        "batches",
        lambda self, size, **how: (
            read.append(len(batch)) or batch for batch in original(self, size, **how)
        ),
    )
    fit.encoder.register_forward_pre_hook(lambda m, inputs: encoded.append(len(inputs[0])))
    fit.head.register_forward_pre_hook(lambda m, inputs: headed.append(len(inputs[0])))
    limit = batch_size_for(many.shape, "cpu", fit.encoder)
    assert limit < 3000
    probabilities = fit.predict_proba(many)
    for sizes in (read, encoded, headed):
        assert sum(sizes) == 3000
        assert max(sizes) <= limit
    assert_close(probabilities[2990:], fit.predict_proba(many[2990:]), 1e-6)


def test_prediction_is_in_eval_mode_whatever_mode_the_modules_are_in(dropout_encoder, x, y):
    for freeze_backbone in (True, False):
        fit = quick(dropout_encoder, x, y, freeze_backbone=freeze_backbone, head="mlp", dropout=0.5)
        expected = fit.predict_proba(x)
        before = copy.deepcopy(fit.encoder.state_dict())
        fit.encoder.train()
        fit.head.train()
        assert np.array_equal(fit.predict_proba(x), expected)
        for name, tensor in fit.encoder.state_dict().items():
            assert torch.equal(tensor, before[name])


def test_prediction_changes_neither_x_nor_the_generators_nor_the_fit(encoder, x, y, snapshot):
    fit = quick(encoder, x, y)
    state, generator, bits = snapshot(fit.encoder), torch.get_rng_state(), x.tobytes()
    x.flags.writeable = False
    fit.predict(x)
    assert snapshot(fit.encoder) == state
    assert torch.equal(torch.get_rng_state(), generator)
    assert x.tobytes() == bits


def bad_patches(kind, x):
    x = x.copy()
    if kind == "nan":
        x[[3, 8], 0, 0, 0] = np.nan
    elif kind == "inf":
        x[[3, 8], 1, 2, 3] = np.inf
    return x


@pytest.mark.parametrize("type", ["class", "prob"])
@pytest.mark.parametrize("kind", ["nan", "inf"])
def test_missing_values_are_never_predicted(encoder, x, y, kind, type):
    fit = quick(encoder, x, y)
    with pytest.raises(InputError, match=r"`x` holds NA.* in 2 of 41 patches \(first: 3, 8;"):
        fit.predict(bad_patches(kind, x), type=type)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"type": "probs"}, "`type` must be one of 'class', 'prob'; found 'probs'"),
        ({"type": None}, "`type` must be one of 'class', 'prob'; found None"),
        ({"device": "gpu"}, "`device` must be one of 'cpu', 'mps', 'cuda'; found 'gpu'"),
        ({"x": np.zeros((2, 3, 5, 5))}, "`x` must have 4 channels for this encoder; found 3"),
        ({"x": np.zeros((0, 3, 5, 5))}, "`x` must have 4 channels for this encoder; found 3"),
        ({"x": np.zeros((4, 5, 5))}, "`x` must have the four dimensions"),
        ({"x": np.zeros((2, 4, 0, 5))}, "`x` must not have an extent of zero"),
        ({"x": None}, "`x` must be an array"),
    ],
)
def test_arguments_of_predict_that_cannot_be_used_are_named(encoder, x, y, arguments, message):
    fit = quick(encoder, x, y)
    with pytest.raises(InputError, match=re.escape(message)):
        fit.predict(**{"x": x, **arguments})


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Flatten(), nn.Linear(100, 6)],
        [nn.Flatten()],
        [nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(18, 6), nn.ReLU()],
    ],
)
@pytest.mark.parametrize("size", [(7, 7), (5, 6), (2, 2)])
def test_patches_of_a_size_that_the_encoder_cannot_take_are_an_error_with_both(x, y, layers, size):
    fit = quick(nn.Sequential(*layers), x, y)
    says = rf"`x` must have patches of \[5, 5\] cells .*found \[{size[0]}, {size[1]}\]"
    with pytest.raises(InputError, match=says):
        fit.predict(np.zeros((3, 4, *size)))
    assert len(fit.predict(np.zeros((0, 4, *size)))) == 0


def test_an_encoder_that_fails_on_later_patches_is_an_error_that_keeps_the_cause(x, y):
    class Fails(nn.Module):
        def forward(self, x):
            if x[0, 0, 0, 0] == 77:
                raise LookupError("no such patch")
            return x.mean((2, 3))

    fit = quick(Fails(), x, y)
    x[0, 0, 0, 0] = 77
    with pytest.raises(InputError, match=r"`encoder` fails on patches .*no such patch") as caught:
        fit.predict(x)
    assert isinstance(caught.value.__cause__, LookupError)


def test_a_patch_that_an_encoder_maps_to_nan_is_not_called_the_first_class(x, y):
    class Standardised(nn.Module):
        """Divides each patch by its own spread, which is 0 for a constant one."""

        def forward(self, x):
            return ((x - x.mean((1, 2, 3), True)) / x.std((1, 2, 3), keepdim=True)).mean(3)[:, :, 0]

    fit = quick(Standardised(), x, y)
    x[[5, 6]] = 1
    with pytest.raises(InputError, match=r"`x` gives NaN .* in 2 of 41 patches \(first: 5, 6;"):
        fit.predict(x)


def test_bad_weights_are_named_for_patches_of_another_size_too(encoder, x, y):
    fit = quick(encoder, x, y)
    with torch.no_grad():
        next(fit.encoder.parameters())[0] = math.nan
    with pytest.raises(InputError, match="`encoder` has weights that are NaN"):
        fit.predict(np.ones((2, x.shape[1], 11, 11)))


# Encoders


Named = namedtuple("Named", ["projection", "feature"])


@dataclass
class Embedded:
    embedding: torch.Tensor


def small_network():
    torch.manual_seed(4)
    return nn.Sequential(nn.Conv2d(4, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Wrapped(nn.Module):
    """A small network whose features come in the wrapping asked for."""

    def __init__(self, wrap):
        super().__init__()
        self.network = small_network()
        self.wrap = wrap

    def forward(self, x):
        return self.wrap(self.network(x))


WRAPPINGS = {
    "dict with feature": lambda f: {"projection": f[:, :1], "feature": f},
    "dict with embedding": lambda f: {"embedding": f},
    "namedtuple": lambda f: Named(f[:, :1], f),
    "dataclass": Embedded,
    "object": lambda f: SimpleNamespace(feature=f, embedding=f[:, :1]),
    "1 by 1 map": lambda f: f[:, :, None, None],
}


@REGIMES
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_module_may_wrap_its_features(x, y, wrapping, freeze_backbone):
    plain = quick(Wrapped(lambda f: f), x, y, freeze_backbone=freeze_backbone)
    wrapped = quick(Wrapped(WRAPPINGS[wrapping]), x, y, freeze_backbone=freeze_backbone)
    assert wrapped.feature_dim == 6
    assert wrapped.loss_history == plain.loss_history
    assert np.array_equal(wrapped.predict_proba(x), plain.predict_proba(x))


@REGIMES
def test_a_bare_module_is_an_encoder(x, y, freeze_backbone):
    fit = quick(small_network(), x, y, freeze_backbone=freeze_backbone)
    assert fit.feature_dim == 6
    assert type(fit.encoder) is nn.Sequential


@pytest.mark.parametrize("architecture", ["moco", "simclr"])
def test_features_are_those_before_the_projection(x, y, architecture):
    encoder = foundation_encoder(architecture, 4, feature_dim=8, proj_dim=8, seed=1)
    assert quick(encoder, x, y).feature_dim == 8
    plain = quick(nn.Sequential(copy.deepcopy(encoder)), x, y)
    assert_close(quick(encoder, x, y).loss_history, plain.loss_history, 1e-6)


def test_a_fit_of_ours_is_an_encoder_for_the_next_fit(encoder, x, y):
    first = quick(encoder, x, y, freeze_backbone=False)
    second = quick(first, x, y)
    assert second.loss_history == quick(first.encoder, x, y).loss_history
    assert second.encoder is not first.encoder


def test_a_lazy_module_is_an_encoder_and_stays_lazy_for_the_caller(x, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch: lazy modules are new
        lazy = nn.Sequential(nn.LazyConv2d(5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    one, other = (quick(lazy, x, y, freeze_backbone=False) for _ in range(2))
    assert same(one, other)
    assert isinstance(lazy[0].weight, nn.parameter.UninitializedParameter)


class Raising(nn.Module):
    def forward(self, x):
        raise RuntimeError("band 7 is missing")


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (None, "`encoder` must be a fit of edaphos_bridge or a torch.nn.Module"),
        ("moco", "`encoder` must be a fit of edaphos_bridge or a torch.nn.Module"),
        (len, "`encoder` must be a fit of edaphos_bridge or a torch.nn.Module"),
        (nn.Linear, "found <class 'torch"),
        (foundation_encoder("moco", 3), "`x` must have 3 channels for this encoder; found 4"),
        (foundation_encoder("simclr", 5), "`x` must have 5 channels for this encoder; found 4"),
        (nn.Sequential(nn.Conv2d(2, 3, 1)), "`x` must have 2 channels for this encoder; found 4"),
        (nn.Conv2d(4, 6, 3), "`encoder` must return features (B, D) for 1 patches; found [1, 6, 3"),
        (nn.Conv2d(4, 6, 9), "`encoder` fails on a patch of shape [1, 4, 5, 5]: RuntimeError"),
        (Wrapped(lambda f: (f,)), "`encoder` must return a tensor, or a mapping or object"),
        (Raising(), "RuntimeError: band 7 is missing"),
    ],
)
@REGIMES
def test_an_encoder_that_cannot_be_used_is_an_error(
    encoder, message, x, y, freeze_backbone, no_training
):
    with pytest.raises(InputError, match=re.escape(message)):
        quick(encoder, x, y, freeze_backbone=freeze_backbone)


def test_features_that_are_not_finite_are_an_error_before_training(x, y, no_training):
    x[[2, 9], 0] = -1e6
    x[x > 0] = 0
    encoder = Wrapped(lambda f: torch.log(f * 0 + 1))
    encoder.forward = lambda x: torch.log(x[:, :1, 0, 0] + 10)
    with pytest.raises(InputError, match=r"`encoder` returns NaN .* for 2 of 41 .*\(first: 2, 9;"):
        quick(encoder, x, y)


# What bad input gets


BAD_INPUT = [
    ("x", np.zeros((41, 4)), "must have the four dimensions", "found [41, 4]"),
    ("x", np.zeros((41, 4, 5)), "must have the four dimensions", "found [41, 4, 5]"),
    ("x", np.zeros((1, 41, 4, 5, 5)), "must have the four dimensions", "[1, 41, 4, 5, 5]"),
    ("x", np.zeros((0, 4, 5, 5)), "extent of zero", "found [0, 4, 5, 5]"),
    ("x", np.zeros((41, 0, 5, 5)), "extent of zero", "found [41, 0, 5, 5]"),
    ("x", np.zeros((41, 4, 5, 0)), "extent of zero", "found [41, 4, 5, 0]"),
    ("x", np.zeros((41, 4, 5, 5), dtype=complex), "array of real numbers", "complex128"),
    ("x", "patches", "array of real numbers", "found 'patches'"),
    ("x", None, "array of real numbers", "found 'NoneType'"),
    ("y", ["a", "b"] * 20, "one label for each of the 41 patches", "found 40"),
    ("y", ["a"] * 41, "at least two classes", "found ['a']"),
    ("y", ["a", None, "b", float("nan"), *["a"] * 37], "holds NA in 2 of 41", "(first: 1, 3;"),
    ("y", np.linspace(0, 1, 41), "must hold classes", "found 0.025"),
    ("y", None, "must be a sequence of labels", "found 'NoneType'"),
    ("y", "Oxisol", "must be a sequence of labels", "found 'str'"),
    ("y", np.array([["a"], ["b"]]), "must be one-dimensional", "found [2, 1]"),
    ("head", "conv", "must be one of 'linear', 'mlp'", "found 'conv'"),
    ("head", None, "must be one of 'linear', 'mlp'", "found None"),
    ("device", "gpu", "must be one of 'cpu', 'mps', 'cuda'", "found 'gpu'"),
    ("device", None, "must be one of 'cpu', 'mps', 'cuda'", "found None"),
    ("epochs", 0, "positive whole number", "found 0"),
    ("epochs", -1, "positive whole number", "found -1"),
    ("epochs", 2.7, "positive whole number", "found 2.7"),
    ("epochs", math.nan, "positive whole number", "found nan"),
    ("epochs", "30", "positive whole number", "found '30'"),
    ("batch_size", 0, "positive whole number", "found 0"),
    ("batch_size", 1.5, "positive whole number", "found 1.5"),
    ("batch_size", True, "positive whole number", "found True"),
    ("lr", 0, "greater than 0", "found 0"),
    ("lr", -0.1, "greater than 0", "found -0.1"),
    ("lr", math.inf, "finite number", "found inf"),
    ("dropout", 1, "at least 0 and less than 1", "found 1"),
    ("dropout", -0.1, "at least 0 and less than 1", "found -0.1"),
    ("val_split", 1, "at least 0 and less than 1", "found 1"),
    ("val_split", -0.2, "at least 0 and less than 1", "found -0.2"),
    ("weight_decay", -1, "at least 0", "found -1"),
    ("backbone_lr_mult", -1, "at least 0", "found -1"),
    ("freeze_backbone", "yes", "true/false", "found 'yes'"),
    ("freeze_backbone", None, "true/false", "found None"),
    ("freeze_backbone", math.nan, "true/false", "found nan"),
    ("hidden", (), "at least one width", "found []"),
    ("hidden", (64, 2.7), "positive whole numbers", "found [64, 2.7]"),
    ("seed", 1.5, "whole number", "found 1.5"),
    ("verbose", "no", "true/false", "found 'no'"),
]


@pytest.fixture
def unchanged(x, y, snapshot):
    """A call that must fail, and leave everything given to it and the process as it was."""

    def call(encoder, **changes):
        given = {"x": x, "y": list(y), **changes}
        copies = copy.deepcopy({name: given[name] for name in ("x", "y")})
        state = snapshot(encoder), torch.get_rng_state().tolist(), list(warnings.filters)
        training_calls = []
        encoder.register_forward_pre_hook(
            lambda module, inputs: training_calls.append(1) if module.training else None
        )
        state = snapshot(encoder), *state[1:]
        with pytest.raises(InputError) as caught:
            foundation_fit_classifier(encoder, **given)
        assert training_calls == []
        assert (snapshot(encoder), torch.get_rng_state().tolist(), list(warnings.filters)) == state
        for name, value in copies.items():
            if isinstance(value, np.ndarray):
                assert given[name].tobytes() == value.tobytes()
            else:
                assert repr(given[name]) == repr(value)
        return caught.value

    return call


@pytest.mark.parametrize(("argument", "value", "problem", "found"), BAD_INPUT)
def test_bad_input_is_named_before_any_training_and_nothing_changes(
    encoder, unchanged, no_training, argument, value, problem, found
):
    changes = {"head": "mlp"} if argument == "hidden" else {}
    error = unchanged(encoder, **{**changes, argument: value})
    assert error.argument == argument
    assert str(error).startswith(f"`{argument}` ")
    assert problem in str(error)
    assert found in str(error)


@pytest.mark.parametrize("kind", ["nan", "inf"])
def test_missing_and_infinite_cells_are_counted_and_the_first_patches_named(
    encoder, unchanged, no_training, x, kind
):
    error = unchanged(encoder, x=bad_patches(kind, x))
    assert str(error).startswith("`x` holds NA, NaN or infinite values in 2 of 41 patches")
    assert "(first: 3, 8; counted from 0)" in str(error)


def test_a_wrong_number_of_channels_names_both_and_changes_nothing(encoder, unchanged, no_training):
    error = unchanged(encoder, x=np.zeros((41, 3, 5, 5)))
    assert str(error).startswith("`x` must have 4 channels for this encoder; found 3")


def test_a_class_that_the_split_leaves_without_training_rows_is_a_warning(encoder, x):
    with pytest.warns(EdaphosWarning, match=r"left no training row of: (a|b)\.") as caught:
        fit = quick(encoder, x[:2], ["a", "b"], val_split=0.5)
    assert fit.classes == ["a", "b"]
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_missing_device_is_replaced_by_the_cpu_with_the_message_of_the_original(
    encoder, x, y, device, monkeypatch
):
    monkeypatch.setattr("edaphos_bridge.basics.devices.is_available", lambda name: name == "cpu")
    message = f"note: '{device}' backend requested but not available; falling back to 'cpu'."
    with pytest.warns(DeviceFallbackWarning, match=f"^{re.escape(message)}$") as caught:
        fit = quick(encoder, x, y, device=device)
    assert [warning.filename for warning in caught] == [__file__]
    assert fit.device == "cpu"
    assert same(fit, quick(encoder, x, y))
    with pytest.warns(DeviceFallbackWarning, match=f"^{re.escape(message)}$") as caught:
        fit.predict(x, device=device)
    assert [warning.filename for warning in caught] == [__file__]


def test_a_fit_without_trouble_warns_of_nothing(encoder, x, y):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick(encoder, x, y)
        quick(encoder, x, y, freeze_backbone=False)


@pytest.mark.parametrize("val_split", [0.2, 0])
def test_divergence_is_an_error_and_the_callers_encoder_is_as_it_was(
    encoder, x, y, snapshot, val_split
):
    before = snapshot(encoder)
    with pytest.raises(TrainingError, match=r"The loss is nan .* has diverged"):
        quick(encoder, x, y, freeze_backbone=False, lr=1e30, val_split=val_split)
    assert snapshot(encoder) == before


# Frozen means frozen, and a fit changes nothing it was given


def assert_frozen(fit, state):
    fit.encoder.train()
    nn.Sequential(fit.encoder).train()
    assert not any(part.training for part in fit.encoder.modules())
    assert not any(parameter.requires_grad for parameter in fit.encoder.parameters())
    found = fit.encoder.state_dict()
    assert list(found) == list(state)
    for name, tensor in state.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("which", ["encoder", "dropout_encoder"])
def test_a_frozen_encoder_is_bit_equal_before_and_after(request, x, y, which, state_of):
    module = request.getfixturevalue(which)
    state = state_of(module)
    fit = quick(module, x, y, head="mlp", dropout=0.3, weight_decay=0.1)
    assert_frozen(fit, state)
    fit.predict(x)
    assert_frozen(fit, state)
    assert_frozen(copy.deepcopy(fit), state)


def test_a_frozen_encoder_is_unlocked_for_a_later_full_fine_tuning_and_itself_stays(
    dropout_encoder, x, y, state_of
):
    state = state_of(dropout_encoder)
    probe = quick(dropout_encoder, x, y)
    tuned = quick(probe.encoder, x, y, freeze_backbone=False)
    assert same(tuned, quick(dropout_encoder, x, y, freeze_backbone=False))
    for name, _ in dropout_encoder.named_parameters():
        assert not torch.equal(tuned.encoder.state_dict()[name], state[name]), name
    assert_frozen(probe, state)


@REGIMES
@pytest.mark.parametrize("training", [True, False])
def test_a_fit_changes_nothing_it_was_given(
    dropout_encoder, x, y, snapshot, freeze_backbone, training
):
    dropout_encoder.train(training)
    dropout_encoder[0].requires_grad_(False)
    dropout_encoder[1].train(not training)
    series = pd.Series(pd.Categorical(y, categories=["unused", *CLASSES]))
    torch.manual_seed(8)
    np.random.seed(8)  # noqa: NPY002
    x.flags.writeable = False

    def everything():
        return (
            snapshot(dropout_encoder),
            x.tobytes(),
            series.tolist(),
            series.cat.categories.tolist(),
            torch.get_rng_state().tolist(),
            np.random.get_state()[1].tolist(),  # noqa: NPY002
            list(warnings.filters),
            torch.is_grad_enabled(),
            torch.get_num_threads(),
            torch.get_default_dtype(),
        )

    before = everything()
    for seed in (1, None):
        fit = quick(dropout_encoder, x, series, freeze_backbone=freeze_backbone, seed=seed)
        assert everything() == before
    memory = {p.data_ptr() for p in dropout_encoder.parameters()}
    assert memory.isdisjoint(p.data_ptr() for p in fit.encoder.parameters())


@REGIMES
def test_a_tensor_given_as_x_is_only_read(encoder, x, y, freeze_backbone):
    tensor = torch.from_numpy(x).float().requires_grad_()
    before = tensor.detach().clone()
    fit = quick(encoder, tensor, y, freeze_backbone=freeze_backbone)
    assert torch.equal(tensor.detach(), before)
    assert tensor.grad is None
    assert same(fit, quick(encoder, x.astype(np.float32), y, freeze_backbone=freeze_backbone))


@REGIMES
def test_two_fits_from_one_encoder_are_independent(encoder, x, y, freeze_backbone):
    first = quick(encoder, x, y, freeze_backbone=freeze_backbone)
    expected = first.predict_proba(x)
    second = quick(encoder, x, y, freeze_backbone=freeze_backbone, lr=0.5, seed=2)
    assert np.array_equal(first.predict_proba(x), expected)
    assert not np.array_equal(second.predict_proba(x), expected)
    assert same(quick(encoder, x, y, freeze_backbone=freeze_backbone), first)


# Randomness


@REGIMES
def test_the_same_seed_is_bit_equal_and_another_seed_is_not(dropout_encoder, x, y, freeze_backbone):
    settings = {"freeze_backbone": freeze_backbone, "head": "mlp", "dropout": 0.5}
    torch.manual_seed(100)
    one = quick(dropout_encoder, x, y, **settings)
    torch.manual_seed(200)
    assert same(one, quick(dropout_encoder, x, y, **settings))
    other = quick(dropout_encoder, x, y, **settings, seed=2)
    assert one.loss_history != other.loss_history
    assert not torch.equal(one.head[0].weight, other.head[0].weight)


@REGIMES
def test_without_a_seed_one_is_drawn_and_kept_so_that_the_fit_can_be_repeated(
    dropout_encoder, x, y, freeze_backbone
):
    torch.manual_seed(1)
    one = quick(dropout_encoder, x, y, freeze_backbone=freeze_backbone, seed=None)
    torch.manual_seed(1)
    other = quick(dropout_encoder, x, y, freeze_backbone=freeze_backbone, seed=None)
    seed = one.config["seed"]
    assert isinstance(seed, int)
    assert seed != other.config["seed"]
    assert same(one, quick(dropout_encoder, x, y, freeze_backbone=freeze_backbone, seed=seed))


def test_whole_floats_are_whole_numbers(encoder, x, y):
    one = quick(encoder, x, y, epochs=2.0, batch_size=16.0, seed=1.0)
    assert same(one, quick(encoder, x, y, epochs=2, batch_size=16, seed=1))


# Validation and batches of one


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


# What is shown


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


def test_an_interrupted_fit_leaves_everything_as_it_was(encoder, x, y, monkeypatch, snapshot):
    before, generator = snapshot(encoder), torch.get_rng_state()

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("edaphos_bridge.training.loop.EpochReport", interrupt)
    with pytest.raises(KeyboardInterrupt):
        quick(encoder, x, y, freeze_backbone=False)
    assert snapshot(encoder) == before
    assert torch.equal(torch.get_rng_state(), generator)


@pytest.mark.parametrize("architecture", ["moco", "simclr"])
@REGIMES
def test_the_callers_float32_patches_are_never_written_to(architecture, x, y, freeze_backbone):
    """Encoders of ours read them where they lie."""
    given = x.astype(np.float32)
    before = given.copy()
    fit = quick(
        foundation_encoder(architecture, 4, seed=1), given, y, freeze_backbone=freeze_backbone
    )
    fit.predict(given)
    assert np.array_equal(given, before)
    doubles = fit.predict_proba(before.astype(np.float64))
    assert np.array_equal(fit.predict_proba(given), doubles)


def test_a_module_that_writes_to_its_input_gets_a_copy(x, y):
    given = x.astype(np.float32)
    before = given.copy()
    module = nn.Sequential(nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    fit = quick(module, given, y)
    fit.predict(given)
    assert np.array_equal(given, before)


# Files


FRESH = """
import sys, numpy as np
from edaphos_bridge import FoundationClassifier
folder = sys.argv[1]
x = np.load(folder + "/x.npy")
for name in sys.argv[2:]:
    fit = FoundationClassifier.load(f"{folder}/{name}.safetensors")
    np.save(f"{folder}/{name}.npy", fit.predict_proba(x))
    print(fit.val_accuracy_history, fit.loss_history, fit.classes, sorted(fit.config.items()))
"""


def test_probabilities_are_bit_equal_after_saving_and_loading_in_a_fresh_process(
    x, y, tmp_path, fresh_python
):
    np.save(tmp_path / "x.npy", x)
    fits = {}
    for architecture in ("moco", "simclr"):
        encoder = foundation_encoder(architecture, 4, feature_dim=8, proj_dim=4, seed=1)
        fits[f"{architecture}-probe"] = quick(encoder, x, y, val_split=0)
        fits[f"{architecture}-full"] = quick(
            encoder, x, y, freeze_backbone=False, head="mlp", hidden=(6, 5), dropout=0.5
        )
    for name, fit in fits.items():
        fit.save(tmp_path / f"{name}.safetensors")
    printed = fresh_python(FRESH, tmp_path, *fits).splitlines()
    for line, (name, fit) in zip(printed, fits.items(), strict=True):
        assert np.load(tmp_path / f"{name}.npy").tobytes() == fit.predict_proba(x).tobytes()
        config = sorted(fit.config.items())
        history = fit.val_accuracy_history, fit.loss_history, fit.classes, config
        assert line == " ".join(map(str, history))


@REGIMES
def test_everything_comes_back_from_a_file(encoder, x, y, tmp_path, freeze_backbone):
    fit = quick(encoder, x, y, head="mlp", dropout=0.5, freeze_backbone=freeze_backbone)
    fit.save(str(tmp_path / "fit"))
    twin = FoundationClassifier.load(tmp_path / "fit")
    for field in fields(fit):
        if field.name not in ("encoder", "head"):
            assert getattr(twin, field.name) == getattr(fit, field.name)
            assert type(getattr(twin, field.name)) is type(getattr(fit, field.name))
    assert repr(twin) == repr(fit)
    assert same(twin, fit)
    assert np.array_equal(twin.predict_proba(x), fit.predict_proba(x))
    assert not any(part.training for part in [*twin.encoder.modules(), *twin.head.modules()])
    if freeze_backbone:
        assert_frozen(twin, copy.deepcopy(fit.encoder.state_dict()))
    else:
        assert all(part.training for part in twin.encoder.train().modules())
    tuned = quick(twin, x, y, freeze_backbone=False)
    assert same(tuned, quick(fit, x, y, freeze_backbone=False))


def test_equal_fits_are_equal_files(encoder, x, y, tmp_path):
    for name in ("one", "other"):
        quick(encoder, x, y).save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_a_file_is_safetensors_with_the_names_of_the_state_dicts(encoder, x, y):
    tensors = safetensors.torch.load(quick(encoder, x, y).to_bytes())
    expected = {f"encoder.{name}" for name in encoder.state_dict()} | {"head.weight", "head.bias"}
    assert set(tensors) == expected


@REGIMES
def test_a_classifier_around_a_module_of_ones_own_asks_for_that_module(
    dropout_encoder, x, y, tmp_path, freeze_backbone, snapshot
):
    fit = quick(dropout_encoder, x, y, freeze_backbone=freeze_backbone)
    fit.save(tmp_path / "fit")
    with pytest.raises(WeightsError, match=r"module of your own \(torch.*Sequential\).*`encoder=`"):
        FoundationClassifier.load(tmp_path / "fit")
    with pytest.raises(WeightsError, match=r"do not fit the encoder \(Linear\)"):
        FoundationClassifier.load(tmp_path / "fit", encoder=nn.Linear(2, 3))
    with pytest.raises(InputError, match="`encoder` must be a fit of edaphos_bridge or a torch"):
        FoundationClassifier.load(tmp_path / "fit", encoder="mine")
    anew = copy.deepcopy(dropout_encoder)
    nn.init.zeros_(anew[0].weight)
    before = snapshot(anew)
    twin = FoundationClassifier.load(tmp_path / "fit", encoder=anew)
    assert snapshot(anew) == before
    assert np.array_equal(twin.predict_proba(x), fit.predict_proba(x))
    if freeze_backbone:
        assert_frozen(twin, copy.deepcopy(dropout_encoder.state_dict()))


def test_a_module_with_a_state_that_is_no_tensor_is_fitted_but_cannot_be_saved(x, y, tmp_path):
    class Extra(nn.Sequential):
        def get_extra_state(self):
            return {"bands": [4, 3, 2]}

        def set_extra_state(self, state):
            pass

    fit = quick(Extra(*small_network()), x, y)
    with pytest.raises(WeightsError, match="is a dict, not a tensor"):
        fit.save(tmp_path / "fit")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def small_file():
    """The bytes of a small classifier around a SimCLR encoder."""
    encoder = foundation_encoder("simclr", 1, feature_dim=2, proj_dim=2, seed=1)
    x = np.random.default_rng(1).normal(size=(8, 1, 2, 2))
    return quick(encoder, x, ["a", "b"] * 4).to_bytes()


def test_a_truncated_file_is_an_error_at_every_length(small_file):
    for length in range(len(small_file)):
        with pytest.raises(WeightsError):
            FoundationClassifier.from_bytes(small_file[:length])


def with_metadata(data, **changes):
    """The file as format 1 would have it, without a digest, and with other metadata."""
    changes = {"format_version": 1, "digest": "left out", **changes}
    tensors = safetensors.torch.load(data)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    document = json.loads(header["__metadata__"]["edaphos_bridge"])
    for name, value in changes.items():
        part = document["task"] if name in document["task"] else document
        part[name] = value
        if value == "left out":
            del part[name]
    return safetensors.torch.save(tensors, metadata={"edaphos_bridge": json.dumps(document)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "encoder"}, "holds a 'encoder', not a 'fit'"),
        ({"format_version": 3}, "has format 3.*Update edaphos_bridge"),
        ({"format_version": "one"}, "damaged: it has format 'one'"),
        ({"format_version": -5}, "damaged: it has format '-5'"),
        ({"format_version": 2}, "its format and its digest do not fit"),
        ({"kind": "left out"}, "not written by edaphos_bridge"),
        ({"classes": "left out"}, "damaged"),
        ({"classes": ["a", "b", "c"], "class_counts": [3, 3, 2]}, "do not fit the head"),
        ({"classes": ["a", "a"]}, "'classes' is"),
        ({"classes": ["a"]}, "'classes' is"),
        ({"classes": ["a", ["b"]]}, "'classes' is"),
        ({"classes": ["a", 1]}, "'classes' is"),
        ({"loss_history": []}, "'loss_history' is"),
        ({"loss_history": ["0.5", "0.4"]}, "'loss_history' is"),
        ({"loss_history": [0.5] * 9}, "one loss and one score for each epoch"),
        ({"score_history": [7.0]}, "'score_history' is"),
        ({"in_channels": 2}, "two values of 'in_channels' differ"),
        ({"in_channels": 0}, "'in_channels' is"),
        ({"patch_size": [2]}, "'patch_size' is"),
        ({"device": "tpu"}, "'device' is"),
        ({"freeze_backbone": 1}, "'freeze_backbone' is"),
        ({"classes": 2}, "damaged"),
        ({"config": None}, "damaged"),
        ({"score_history": 3}, "damaged"),
        ({"feature_dim": 3}, "two values of 'feature_dim' differ"),
        ({"feature_dim": 10**30}, "damaged"),
        ({"feature_dim": "2"}, "damaged"),
        ({"head_type": "mlp"}, "two types of the head differ"),
        ({"class_counts": [4]}, "damaged"),
        ({"class_counts": [4, -1]}, "damaged"),
        ({"class_counts": [4, True]}, "damaged"),
        ({"class_counts": 8}, "damaged"),
        ({"encoder": {"architecture": "byol"}}, "'architecture' is 'byol'"),
        ({"encoder": {}}, "damaged"),
        ({"encoder": []}, "damaged"),
    ],
)
def test_a_description_that_does_not_fit_is_an_error(small_file, changes, message):
    with pytest.raises(WeightsError, match=message):
        FoundationClassifier.from_bytes(with_metadata(small_file, **changes))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", None), ("seed", [1]), ("seed", 1.5), ("seed", "left out"), ("epochs", 2.0),
        ("epochs", "2"), ("hidden", 3), ("hidden", [0]), ("dropout", 1), ("lr", "fast"),
        ("head", "mlp"), ("val_split", [0.2]), ("unknown", 1), ("solver", "sgd"),
    ],
)  # fmt: skip
def test_a_config_that_is_none_of_a_fit_is_an_error(small_file, name, value):
    config = {**FoundationClassifier.from_bytes(small_file).config, name: value}
    config = {key: kept for key, kept in config.items() if kept != "left out"}
    with pytest.raises(WeightsError, match="damaged"):
        FoundationClassifier.from_bytes(with_metadata(small_file, config=config))


@pytest.mark.parametrize("part", ["encoder", "head"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_neither_written_nor_read(small_file, part, value):
    fit = FoundationClassifier.from_bytes(small_file)
    with torch.no_grad():
        next(getattr(fit, part).parameters()).view(-1)[0] = value
    with pytest.raises(WeightsError, match=f"weights of the {part} are not finite"):
        fit.to_bytes()
    tensors = safetensors.torch.load(small_file)
    name = next(name for name in tensors if name.startswith(part))
    tensors[name].view(-1)[0] = value
    document = json.loads(safetensors_metadata(small_file)["edaphos_bridge"])
    del document["digest"]
    document["format_version"] = 1
    spoilt = safetensors.torch.save(tensors, metadata={"edaphos_bridge": json.dumps(document)})
    with pytest.raises(WeightsError, match=f"weights of the {part} are not finite"):
        FoundationClassifier.from_bytes(spoilt)


def safetensors_metadata(data):
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]


def test_a_mask_of_infinities_in_a_module_of_the_users_is_kept(x, y):
    class Masked(nn.Sequential):
        def __init__(self):
            super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
            self.register_buffer("mask", torch.tensor([0.0, -math.inf]))

    fit = foundation_fit_classifier(Masked(), x, y, epochs=1, seed=1)
    twin = FoundationClassifier.from_bytes(fit.to_bytes(), encoder=Masked())
    np.testing.assert_array_equal(twin.predict_proba(x), fit.predict_proba(x))
    fit.encoder.mask[0] = math.nan
    with pytest.raises(WeightsError, match="not finite: 'mask'"):
        fit.to_bytes()


def test_class_counts_come_back_and_may_be_missing_from_a_file(small_file):
    assert FoundationClassifier.from_bytes(small_file).class_counts == [4, 4]
    without = with_metadata(small_file, class_counts="left out")
    assert FoundationClassifier.from_bytes(without).class_counts is None


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


def test_a_file_that_does_not_say_is_not_ordered(small_file):
    without = with_metadata(small_file, ordered="left out")
    assert FoundationClassifier.from_bytes(without).ordered is False
    with pytest.raises(WeightsError, match="damaged"):
        FoundationClassifier.from_bytes(with_metadata(small_file, ordered=1))


def test_a_file_of_another_kind_is_an_error(tmp_path, encoder):
    (tmp_path / "encoder").write_bytes(encoder_to_bytes(encoder))
    with pytest.raises(WeightsError, match="holds a 'encoder', not a 'fit'"):
        FoundationClassifier.load(tmp_path / "encoder")


class Bomb:
    """A pickle that, if it were ever loaded, would leave a folder behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_is_refused_and_nothing_in_it_runs(tmp_path):
    torch.save(Bomb(tmp_path / "trace"), tmp_path / "fit.pt")
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        FoundationClassifier.load(tmp_path / "fit.pt")
    assert not (tmp_path / "trace").exists()


def test_a_file_that_is_not_there_is_the_systems_own_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        FoundationClassifier.load(tmp_path / "none")


def test_when_saving_fails_the_old_file_is_whole(encoder, x, y, tmp_path, monkeypatch):
    path = tmp_path / "fit"
    quick(encoder, x, y).save(path)
    before = path.read_bytes()

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match=r"`path` cannot be written \(disk full"):
        quick(encoder, x, y, seed=2).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_with_an_unknown_head_is_refused(x, y, encoder):
    fit = foundation_fit_classifier(encoder, x, y, epochs=1, seed=1)
    data = with_metadata(fit.to_bytes(), head_type="l1near")
    with pytest.raises(WeightsError, match="l1near"):
        FoundationClassifier.from_bytes(data)
