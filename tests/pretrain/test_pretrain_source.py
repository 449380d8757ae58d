"""Where pretraining takes its patches from: memory, files and tile data sets alike."""

import numpy as np
import pytest
import torch

from edaphos_bridge import foundation_simclr_pretrain, foundation_tile_dataset
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.errors import InputError
from edaphos_bridge.pretrain.source import PatchSource

X = np.random.default_rng(1).normal(size=(150, 3, 8, 8))
SMALL = {"feature_dim": 6, "proj_dim": 4, "batch_size": 8, "epochs": 2, "seed": 1}


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "x.npy", X)
    return tmp_path / "x.npy"


def test_patches_of_a_file_are_those_in_memory(path):
    kept, there = PatchSource(Patches(path)), PatchSource(Patches(X))
    rows = torch.tensor([149, 0, 70, 71])
    assert torch.equal(kept.read(rows), there.read(rows))
    assert torch.equal(there.read(rows), torch.tensor(X[rows], dtype=torch.float32))
    assert kept.fingerprint() == there.fingerprint()
    assert kept.shape == there.shape == X.shape


def test_the_fingerprint_tells_patches_apart(path):
    changed = X.copy()
    changed[149, 2, 7, 7] += 1
    assert PatchSource(Patches(changed)).fingerprint() != PatchSource(Patches(path)).fingerprint()
    turned = X.reshape(150, 8, 3, 8)
    assert PatchSource(Patches(turned)).fingerprint() != PatchSource(Patches(X)).fingerprint()


def test_patches_of_a_file_are_not_read_whole(path, monkeypatch):
    monkeypatch.delattr(Patches, "tensor")
    source = PatchSource(Patches(path))
    assert len(source.read(torch.tensor([3, 4]))) == 2


def test_unusable_patches_of_a_file_are_an_error_before_anything_else(tmp_path):
    x = X.copy()
    x[140, 0, 0, 0] = np.nan
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(InputError, match="in 1 of 150 patches"):
        PatchSource(Patches(tmp_path / "x.npy"))


def test_pretraining_on_a_file_is_pretraining_on_its_patches(path):
    kept = foundation_simclr_pretrain(path, **SMALL)
    assert kept.to_bytes() == foundation_simclr_pretrain(X, **SMALL).to_bytes()


def test_an_encoder_pretrained_on_a_tile_data_set_carries_its_normalisation():
    raster = np.random.default_rng(2).normal(size=(3, 40, 50))
    tiles = foundation_tile_dataset(raster, patch_size=8, n_patches=30, seed=1)
    fit = foundation_simclr_pretrain(tiles, **SMALL)
    assert fit.encoder.normalisation == tiles.normalisation
    plain = foundation_simclr_pretrain(tiles.read(np.arange(30)), **SMALL)
    assert fit.loss_history == plain.loss_history
    assert plain.normalisation is None
