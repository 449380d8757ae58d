"""Files of format 1, as the first version wrote them, open and mean what they meant."""

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from edaphos_bridge import (
    FoundationClassifier,
    FoundationPretrain,
    foundation_moco_embed,
    foundation_simclr_embed,
    foundation_simclr_pretrain,
    foundation_weights_load,
)
from edaphos_bridge.pretrain.checkpoint import FILE
from edaphos_bridge.raster.tile_file import tiles_from_bytes, tiles_to_bytes
from edaphos_bridge.weights.container import prefixed

CLASSIFIERS = ["linear", "mlp", "full", "bool", "lbfgs", "own"]
# Kernels differ between processors, and so do last digits.
RTOL = 1e-5


@pytest.fixture
def saved(data_folder):
    return lambda name: data_folder / "saved_files" / f"{name}.safetensors"


@pytest.fixture
def expected(data_folder):
    with np.load(data_folder / "saved_files" / "expected.npz", allow_pickle=False) as stored:
        return dict(stored)


def assert_bits(module_states, path):
    """The tensors of the modules are those that another reader finds in the file."""
    found, wanted = module_states, safetensors.torch.load_file(path)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def assert_close(found, wanted):
    assert (np.abs(found - wanted) <= RTOL * np.maximum(1, np.abs(wanted))).all()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_has_its_weights_and_gives_its_probabilities(name, saved, expected):
    own = nn.Sequential(
        nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    path = saved(f"classifier_{name}")
    fit = FoundationClassifier.load(path, encoder=own if name == "own" else None)
    states = {
        **prefixed("encoder", fit.encoder.state_dict()), **prefixed("head", fit.head.state_dict())
    }  # fmt: skip
    assert_bits(states, path)
    assert_close(fit.predict_proba(expected["x"]), expected[f"classifier_{name}"])
    again = FoundationClassifier.from_bytes(fit.to_bytes(), encoder=own if name == "own" else None)
    assert again.to_bytes() == fit.to_bytes()


@pytest.mark.parametrize("name", ["moco", "simclr"])
def test_an_encoder_has_its_weights_and_gives_its_embeddings(name, saved, expected):
    encoder = foundation_weights_load(saved(f"encoder_{name}"))
    assert_bits(encoder.state_dict(), saved(f"encoder_{name}"))
    embed = {"moco": foundation_moco_embed, "simclr": foundation_simclr_embed}[name]
    assert_close(embed(encoder, expected["x"]), expected[f"encoder_{name}"])


@pytest.mark.parametrize(
    ("name", "embed", "patches"),
    [("simclr", foundation_simclr_embed, "x"), ("tiles", foundation_moco_embed, "tiles")],
)
def test_a_pretraining_fit_has_its_weights_and_gives_its_embeddings(
    name, embed, patches, saved, expected
):
    fit = FoundationPretrain.load(saved(f"pretraining_{name}"))
    assert_bits(fit.encoder.state_dict(), saved(f"pretraining_{name}"))
    assert_close(embed(fit, expected[patches]), expected[f"pretraining_{name}"])
    assert (len(fit.loss_history), fit.batch_size) == (4, 8)
    assert fit.queue_size == (2 if name == "tiles" else None)
    assert (fit.normalisation is not None) == (name == "tiles")


def test_a_checkpoint_gives_its_run_and_can_be_made_longer(saved, expected, tmp_path):
    (tmp_path / FILE).write_bytes(saved("checkpoint_simclr").read_bytes())
    ended = FoundationPretrain.load(saved("pretraining_simclr"))

    def run(epochs):
        return foundation_simclr_pretrain(
            expected["x"], feature_dim=4, proj_dim=3, batch_size=8, epochs=epochs, seed=1,
            checkpoint_dir=tmp_path,
        )  # fmt: skip

    again = run(4)
    assert again.loss_history == ended.loss_history
    assert_bits(again.encoder.state_dict(), saved("pretraining_simclr"))
    assert run(6).loss_history[:4] == ended.loss_history


def test_a_tile_dataset_opens_its_raster_and_reads_its_tiles(saved, expected, monkeypatch):
    monkeypatch.chdir(saved("tiles").parent)  # the file has the raster's path from there
    dataset = tiles_from_bytes(saved("tiles").read_bytes())
    with dataset.raster:
        np.testing.assert_array_equal(dataset.read(range(10)), expected["tiles"])
        again = tiles_from_bytes(tiles_to_bytes(dataset))
    again.raster.close()
    np.testing.assert_array_equal(again.cells, dataset.cells)
