"""Features of patches from any module, found and checked by running it."""

import copy
import warnings
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import (
    foundation_embed_at_coords,
    foundation_encoder,
    foundation_fit_classifier,
    foundation_moco_embed,
    foundation_probe_sweep,
    foundation_tile_dataset,
)
from edaphos_bridge.encoders.features import (
    batch_size_for,
    check_channels,
    encode_features,
    find_feature_dim,
    over_batches,
)
from edaphos_bridge.errors import InputError

FEATURES = torch.arange(6.0).reshape(2, 3)
OTHER = torch.full((2, 5), -1.0)
Named = namedtuple("Named", ["other", "feature"])


@dataclass
class Embedded:
    embedding: torch.Tensor


class Returning(nn.Module):
    """A module that returns what it was told to."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, x):
        return self.output


@pytest.fixture
def patches():
    return torch.zeros(2, 4, 5, 5)


@pytest.mark.parametrize(
    "output",
    [
        FEATURES,
        FEATURES[:, :, None, None],
        FEATURES[:, :, None],
        FEATURES.double(),
        FEATURES.to(torch.bfloat16),
        {"feature": FEATURES},
        {"feature": FEATURES[:, :, None, None], "embedding": OTHER},
        {"embedding": FEATURES, "logits": OTHER},
        OrderedDict(other=OTHER, feature=FEATURES),
        Named(OTHER, FEATURES),
        Embedded(FEATURES),
        SimpleNamespace(feature=FEATURES, embedding=OTHER),
        SimpleNamespace(embedding=FEATURES),
    ],
)
def test_features_are_a_tensor_or_under_feature_and_then_embedding(output, patches):
    features = encode_features(Returning(output), patches)
    assert features.dtype == torch.float32
    assert torch.equal(features, FEATURES)


@pytest.mark.parametrize(
    "output", [None, "x", (FEATURES,), [FEATURES], {"x": FEATURES}, {"feature": None}, {}, object()]
)
def test_something_without_features_is_an_error_that_names_what_was_returned(output, patches):
    with pytest.raises(InputError, match="`encoder` must return a tensor, or a mapping") as caught:
        encode_features(Returning(output), patches)
    assert f"found {type(output).__name__!r}" in str(caught.value)


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (2, 3, 1, 2), (2, 0), (3, 3), (2,), (), (2, 7, 3)])
def test_feature_maps_and_other_shapes_are_an_error_that_shows_the_shape(shape, patches):
    with pytest.raises(InputError, match=r"must return features \(B, D\) for 2 patches") as caught:
        encode_features(Returning(torch.zeros(shape)), patches)
    assert f"found {list(shape)}" in str(caught.value)
    assert "AdaptiveAvgPool2d(1)" in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_features_that_are_no_floating_point_numbers_are_an_error(dtype, patches):
    with pytest.raises(InputError, match="`encoder` must return floating-point features"):
        encode_features(Returning(torch.zeros(2, 3, dtype=dtype)), patches)


def test_the_feature_dimension_is_found_by_running_one_patch_in_eval_mode(dropout_encoder):
    calls = []
    dropout_encoder.register_forward_pre_hook(
        lambda module, inputs: calls.append((module.training, len(inputs[0])))
    )
    assert find_feature_dim(dropout_encoder, torch.zeros(1, 4, 5, 5)) == 6
    assert calls == [(False, 1)]


def test_a_vision_transformer_like_module_needs_no_channels_attribute():
    module = nn.Sequential(nn.Flatten(), nn.Linear(100, 9))
    assert find_feature_dim(module, torch.zeros(1, 4, 5, 5)) == 9


class Normalised(nn.Module):
    """Fails before the patch reaches a layer that knows its channels."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, 4, 1, 1))
        self.conv = nn.Conv2d(4, 3, 1)

    def forward(self, x):
        return self.conv(x - self.mean).mean((2, 3))


@pytest.mark.parametrize(
    "module",
    [
        foundation_encoder("moco", 4),
        foundation_encoder("simclr", 4),
        nn.Sequential(nn.Conv2d(4, 3, 1), nn.AdaptiveAvgPool2d(1)),
        Normalised(),
    ],
    ids=["moco", "simclr", "own", "normalised"],
)
def test_a_wrong_number_of_channels_names_both_numbers(module):
    with pytest.raises(InputError, match="`x` must have 4 channels for this encoder; found 3"):
        find_feature_dim(module, torch.zeros(1, 3, 5, 5))


def test_a_module_that_fails_for_another_reason_says_which():
    module = nn.Sequential(nn.Conv2d(4, 3, 7), nn.AdaptiveAvgPool2d(1))
    with pytest.raises(InputError, match=r"fails on a patch of shape \[1, 4, 5, 5\]: RuntimeError"):
        find_feature_dim(module, torch.zeros(1, 4, 5, 5))


