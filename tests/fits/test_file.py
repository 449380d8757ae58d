"""Fits in files: the same fit comes back, and what is no fit is an error."""

import copy
import json
import math
import os
from dataclasses import fields

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from edaphos_bridge import (
    FoundationClassifier,
    foundation_encoder,
    foundation_fit_classifier,
    foundation_fit_segmenter,
)
from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.weights.encoder_file import encoder_to_bytes
from small_fits import REGIMES, assert_frozen, quick, same, small_network

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


def test_fits_that_read_maps_of_another_width_than_the_features_come_back(x, y):
    encoder = foundation_encoder("rotation", 4, feature_dim=7, patch_size=x.shape[2], seed=1)
    masks = np.arange(len(x) * x.shape[2] * x.shape[3]).reshape(len(x), *x.shape[2:]) % 2
    for fit in (
        quick(encoder, x, y, head="concat_pool"),
        foundation_fit_segmenter(encoder, x, masks, decoder="linear", epochs=1, seed=1),
    ):
        assert fit.feature_dim == 32
        twin = type(fit).from_bytes(fit.to_bytes())
        assert twin.to_bytes() == fit.to_bytes()
        assert np.array_equal(twin.predict_proba(x), fit.predict_proba(x))


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


# --- around a module of a user's own --------------------------------------------------------


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


# --- what is no file of a fit -------------------------------------------------------------


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


def safetensors_metadata(data):
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]


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


def test_a_file_with_an_unknown_head_is_refused(x, y, encoder):
    fit = foundation_fit_classifier(encoder, x, y, epochs=1, seed=1)
    data = with_metadata(fit.to_bytes(), head_type="l1near")
    with pytest.raises(WeightsError, match="l1near"):
        FoundationClassifier.from_bytes(data)


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


def test_class_counts_come_back_and_may_be_missing_from_a_file(small_file):
    assert FoundationClassifier.from_bytes(small_file).class_counts == [4, 4]
    without = with_metadata(small_file, class_counts="left out")
    assert FoundationClassifier.from_bytes(without).class_counts is None


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
