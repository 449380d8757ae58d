"""The U-Net: the weights and the outputs of fastai's own DynamicUnet."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from closeness import assert_close, size_of
from edaphos_bridge.encoders.features import encode
from edaphos_bridge.heads.decoder import MapShapes
from edaphos_bridge.heads.unet_decoder import Doubled, UNetDecoder

FIXTURE = Path(__file__).parents[1] / "fixtures" / "fastai" / "dynamic_unet.npz"

# fastai numbers its layers: the encoder, BatchNorm, ReLU, middle, levels, and so on.
NAMES = {
    "layers.1.": "norm.",
    "layers.3.": "middle.",
    "layers.4.": "levels.0.",
    "layers.5.": "levels.1.",
    "layers.8.convpath.": "residual.convolutions.",
    "layers.9.0.": "outputs.",
    "shuf.0.0.": "doubled.0.",
    ".bn.": ".norm.",
    ".conv1.": ".convolutions.0.",
    ".conv2.": ".convolutions.1.",
}


class Body(nn.Sequential):
    """The body of the fixture: three blocks, of strides 1, 2 and 2."""

    def __init__(self) -> None:
        blocks = [
            nn.Sequential(nn.Conv2d(i, o, 3, stride, 1), nn.BatchNorm2d(o), nn.ReLU())
            for i, o, stride in ((4, 6, 1), (6, 8, 2), (8, 12, 2))
        ]
        super().__init__(*blocks)

    def maps(self, x):
        maps = []
        for block in self:
            x = block(x)
            maps.append(x)
        return maps


@pytest.fixture(scope="module")
def recorded():
    with np.load(FIXTURE) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


@pytest.fixture(scope="module")
def network(recorded):
    body, of_body, of_decoder = Body(), {}, {}
    for name, value in recorded.items():
        if name.startswith("state/layers.0."):
            of_body[name.removeprefix("state/layers.0.")] = value
        elif name.startswith("state/"):
            ours = name.removeprefix("state/")
            for theirs, called in NAMES.items():
                ours = ours.replace(theirs, called)
            of_decoder[ours] = value
    body.load_state_dict(of_body)
    body.eval()
    x = recorded["x"]
    decoder = UNetDecoder(MapShapes.of([h.shape[1:] for h in encode(body, x, "maps")]), 5)
    decoder.load_state_dict(of_decoder)  # all of them, under these names
    decoder.eval()
    return lambda x: decoder(encode(body, x, "maps"))


@pytest.mark.parametrize("which", ["", "_other_size"])
def test_it_gives_what_fastais_gives(network, recorded, which):
    expected = recorded[f"logits{which}"]
    with torch.no_grad():
        assert_close(network(recorded[f"x{which}"]), expected, 1e-5, size_of(expected))


def test_a_doubling_begins_as_the_nearest_up_sampling():
    x = torch.randn(2, 6, 3, 4)
    found = Doubled(6, 5)(x)
    assert found.shape == (2, 5, 6, 8)
    corner = found[:, :, ::2, ::2]
    expected = corner.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert_close(found, expected, 1e-6, size_of(expected))


def test_where_the_body_shrinks_at_once_there_is_one_more_doubling():
    shrunk = MapShapes((4, 16, 16), [(6, 8, 8), (8, 4, 4)])
    kept = MapShapes((4, 16, 16), [(6, 16, 16), (8, 8, 8)])
    assert isinstance(UNetDecoder(shrunk, 2).doubled, Doubled)
    assert isinstance(UNetDecoder(kept, 2).doubled, nn.Identity)


def test_of_several_maps_of_one_size_the_last_one_is_joined():
    shapes = MapShapes((4, 8, 8), [(3, 8, 8), (5, 8, 8), (7, 4, 4), (9, 4, 4)])
    decoder = UNetDecoder(shapes, 2)
    assert decoder.skips == [1]
    assert decoder.levels[0].norm.num_features == 5


def test_maps_of_one_channel_are_enough():
    shapes = [(1, 8, 8), (1, 4, 4), (1, 2, 2)]
    maps = [torch.randn(2, *shape) for shape in [(1, 8, 8), *shapes]]
    decoder = UNetDecoder(MapShapes.of([(1, 8, 8), *shapes]), 2)
    assert decoder(maps).shape == (2, 2, 8, 8)