def test_the_layer_that_x_reaches_first_says_how_many_channels_it_takes():
    class Backwards(nn.Module):
        """Defines its last layer first, and its first layer needs 7 by 7 pixels."""

        def __init__(self):
            super().__init__()
            self.last = nn.Conv2d(3, 2, 1)
            self.first = nn.Conv2d(4, 3, 7)

        def forward(self, x):
            return self.last(self.first(x)).mean((2, 3))

    with pytest.raises(InputError, match=r"fails on a patch of shape \[1, 4, 5, 5\]"):
        find_feature_dim(Backwards(), torch.zeros(1, 4, 5, 5))
    with pytest.raises(InputError, match="`x` must have 4 channels for this encoder; found 3"):
        find_feature_dim(Backwards(), torch.zeros(1, 3, 9, 9))


def test_an_exception_of_the_users_own_is_shown():
    class Failing(nn.Module):
        def forward(self, x):
            raise KeyError("band 7")

    with pytest.raises(InputError, match=r"`encoder` fails on a patch .*KeyError: 'band 7'"):
        find_feature_dim(Failing(), torch.zeros(1, 4, 5, 5))


def test_a_lazy_module_takes_its_shape_from_the_first_patch():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch: lazy modules are new
        module = nn.Sequential(nn.LazyConv2d(3, 1), nn.AdaptiveAvgPool2d(1))
    assert find_feature_dim(module, torch.zeros(1, 4, 5, 5)) == 3


def test_channels_are_compared_only_where_they_are_known():
    check_channels(None, 7)
    check_channels(7, 7)
    with pytest.raises(InputError, match="must have 7 channels for this encoder; found 4"):
        check_channels(7, 4)


@pytest.mark.parametrize(
    ("shape", "on_cpu", "elsewhere"),
    [
        ((9999, 4, 5, 5), 256, 256),
        ((10, 4, 1, 1), 256, 256),
        ((10, 31, 16, 16), 128, 256),
        ((10, 31, 64, 64), 8, 64),
        ((10, 3, 9999, 9999), 1, 1),
    ],
)
def test_a_batch_is_at_most_256_patches_and_bounded_in_memory(shape, on_cpu, elsewhere):
    assert batch_size_for(shape, "cpu") == on_cpu
    assert batch_size_for(shape, "cuda") == elsewhere


def test_a_module_of_the_users_own_gets_more_patches_on_a_cpu():
    shape = (10, 31, 16, 16)
    assert batch_size_for(shape, "cpu", foundation_encoder("moco", 31, seed=1)) == 128
    assert batch_size_for(shape, "cpu", torch.nn.Flatten()) == 512
    assert batch_size_for((10, 4, 5, 5), "cpu", torch.nn.Flatten()) == 1024
    assert batch_size_for((10, 31, 64, 64), "cuda", torch.nn.Flatten()) == 64


def test_what_is_computed_of_each_batch_goes_to_its_rows_without_gradients():
    layer = torch.nn.Linear(3, 2)
    x = torch.randn(7, 3)
    out = torch.full((8, 2), -1.0, dtype=torch.float64)
    batches = [(torch.tensor([6, 0]), x[[6, 0]]), (slice(1, 6), x[1:6])]
    over_batches(layer, batches, out, torch.device("cpu"))
    assert not out.requires_grad
    assert_close(out[:7], layer(x).detach().double(), 1e-6)
    assert out[7].tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("place", "value"), [("weight", np.nan), ("weight", np.inf), ("running_mean", np.nan)]
)
def test_weights_that_are_not_finite_are_the_reason_that_is_named(place, value):
    encoder = foundation_encoder("moco", 4, seed=1)
    name = next(name for name in encoder.state_dict() if name.endswith(place))
    broken = copy.deepcopy(encoder)
    broken.state_dict()[name].view(-1)[0] = value
    x, y = np.random.default_rng(1).normal(size=(20, 4, 5, 5)), list("ab") * 10
    tiles = foundation_tile_dataset(x[0], patch_size=2, n_patches=4, seed=1)
    fit = foundation_fit_classifier(encoder, x, y, epochs=1, seed=1)
    fit.encoder = broken
    calls = {
        "encoder": [
            lambda: foundation_fit_classifier(broken, x, y),
            lambda: foundation_fit_classifier(broken, x, y, freeze_backbone=False),
            lambda: foundation_probe_sweep(broken, x, y),
            lambda: fit.predict(x),
            lambda: foundation_embed_at_coords(broken, [[2.5, 2.5]], x[0], dataset=tiles),
        ],
        "object": [lambda: foundation_moco_embed(broken, x)],
    }
    for argument, several in calls.items():
        for call in several:
            with pytest.raises(InputError, match=f"has weights that are NaN or .*{name}") as caught:
                call()
            assert caught.value.argument == argument


def test_a_head_that_is_not_finite_is_named_too():
    x = np.random.default_rng(1).normal(size=(20, 4, 5, 5))
    fit = foundation_fit_classifier(foundation_encoder("moco", 4), x, list("ab") * 10, epochs=1)
    fit.head.weight.data[0, 0] = float("nan")
    with pytest.raises(InputError, match="`head` has weights that are NaN or infinite"):
        fit.predict(x)
