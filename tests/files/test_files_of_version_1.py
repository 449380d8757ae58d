"""Files that version 0.1.0 wrote (tests/fixtures/v1/README.md) open and give what they gave."""

import gzip

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import (
    FoundationClassifier,
    foundation_moco_embed,
    foundation_moco_pretrain,
    foundation_simclr_embed,
    foundation_simclr_pretrain,
    foundation_tile_dataset,
    foundation_weights_load,
)
from edaphos_bridge.files.container import prefixed
from edaphos_bridge.pretrain.result import FoundationPretrain
from edaphos_bridge.raster.tile_file import tiles_from_bytes
from edaphos_bridge.training.checkpoint import FILE

# Features and probabilities of another processor have other last bits, and those only.
TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def v1(data_folder):
    return data_folder / "v1"


@pytest.fixture
def old_file(v1, tmp_path):
    """The path of a file as it was written."""

    def unpack(name, path=tmp_path / "file.safetensors"):
        path.write_bytes(gzip.decompress((v1 / f"{name}.safetensors.gz").read_bytes()))
        return path

    return unpack


@pytest.fixture(scope="module")
def recorded(v1):
    return lambda name: np.load(v1 / f"{name}.npy", allow_pickle=False)


TWO_SOILS = ["clay", "Оксисол"]
CLASSIFIERS = {  # classes and their counts, frozen or not, head
    "probe_on_moco_of_tiles": (TWO_SOILS, [4, 8], True, "linear"),
    "mlp_on_simclr": ([2, 3], [8, 4], True, "mlp"),
    "fine_tuned_moco": ([False, True], [8, 4], False, "linear"),
    "probe_on_own_module": (TWO_SOILS, [4, 8], True, "linear"),
    "best_of_sweep": (TWO_SOILS, [4, 8], True, "linear"),
}


def own_module():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_has_its_classes_its_record_and_its_probabilities(old_file, recorded, name):
    module = own_module() if name == "probe_on_own_module" else None
    fit = FoundationClassifier.load(old_file(name), encoder=module)
    classes, counts, frozen, head = CLASSIFIERS[name]
    assert [(type(label), label) for label in fit.classes] == [(type(c), c) for c in classes]
    assert (fit.class_counts, fit.freeze_backbone, fit.head_type) == (counts, frozen, head)
    assert len(fit.loss_history) > 0
    assert np.isfinite(fit.loss_history).all()
    assert fit.config["seed"] in (1, 2, 4)
    assert (fit.in_channels, fit.patch_size) == (3, [9, 9])
    assert_close(fit.predict_proba(recorded("patches")), recorded(name), TOLERANCE)


def test_a_classifier_reads_rasters_with_the_normalisation_that_it_carried(old_file, v1):
    fit = FoundationClassifier.load(old_file("probe_on_moco_of_tiles"))
    tiles = foundation_tile_dataset(v1 / "scene.tif", patch_size=9, n_patches=12, seed=2)
    assert fit.normalisation.bands == ("clay", "ndvi", "slope")
    assert_close(fit.normalisation.means, tiles.means, 1e-9)
    assert_close(fit.normalisation.sds, tiles.sds, 1e-9)
    points = tiles.cells[:, ::-1] * [10, -10] + [505, 895]
    there = fit.predict_proba(v1 / "scene.tif", coords=points)
    assert_close(there, fit.predict_proba(tiles.read(range(12))), TOLERANCE)


@pytest.mark.parametrize(
    ("name", "embed"),
    [
        ("pretraining_moco_of_tiles", foundation_moco_embed),
        ("pretraining_simclr", foundation_simclr_embed),
    ],
)
def test_a_pretraining_fit_has_its_features(old_file, recorded, name, embed):
    fit = FoundationPretrain.load(old_file(name))
    assert len(fit.loss_history) == fit.config["epochs"] == 2
    assert (fit.normalisation is not None) == name.endswith("of_tiles")
    assert_close(embed(fit, recorded("patches")), recorded(name), TOLERANCE)


@pytest.mark.parametrize(
    ("name", "embed"),
    [("encoder_moco_of_tiles", foundation_moco_embed), ("encoder_simclr", foundation_simclr_embed)],
)
def test_an_encoder_has_its_projections(old_file, recorded, name, embed):
    encoder = foundation_weights_load(old_file(name))
    assert (encoder.normalisation is not None) == name.endswith("of_tiles")
    assert_close(embed(encoder, recorded("patches"), projection=True), recorded(name), TOLERANCE)


def test_a_tile_data_set_opens_its_raster_again(old_file, recorded, v1, monkeypatch):
    monkeypatch.chdir(v1)  # the raster was named by a relative path
    tiles = tiles_from_bytes(old_file("tiles").read_bytes())
    with tiles.raster:
        assert (len(tiles), tiles.patch_size, tiles.seed) == (12, 9, 2)
        assert tiles.bands == ["clay", "ndvi", "slope"]
        assert_close(tiles.read(range(3)), recorded("tiles"), TOLERANCE)


@pytest.mark.parametrize(
    ("name", "pretrain", "embed"),
    [
        ("moco", foundation_moco_pretrain, foundation_moco_embed),
        ("simclr", foundation_simclr_pretrain, foundation_simclr_embed),
    ],
)
def test_a_run_goes_on_from_its_checkpoint(old_file, recorded, tmp_path, name, pretrain, embed):
    old_file(f"checkpoint_of_{name}", tmp_path / FILE)
    settings = {"feature_dim": 6, "proj_dim": 4, "batch_size": 6, "epochs": 4, "lr": 1e-4}
    fit = pretrain(recorded("patches"), checkpoint_dir=tmp_path, **settings)
    losses = recorded(f"checkpoint_of_{name}_losses")
    assert fit.loss_history[:2] == losses[:2].tolist()
    # Adam makes steps of `lr` of gradients that are rounding, which each processor rounds anew.
    assert_close(fit.loss_history, losses, 1e-3)
    assert_close(embed(fit, recorded("patches")), recorded(f"checkpoint_of_{name}"), 1e-3)
    assert fit.config["seed"] == 5


MODULES = {
    **dict.fromkeys(CLASSIFIERS, FoundationClassifier),
    "pretraining_moco_of_tiles": FoundationPretrain,
    "pretraining_simclr": FoundationPretrain,
}


@pytest.mark.parametrize("name", MODULES)
def test_a_file_keeps_its_bits_and_is_written_anew_with_a_digest(old_file, tmp_path, name):
    given = {"encoder": own_module()} if name == "probe_on_own_module" else {}
    fit = MODULES[name].load(old_file(name), **given)
    state = fit.encoder.state_dict()
    if name in CLASSIFIERS:
        state = prefixed("encoder", state) | prefixed("head", fit.head.state_dict())
    wanted = safetensors.torch.load_file(old_file(name))
    assert state.keys() == wanted.keys()
    assert all(torch.equal(state[key], wanted[key]) for key in wanted)
    fit.save(tmp_path / "anew")
    assert b"digest" in (tmp_path / "anew").read_bytes()
    assert MODULES[name].load(tmp_path / "anew", **given).to_bytes() == fit.to_bytes()
