"""The network of the rotation pretext task: names, shapes and arithmetic, written out once more."""

import math
import warnings

import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import foundation_embed, foundation_encoder, foundation_fit_classifier
from edaphos_bridge.encoders.rotation import RotationEncoder
from edaphos_bridge.errors import InputError


def made(in_channels=3, patch_size=9, **changes):
    return foundation_encoder(
        "rotation", in_channels, patch_size=patch_size, seed=1, **{"feature_dim": 6, **changes}
    )


def test_its_weights_are_those_of_two_convolutions_and_a_dense_layer():
    module = foundation_encoder("rotation", 1, patch_size=28, seed=1)
    assert {name: tuple(t.shape) for name, t in module.state_dict().items()} == {
        "conv1.weight": (64, 1, 2, 2), "conv1.bias": (64,),
        "conv2.weight": (32, 64, 2, 2), "conv2.bias": (32,),
        "dense.weight": (256, 32 * 7 * 7), "dense.bias": (256,),
    }  # fmt: skip
    assert (module.in_channels, module.feature_dim, module.patch_size) == (1, 256, 28)
    assert [part.p for part in module.modules() if isinstance(part, nn.Dropout)] == [0.3, 0.3, 0.5]


def test_weights_begin_within_glorots_bounds_and_biases_at_0():
    module = foundation_encoder("rotation", 3, patch_size=16, seed=1)
    for layer in (module.conv1, module.conv2, module.dense):
        cells = layer.weight[0, 0].numel() if layer.weight.ndim == 4 else 1
        bound = math.sqrt(6 / (cells * sum(layer.weight.shape[:2])))
        assert 0.95 * bound < layer.weight.abs().max() <= bound
        assert not layer.bias.any()


@pytest.mark.parametrize("size", [4, 5, 9, 16])
def test_features_in_evaluation_are_those_of_torchs_own_layers(size):
    module = made(patch_size=size).eval()
    same = []
    for layer in (module.conv1, module.conv2):
        with torch.no_grad():
            layer.bias.normal_(generator=torch.Generator().manual_seed(2))
        conv = nn.Conv2d(layer.in_channels, layer.out_channels, 2, padding="same")
        conv.load_state_dict(layer.state_dict())
        same += [conv, nn.ReLU(), nn.MaxPool2d(2)]
    plain = nn.Sequential(*same, nn.Flatten(), module.dense, nn.ReLU())
    x = torch.randn(5, 3, size, size, generator=torch.Generator().manual_seed(3))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that it copies to pad by one side
        assert_close(module(x), plain(x), 1e-6)


def test_the_last_map_is_what_the_dense_layer_reads():
    module = made().eval()
    x = torch.randn(2, 3, 9, 9)
    maps = module.maps(x)
    assert [tuple(h.shape) for h in maps] == [(2, 64, 9, 9), (2, 32, 4, 4), (2, 32, 2, 2)]
    assert torch.equal(module(x), torch.relu(module.dense(maps[-1].flatten(1))))
    assert [tuple(h.shape) for h in module.maps(torch.randn(1, 3, 12, 8))] == [
        (1, 64, 12, 8), (1, 32, 6, 4), (1, 32, 3, 2)
    ]  # fmt: skip


def test_every_weight_is_in_one_group_input_first():
    module = made()
    groups = [list(group) for group in module.groups()]
    assert groups == [[module.conv1], [module.conv2], [module.dense]]
    assert sum(p.numel() for g in groups for m in g for p in m.parameters()) == sum(
        p.numel() for p in module.parameters()
    )


def test_in_training_features_and_maps_drop_as_often_as_the_layers_say():
    module, x = made(feature_dim=400).train(), torch.rand(64, 3, 9, 9) + 0.5
    with torch.no_grad():
        for layer in (module.conv1, module.conv2, module.dense):
            layer.weight.fill_(0.01)  # all that is not dropped is above 0
        assert abs((module(x) == 0).float().mean() - 0.5) < 0.02
        assert abs((module.maps(x)[-1] == 0).float().mean() - 0.3) < 0.05


@pytest.mark.parametrize("shape", [(9, 8), (8, 8), (11, 11)])
def test_patches_of_another_size_are_an_error_that_says_which_it_takes(shape):
    x = torch.zeros(6, 3, *shape)
    message = f"`encoder` takes patches of 9 x 9 cells alone; found '{shape[0]} x {shape[1]}'"
    for call in (
        lambda: made()(x),
        lambda: foundation_embed(made(), x),
        lambda: foundation_fit_classifier(made(), x, list("ababab"), epochs=1),
        lambda: foundation_fit_classifier(
            made(), x, list("ababab"), epochs=1, freeze_backbone=False
        ),
    ):
        with pytest.raises(InputError, match=message):
            call()


@pytest.mark.parametrize("size", [1, 3])
def test_patches_that_two_poolings_leave_nothing_of_are_refused(size):
    with pytest.raises(InputError, match=f"`patch_size` must be at least 4: .*; found {size}"):
        made(patch_size=size)


def test_the_constructor_has_the_width_of_the_original_by_default():
    assert RotationEncoder(2, patch_size=4).feature_dim == 256
