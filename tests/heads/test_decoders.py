"""Decoders: maps of patches to outputs for every cell."""

import pytest
import torch

from closeness import assert_close
from edaphos_bridge import foundation_encoder
from edaphos_bridge.encoders.features import encode
from edaphos_bridge.encoders.from_scratch import FromScratchEncoder
from edaphos_bridge.errors import InputError
from edaphos_bridge.heads.decoder import MapShapes
from edaphos_bridge.heads.decoders import DECODERS, make_decoder
from edaphos_bridge.heads.registry import reads_of
from small_encoders import small_encoder

CLAY = """Sequential(
  (0): Conv2d(4608, 64, kernel_size=(1, 1), stride=(1, 1))
  (1): Upsample(scale_factor=2.0, mode='nearest')
  (2): ConvTranspose2d(64, 32, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
  (3): ReLU(inplace=True)
  (4): Upsample(scale_factor=2.0, mode='nearest')
  (5): ConvTranspose2d(32, 16, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
  (6): ReLU(inplace=True)
  (7): Upsample(scale_factor=2.0, mode='nearest')
  (8): ConvTranspose2d(16, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
  (9): ReLU(inplace=True)
  (10): Upsample(scale_factor=2.0, mode='nearest')
  (11): ConvTranspose2d(8, 1, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
  (12): Upsample(scale_factor=2.0, mode='nearest')
)"""

FROM_SCRATCH = """Sequential(
  (0): ConvTranspose2d(64, 128, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
  (1): ReLU(inplace=True)
  (2): ConvTranspose2d(128, 512, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
  (3): ReLU(inplace=True)
  (4): Upsample(scale_factor=2.0, mode='nearest')
  (5): Conv2d(512, 1, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
)"""


def shapes_of(maps):
    return MapShapes.of([h.shape[1:] for h in maps])


def shapes(h, w, height, width, channels=6):
    return MapShapes((4, height, width), [(channels, h, w)])


def test_on_patches_of_32_cells_for_one_of_the_map_clays_decoder_is_that_of_the_listing():
    decoder = make_decoder("clay", shapes(8, 8, 256, 256, channels=4608), 1)
    assert repr(decoder.decoder) == CLAY


def test_the_decoder_from_scratch_is_that_of_the_listing():
    assert repr(make_decoder("from_scratch", shapes(4, 4, 8, 8, 64), 1).decoder) == FROM_SCRATCH


@pytest.mark.parametrize("doublings", range(7))
def test_clays_decoder_doubles_as_often_as_the_maps_need(doublings):
    torch.manual_seed(1)
    patch = torch.zeros(2, 4, 3 << doublings, 2 << doublings)
    decoder = make_decoder("clay", shapes(3, 2, *patch.shape[2:]), 3)
    kinds = [type(layer).__name__ for layer in decoder.decoder]
    assert kinds.count("Upsample") == doublings
    assert kinds.count("ConvTranspose2d") == 4
    assert kinds.count("ReLU") == 3
    outputs = decoder([patch, torch.randn(2, 6, 3, 2)])
    assert outputs.shape == (2, 3, *patch.shape[2:])
    assert outputs.min() < 0  # logits, no ReLU after the last


@pytest.mark.parametrize("size", [(9, 8), (14, 14), (8, 16), (2, 2)])
def test_a_patch_that_doubling_does_not_reach_is_an_error(size):
    with pytest.raises(InputError, match="doubles maps of 4 x 4 cells, which cannot") as caught:
        make_decoder("clay", shapes(4, 4, *size), 2)
    assert caught.value.argument == "decoder"


def test_the_decoder_from_scratch_is_of_maps_half_the_size():
    with pytest.raises(InputError, match="doubles maps once"):
        make_decoder("from_scratch", shapes(4, 4, 16, 16, 64), 2)


def test_the_linear_decoder_interpolates_a_linear_function_of_the_map():
    decoder = make_decoder("linear", shapes(2, 2, 4, 4), 3)
    maps = torch.randn(2, 6, 2, 2)
    found = decoder([torch.zeros(2, 4, 4, 4), maps])
    linear = decoder.linear
    at = torch.einsum("kd,bdij->bkij", linear.weight[:, :, 0, 0], maps) + linear.bias[:, None, None]
    # cell centres of the patch lie at -.25, .25, .75 and 1.25 of the map's, held at its edges
    share = torch.tensor([0.0, 0.25, 0.75, 1.0])
    rows = at[:, :, :1] * (1 - share[:, None]) + at[:, :, 1:] * share[:, None]
    expected = rows[..., :1] * (1 - share) + rows[..., 1:] * share
    assert_close(found, expected, 1e-6)


@pytest.mark.parametrize("name", list(DECODERS))
@pytest.mark.parametrize("encoder", ["moco", "simclr", "rotation", "xresnet18"])
def test_each_works_on_each_encoder_and_every_weight_learns(name, encoder):
    encoder = small_encoder(encoder, 4)
    x = torch.randn(2, 4, 8, 16, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        maps = encode(encoder.eval(), x, "maps")
    kept = [h.clone() for h in maps]
    torch.manual_seed(3)
    decoder = make_decoder(name, shapes_of(maps), 5)
    outputs = decoder(maps)
    assert outputs.shape == (2, 5, 8, 16)
    outputs.square().sum().backward()
    assert all(bool(p.grad.abs().sum() > 0) for p in decoder.parameters())
    # what is cached for the next epoch is as it was
    assert all(torch.equal(h, k) for h, k in zip(maps, kept, strict=True))
    assert reads_of(decoder) == ("maps" if name == "unet" else "coarsest map")


def test_the_network_from_scratch_gives_outputs_for_every_cell():
    encoder, x = FromScratchEncoder(4), torch.randn(2, 4, 8, 6)
    maps = encode(encoder, x, "maps")
    assert make_decoder("from_scratch", shapes_of(maps), 3)(maps).shape == (2, 3, 8, 6)


@pytest.mark.parametrize("name", ["unet", "linear"])
def test_these_reach_patches_of_any_size(name):
    encoder = foundation_encoder("moco", 4, feature_dim=6, seed=1).eval()
    x = torch.randn(2, 4, 9, 7)
    maps = encode(encoder, x, "maps")
    assert make_decoder(name, shapes_of(maps), 2)(maps).shape == (2, 2, 9, 7)
