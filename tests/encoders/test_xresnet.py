"""XResNet: the names, shapes and features of fastai's, and what is ours: width and stem."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from closeness import assert_close, size_of
from edaphos_bridge import foundation_encoder
from edaphos_bridge.encoders import XResNet
from edaphos_bridge.encoders.encoder import groups_of, maps_of
from edaphos_bridge.encoders.xresnet import ResBlock
from edaphos_bridge.heads.decoder import MapShapes
from edaphos_bridge.heads.decoders import make_decoder
from small_encoders import XRESNETS, small_encoder, with_other_norms

FASTAI = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "fastai" / "xresnet_fastai.json").read_text()
)


def filled(backbone):
    """Give a backbone the weights that the fixture states."""
    state = backbone.state_dict()
    for number, name in enumerate((n for n in state if "num_batches" not in n), 1):
        shape = tuple(state[name].shape)
        value = np.random.default_rng(number).normal(size=shape)
        if name.endswith("running_var"):
            value = 1 + 0.1 * np.abs(value)
        elif len(shape) == 4:
            value = value * np.sqrt(2 / np.prod(shape[1:]))
        elif name.endswith("weight"):
            value = 0.3 + 0.05 * value
        else:
            value = 0.1 * value
        state[name] = torch.from_numpy(value.astype(np.float32))
    backbone.load_state_dict(state)


@pytest.fixture(scope="module", params=sorted(FASTAI))
def fastai(request):
    """What fastai's network gave, an encoder of ours with the same weights, and their input."""
    encoder = foundation_encoder(request.param, 3, seed=1).eval()
    filled(encoder.backbone)
    k = torch.arange(2 * 3 * 64 * 64, dtype=torch.float64)
    return FASTAI[request.param], encoder, torch.sin(0.01 * k).float().reshape(2, 3, 64, 64)


def test_names_and_shapes_are_fastais(fastai):
    recorded, encoder, x = fastai
    names = [name for name in recorded["names"] if not name.startswith("11.")]
    assert list(encoder.backbone.state_dict()) == names
    of_head = 5 * 512 + 5  # its last layer
    weights = sum(parameter.numel() for parameter in encoder.parameters())
    assert weights == recorded["n_parameters"] - of_head
    with torch.no_grad():
        shapes = []
        for part in encoder.backbone:
            x = part(x)
            shapes.append(list(x.shape))
    assert shapes == recorded["shapes"][:8]


def test_features_are_fastais(fastai):
    recorded, encoder, x = fastai
    with torch.no_grad():
        features = encoder(x)
    assert list(features.shape) == recorded["pooled_shape"]
    assert_close(features[:, :8], torch.tensor(recorded["pooled"]), 1e-5)
    assert_close(features.double().abs().mean(), recorded["pooled_abs_mean"], 1e-5)
    assert_close(features.double().sum(), recorded["pooled_sum"], 1e-5)


