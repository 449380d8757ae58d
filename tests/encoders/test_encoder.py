"""Feature maps and groups, of encoders of ours and of modules of a user's."""

import pytest
import torch
from torch import nn

from edaphos_bridge.encoders.encoder import groups_of, maps_of, mean_of_cells
from edaphos_bridge.encoders.features import encode_features
from edaphos_bridge.errors import InputError
from small_encoders import NAMES, small_encoder

X = torch.randn(2, 4, 9, 8)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("moco", [[2, 32, 9, 8], [2, 6, 5, 4]]),
        ("simclr", [[2, 16, 9, 8], [2, 6, 9, 8]]),
        (
            "xresnet18",
            [[2, 2, 9, 8], [2, 2, 9, 8], [2, 4, 5, 4], [2, 8, 3, 2], [2, 16, 2, 1]],
        ),
    ],
)
def test_maps_go_from_fine_to_coarse_and_features_are_the_means_of_the_last(name, shapes):
    encoder = small_encoder(name, 4).eval()
    maps = maps_of(encoder, X)
    assert [list(h.shape) for h in maps] == shapes
    assert torch.equal(maps[-1].mean(dim=(2, 3)), encode_features(encoder, X))


@pytest.mark.parametrize("name", NAMES)
def test_the_groups_hold_every_weight_that_the_features_need_once(name):
    encoder = small_encoder(name, 4)
    grouped = [p for group in groups_of(encoder) for part in group for p in part.parameters()]
    encode_features(encoder.train(), X[:, :, :5, :5]).sum().backward()
    needed = [p for p in encoder.parameters() if p.grad is not None]
    assert [id(p) for p in grouped] == [id(p) for p in needed]


def test_a_plain_module_has_its_top_level_parts_as_groups():
    module = nn.Sequential(nn.Sequential(nn.Conv2d(4, 3, 3), nn.ReLU()), nn.Flatten())
    assert groups_of(module) == [[module[0]], [module[1]]]
    assert groups_of(module[1]) == [[module[1]]]
    conv = nn.Conv2d(4, 4, 1, groups=2)
    assert groups_of(conv) == [[conv]]


class Mapped(nn.Module):
    """A module of a user's that shows what it is given."""

    def __init__(self, maps):
        super().__init__()
        self._maps = maps

    def maps(self, x):
        return self._maps


def test_a_plain_module_may_show_maps():
    assert maps_of(Mapped((X, X[:, :, ::2])), X)[1].shape == (2, 4, 5, 8)


@pytest.mark.parametrize("module", [nn.Flatten(), Mapped([]), Mapped([X[0]]), Mapped([None])])
def test_no_maps_or_other_things_are_an_error(module):
    with pytest.raises(InputError, match=r"`encoder` must (show|return)"):
        maps_of(module, X)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    "shape", [(7, 6, 3, 5), (2, 64, 16, 16), (3, 5, 1, 1), (4, 1, 2, 3), (1, 3, 4, 1)]
)
def test_means_of_cells_have_the_bits_of_torchs_and_a_gradient_in_the_layout_of_maps(shape, layout):
    generator = torch.Generator().manual_seed(1)
    maps = torch.randn(shape, generator=generator).contiguous(memory_format=layout).requires_grad_()
    found, expected = mean_of_cells(maps), maps.mean(dim=(2, 3))
    assert torch.equal(found, expected)
    towards = torch.randn(found.shape, generator=generator)
    (gradient,), (theirs,) = (torch.autograd.grad(m, maps, towards) for m in (found, expected))
    assert torch.equal(gradient, theirs)
    assert gradient.is_contiguous(memory_format=layout)
