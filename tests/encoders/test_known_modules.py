"""What is known of a module: whether it may be computed otherwise, whether it only reads."""

import copy

import pytest
import torch
from torch import nn

from edaphos_bridge import foundation_encoder, foundation_fit_classifier
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.encoders.known_modules import (
    draws_of,
    is_as_built,
    only_reads,
    runs_side_by_side,
)
from small_encoders import NAMES, small_encoder

# What a user might do to an encoder of ours; afterwards its own forward pass has to be called.
CHANGES = {
    "a layer exchanged": lambda module: setattr(module, _first(module), nn.Conv2d(3, 16, 1)),
    "padding of another kind": lambda module: setattr(
        module, _first(module), nn.Conv2d(3, 16, 3, padding=1, padding_mode="circular")
    ),
    "a forward pass of its own": lambda module: setattr(module, "forward", lambda x: x.flatten(1)),
    "a hook": lambda module: module.register_forward_hook(lambda *args: None),
    "a hook before": lambda module: module.register_forward_pre_hook(lambda *args: None),
    "a part's hook": lambda module: module.get_submodule(_first(module)).register_forward_hook(
        lambda *args: None
    ),
}


def _first(module):
    return "conv1" if module.architecture in ("simclr", "rotation") else "backbone"


@pytest.fixture(params=NAMES)
def ours(request):
    return small_encoder(request.param, 3)


def test_an_encoder_stays_as_built_when_its_weights_change(ours):
    assert is_as_built(ours)
    assert is_as_built(copy.deepcopy(ours).eval().requires_grad_(False))
    fit = foundation_fit_classifier(ours, torch.randn(9, 3, 5, 5), list("abc") * 3, epochs=1)
    assert is_as_built(fit.encoder)
    assert only_reads(fit.encoder)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_encoder_that_was_changed_is_not_as_built(ours, change):
    change(ours)
    assert not is_as_built(ours)
    assert not only_reads(ours)


def test_other_settings_of_a_batchnorm_are_a_change():
    encoder = foundation_encoder("moco", 3, seed=1)
    encoder.backbone.bn2.momentum = None
    assert not is_as_built(encoder)


def test_another_share_that_drops_is_a_change():
    encoder = small_encoder("rotation", 3)
    encoder.drop2.p = 0.1
    assert not is_as_built(encoder)


def test_another_stem_is_a_change():
    encoder = small_encoder("xresnet18", 3)
    encoder.stem = "standard"
    assert not is_as_built(encoder)


def test_what_an_encoder_of_ours_draws_comes_from_where_it_is_to(ours):
    found = []
    for _ in range(2):
        state = torch.get_rng_state()
        with draws_of(ours, Randomness(1)):
            found.append(ours(torch.ones(2, 3, 5, 5)))
        assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(*found)


def test_asking_draws_no_random_number(ours):
    state = torch.get_rng_state()
    is_as_built(ours)
    assert torch.equal(torch.get_rng_state(), state)


def test_layers_of_torch_that_do_not_work_in_place_only_read():
    inner = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU())
    assert only_reads(nn.Sequential(inner, nn.AdaptiveAvgPool2d(1), nn.Flatten()))


class Mine(nn.Module):
    def forward(self, x):
        return x.mul_(2).flatten(1)


@pytest.mark.parametrize(
    "module",
    [
        nn.Sequential(nn.ReLU(inplace=True), nn.Flatten()),
        nn.Sequential(nn.Flatten(), nn.Sequential(nn.Dropout(inplace=True))),
        nn.Sequential(Mine(), nn.Flatten()),
        Mine(),
    ],
)
def test_in_place_layers_and_modules_of_others_may_write(module):
    assert not only_reads(module)


def test_a_hook_may_write():
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    assert only_reads(module)
    module[0].register_forward_pre_hook(lambda layer, inputs: inputs[0].mul_(2))
    assert not only_reads(module)


class Own(nn.Module):
    """A module of a user's."""

    def forward(self, x):
        return x.flatten(1)


def test_what_is_made_of_parts_that_keep_nothing_runs_in_several_threads(ours):
    fit = foundation_fit_classifier(ours, torch.randn(9, 3, 5, 5), list("abc") * 3, epochs=1)
    of_torch = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten())
    for module in (ours, fit.encoder, fit.head, of_torch):
        assert runs_side_by_side(module)
    assert not runs_side_by_side(Own())
    assert not runs_side_by_side(nn.Sequential(of_torch, Own()))
    of_torch[0].register_forward_hook(lambda *args: None)
    assert not runs_side_by_side(of_torch)
