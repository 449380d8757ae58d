"""Bad input is an error that names it, before any training, and nothing changes."""

import copy
import math
import re
import warnings

import numpy as np
import pytest
import torch

from edaphos_bridge import foundation_fit_classifier
from edaphos_bridge.errors import DeviceFallbackWarning, EdaphosWarning, InputError
from small_fits import bad_patches, quick, same

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


# --- what is a warning --------------------------------------------------------------------


def test_a_class_that_the_split_leaves_without_training_rows_is_a_warning(encoder, x):
    with pytest.warns(EdaphosWarning, match=r"left no training row of: (a|b)\.") as caught:
        fit = foundation_fit_classifier(encoder, x[:2], ["a", "b"], val_split=0.5, epochs=2, seed=1)
    assert fit.classes == ["a", "b"]
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_missing_device_is_replaced_by_the_cpu_with_the_message_of_the_original(
    encoder, x, y, device, monkeypatch
):
    monkeypatch.setattr("edaphos_bridge.basics.devices.is_available", lambda name: name == "cpu")
    message = f"note: '{device}' backend requested but not available; falling back to 'cpu'."
    with pytest.warns(DeviceFallbackWarning, match=f"^{re.escape(message)}$") as caught:
        fit = foundation_fit_classifier(encoder, x, y, device=device, epochs=2, seed=1)
    assert [warning.filename for warning in caught] == [__file__]
    assert fit.device == "cpu"
    assert same(fit, quick(encoder, x, y))
    with pytest.warns(DeviceFallbackWarning, match=f"^{re.escape(message)}$") as caught:
        fit.predict(x, device=device)
    assert [warning.filename for warning in caught] == [__file__]
