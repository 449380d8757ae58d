"""The encoder of the network from scratch: the seed's listing."""

import torch

from edaphos_bridge.encoders.encoder import groups_of, maps_of
from edaphos_bridge.encoders.features import encode_features
from edaphos_bridge.encoders.from_scratch import FromScratchEncoder

LISTING = """Sequential(
  (0): Conv2d(13, 64, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
  (1): ReLU(inplace=True)
  (2): Conv2d(64, 64, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
  (3): ReLU(inplace=True)
  (4): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
)"""


def test_it_is_the_encoder_of_the_listing():
    assert repr(FromScratchEncoder(13).encoder) == LISTING


def test_features_are_the_means_of_its_only_map():
    encoder, x = FromScratchEncoder(4).eval(), torch.randn(2, 4, 8, 6)
    (found,) = maps_of(encoder, x)
    assert found.shape == (2, 64, 4, 3)
    assert torch.equal(encode_features(encoder, x), found.mean(dim=(2, 3)))


def test_its_groups_hold_every_weight_once():
    encoder = FromScratchEncoder(4)
    grouped = [p for group in groups_of(encoder) for part in group for p in part.parameters()]
    assert [id(p) for p in grouped] == [id(p) for p in encoder.parameters()]
