"""Embeddings of a transformer's patches become feature maps."""

import pytest
import torch
from torch import nn

from edaphos_bridge.encoders.encoder import maps_of
from edaphos_bridge.encoders.tokens import maps_of_tokens
from edaphos_bridge.errors import InputError


@pytest.mark.parametrize(("groups", "size"), [(1, (3, 2)), (2, (2, 4)), (3, (2, 2))])
def test_each_number_of_each_group_becomes_a_channel_row_by_row(groups, size):
    (h, w), width = size, 5
    tokens = torch.randn(2, groups * h * w, width)
    maps = maps_of_tokens(tokens, groups=groups, size=size)
    assert maps.shape == (2, groups * width, h, w)
    for b in range(2):
        for g in range(groups):
            for d in range(width):
                for i in range(h):
                    for j in range(w):
                        token = tokens[b, g * h * w + i * w + j]
                        assert maps[b, g * width + d, i, j] == token[d]


def test_without_a_size_the_patches_are_a_square():
    tokens = torch.randn(2, 2 * 9, 4)
    assert torch.equal(
        maps_of_tokens(tokens, groups=2), maps_of_tokens(tokens, groups=2, size=(3, 3))
    )


@pytest.mark.parametrize(
    ("shape", "arguments", "says"),
    [
        ((2, 9), {}, r"must be \(B, groups \* L, D\); found \[2, 9\]"),
        ((2, 10, 4), {}, "1 groups of a square of patches; found '10 tokens'. Leave out tokens"),
        ((2, 9, 4), {"groups": 2}, "2 groups of a square of patches; found '9 tokens'"),
        ((2, 9, 4), {"groups": 0}, "0 groups"),
        ((2, 9, 4), {"size": (2, 4)}, "1 groups of 2 x 4 patches; found '9 tokens'"),
    ],
)
def test_tokens_that_fill_no_places_are_an_error(shape, arguments, says):
    with pytest.raises(InputError, match=says) as caught:
        maps_of_tokens(torch.zeros(shape), **arguments)
    assert caught.value.argument == "tokens"


class SmallTransformer(nn.Module):
    """As a user would write it: groups of bands, patches of 4 cells, a class token."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(2, 8, kernel_size=4, stride=4)
        self.first = nn.Parameter(torch.zeros(1, 1, 8))
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)

    def tokens(self, x):
        parts = [self.embed(bands).flatten(2).transpose(1, 2) for bands in x.split(2, dim=1)]
        return self.block(torch.cat([self.first.expand(len(x), 1, 8), *parts], dim=1))

    def maps(self, x):
        return [maps_of_tokens(self.tokens(x)[:, 1:], groups=2)]

    def forward(self, x):
        return self.tokens(x)[:, 0]


def test_a_transformer_of_a_users_shows_its_maps():
    encoder = SmallTransformer().eval()
    assert [list(h.shape) for h in maps_of(encoder, torch.randn(3, 4, 12, 12))] == [[3, 16, 3, 3]]
