"""Digests tell modules from each other."""

import hashlib

import pytest
import torch
from torch import nn

from edaphos_bridge import foundation_encoder
from edaphos_bridge.encoders.digest import digest_of_module, layers_of


def network(seed=1, *, bias=True):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(4, 3, 3, bias=bias), nn.ReLU(), nn.Flatten())


def test_equal_modules_have_one_digest_and_others_another():
    assert digest_of_module(network()) == digest_of_module(network())
    others = [network(2), network(bias=False), nn.Sequential(*network()), network()[0]]
    assert digest_of_module(others[2]) == digest_of_module(network())
    assert len({digest_of_module(module) for module in (network(), *others)}) == 4


@pytest.mark.parametrize("orientation", ["rows_first", None])
def test_the_orientation_of_patches_counts_where_they_are_transposed(orientation):
    encoder = foundation_encoder("moco", 4, feature_dim=4, proj_dim=4, seed=1)
    usual = digest_of_module(encoder)
    encoder.patch_orientation = orientation
    assert digest_of_module(encoder) == usual
    encoder.patch_orientation = "transposed"
    assert digest_of_module(encoder) != usual


def test_without_it_the_digest_is_that_of_checkpoints_from_before():
    module = network()
    digest = hashlib.sha256(f"torch.nn.modules.container.Sequential {layers_of(module)}".encode())
    for name, values in module.state_dict().items():
        digest.update(f"{name} torch.float32 {tuple(values.shape)}".encode())
        digest.update(values.numpy().tobytes())
    assert digest_of_module(module) == digest.hexdigest()[:16]
