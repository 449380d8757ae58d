"""Files of kind "fit" as format 2 has them (tests/fixtures/v2/README.md) open with equal bits."""

import gzip
import json
import math

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import FoundationClassifier
from edaphos_bridge.files.container import prefixed

# Probabilities of another processor have other last bits, and those only.
TOLERANCE = 1e-6


def own_module():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )


FITS = {  # classes, whether ordered, their counts, frozen or not, head, epochs, seed
    "linear_on_simclr": (["clay", "Оксисол"], True, [4, 8], True, "linear", 20, 4),
    "mlp_with_own_module": ([2, 3], False, [8, 4], False, "mlp", 12, 4),
    "lbfgs_on_simclr": ([False, True], False, [4, 8], True, "linear", 11, 1),
}


@pytest.fixture(scope="module")
def written(data_folder):
    """The bytes of a file as they were written."""
    return lambda name: gzip.decompress(
        (data_folder / "v2" / f"{name}.safetensors.gz").read_bytes()
    )


@pytest.fixture(params=FITS)
def name(request):
    return request.param


@pytest.fixture
def fit(name, written):
    module = own_module() if name == "mlp_with_own_module" else None
    return FoundationClassifier.from_bytes(written(name), encoder=module)


def document(data):
    """What a file says of itself, without what differs from one installation to another."""
    metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    values = json.loads(metadata["edaphos_bridge"])
    return {key: value for key, value in values.items() if key not in ("digest", "versions")}


def test_a_fit_has_its_classes_and_its_record(name, fit):
    classes, ordered, counts, frozen, head, epochs, seed = FITS[name]
    assert [(type(label), label) for label in fit.classes] == [(type(c), c) for c in classes]
    assert (fit.ordered, fit.class_counts) == (ordered, counts)
    assert (fit.freeze_backbone, fit.head_type) == (frozen, head)
    assert len(fit.loss_history) == len(fit.val_accuracy_history) == fit.config["epochs"] == epochs
    assert np.isfinite(fit.loss_history).all()
    with_scores = name == "linear_on_simclr"
    assert all(math.isnan(value) != with_scores for value in fit.val_accuracy_history)
    assert fit.config["seed"] == seed
    assert (fit.in_channels, fit.patch_size, fit.overlapping) == (3, [9, 9], None)


def test_a_fit_has_its_probabilities(name, fit, data_folder):
    x = np.load(data_folder / "v1" / "patches.npy", allow_pickle=False)
    recorded = np.load(data_folder / "v2" / f"{name}.npy", allow_pickle=False)
    assert len(np.unique(recorded[:, 0])) > 6  # a constant would not show the weights
    assert_close(fit.predict_proba(x), recorded, TOLERANCE)


def test_a_fit_has_the_bits_of_its_file(name, fit, written):
    state = prefixed("encoder", fit.encoder.state_dict()) | prefixed("head", fit.head.state_dict())
    wanted = safetensors.torch.load(written(name))
    assert state.keys() == wanted.keys()
    assert all(torch.equal(state[key], wanted[key]) for key in wanted)


def test_a_fit_is_written_as_it_was(name, fit, written):
    anew = fit.to_bytes()
    assert document(anew) == document(written(name))
    given, found = safetensors.torch.load(written(name)), safetensors.torch.load(anew)
    assert given.keys() == found.keys()
    assert all(torch.equal(given[key], found[key]) for key in given)