@torch.no_grad()
def block_by_hand(block, x, expansion, stride):
    """A residual block written out, its layers in the order of the state dict."""
    state = iter(block.state_dict().values())

    def conv_norm(h, stride=1):
        kernel = next(state)
        weight, bias, mean, var, _ = (next(state) for _ in range(5))
        h = functional.conv2d(h, kernel, stride=stride, padding=kernel.shape[-1] // 2)
        scale = weight / torch.sqrt(var + 1e-5)
        return h * scale[:, None, None] + (bias - mean * scale)[:, None, None]

    if expansion == 1:
        h = conv_norm(conv_norm(x, stride).relu())
    else:
        h = conv_norm(conv_norm(conv_norm(x).relu(), stride).relu())
    shortcut = x
    if stride > 1:
        rows, cols = (range(0, n, stride) for n in x.shape[2:])
        cells = [[x[:, :, r : r + stride, c : c + stride].mean((2, 3)) for c in cols] for r in rows]
        shortcut = torch.stack([torch.stack(row, -1) for row in cells], -2)
    if h.shape[1] != x.shape[1]:
        shortcut = conv_norm(shortcut)
    assert next(state, None) is None
    return (h + shortcut).relu()


@pytest.mark.parametrize("expansion", [1, 4])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("in_channels", [3, 5, 12])
def test_a_block_is_its_convolutions_and_its_shortcut(expansion, stride, in_channels):
    torch.manual_seed(1)
    block = with_other_norms(ResBlock(in_channels, 3, expansion, stride))
    for size in ((6, 8), (5, 3), (1, 1)):
        x = torch.randn(2, in_channels, *size)
        expected = block_by_hand(block, x, expansion, stride)
        with torch.no_grad():
            assert_close(block(x), expected, 1e-5, size_of(expected))


@pytest.mark.parametrize("name", XRESNETS)
def test_a_block_begins_as_its_shortcut(name):
    encoder = small_encoder(name, 3)
    blocks = [part for part in encoder.modules() if isinstance(part, ResBlock)]
    assert len(blocks) == sum(encoder.blocks)
    x = torch.randn(2, 2, 4, 4)
    for block in blocks:
        assert not block.convpath[-1][1].weight.any()
    expected = functional.relu(x + 1e-3) if name != "xresnet50" else None
    if expected is not None:
        assert_close(blocks[0](x), expected, 1e-6)


@pytest.mark.parametrize("name", XRESNETS)
@pytest.mark.parametrize("width", [1, 2, 5])
def test_width_sets_the_channels_of_every_stage(name, width):
    encoder = small_encoder(name, 3, width=width).eval()
    times = 4 if name == "xresnet50" else 1
    channels = [h.shape[1] for h in maps_of(encoder, torch.randn(1, 3, 9, 9))]
    assert channels == [width, *(times * width * 2**stage for stage in range(4))]
    assert encoder.feature_dim == 8 * times * width
    assert isinstance(encoder, XResNet)


@pytest.mark.parametrize("name", XRESNETS)
def test_the_standard_stem_quarters_a_patch_and_the_small_one_keeps_it(name):
    x = torch.randn(1, 3, 40, 33)
    standard = maps_of(small_encoder(name, 3, stem="standard").eval(), x)
    small = maps_of(small_encoder(name, 3).eval(), x)
    assert [h.shape[2:] for h in standard] == [(20, 17), (10, 9), (5, 5), (3, 3), (2, 2)]
    assert [h.shape[2:] for h in small] == [(40, 33), (40, 33), (20, 17), (10, 9), (5, 5)]


def test_both_stems_have_the_same_weights(equal_states):
    one, other = (small_encoder("xresnet18", 3, stem=stem) for stem in ("standard", "small"))
    assert equal_states(one.state_dict(), other.state_dict())


@pytest.mark.parametrize("stem", ["standard", "small"])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (9, 9), (16, 7)])
def test_any_patch_has_features_which_are_the_means_of_the_last_map(stem, size):
    encoder = small_encoder("xresnet18", 4, stem=stem).eval()
    x = torch.randn(2, 4, *size)
    with torch.no_grad():
        features = encoder(x)
        assert torch.equal(features, maps_of(encoder, x)[-1].mean(dim=(2, 3)))
    assert features.shape == (2, 16)
    encoder.train()(x).sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_groups_are_the_stem_and_the_stages():
    encoder = small_encoder("xresnet34", 4)
    parts = list(encoder.backbone)
    assert groups_of(encoder) == [parts[:3], *([stage] for stage in parts[4:])]


def test_a_unet_joins_the_maps_that_fastais_joins():
    x = torch.randn(2, 4, 64, 48)
    for stem, joined in (("standard", [3, 2, 1, 0]), ("small", [3, 2, 1])):
        maps = maps_of(small_encoder("xresnet18", 4, stem=stem).eval(), x)
        decoder = make_decoder("unet", MapShapes.of([h.shape[1:] for h in (x, *maps)]), 3)
        assert decoder.skips == joined
        assert decoder([x, *maps]).shape == (2, 3, 64, 48)
