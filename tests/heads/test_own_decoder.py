"""A decoder of a user's: a module on the coarsest map, or on all maps and the patch."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from edaphos_bridge.errors import InputError
from edaphos_bridge.heads.decoder import MapShapes
from edaphos_bridge.heads.own_decoder import own_decoder

SHAPES = MapShapes((2, 8, 6), [(3, 8, 6), (5, 4, 3)])
MAPS = [torch.randn(2, *shape) for shape in (SHAPES.patch, *SHAPES.maps)]


class OnAll(nn.Module):
    """Reads the patch and all maps."""

    reads = "maps"

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3 + 2, 4, 1)

    def forward(self, maps):
        x, fine, _ = maps
        return self.conv(torch.cat([fine, x], dim=1))


class Instead(nn.Module):
    """Gives something else."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs = outputs
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, h):
        return self.outputs(h)


def test_a_module_is_given_the_coarsest_map_and_brought_to_the_cells_of_the_patch():
    module = nn.Conv2d(5, 4, 1)
    found = own_decoder(module, SHAPES, 4)(MAPS)
    expected = functional.interpolate(module(MAPS[-1]), scale_factor=2)
    assert torch.equal(found, expected)


def test_a_module_that_reads_maps_is_given_the_patch_and_all_maps():
    module = OnAll()
    assert torch.equal(own_decoder(module, SHAPES, 4)(MAPS), module(MAPS))


def test_a_function_is_given_the_channels_and_the_outputs():
    decoder = own_decoder(lambda width, n: nn.Conv2d(width, n, 3, padding=1), SHAPES, 7)
    assert decoder(MAPS).shape == (2, 7, 8, 6)


def test_it_is_a_copy():
    module = nn.Conv2d(5, 4, 1)
    for given in (module, lambda width, n: module):
        decoder = own_decoder(given, SHAPES, 4)
        nn.init.zeros_(decoder.decoder.weight)
        assert module.weight.all()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (3, "fails on maps of .*TypeError"),
        (lambda width, n: "no module", "must be, or make, a torch.nn.Module; found 'str'"),
        (nn.Conv2d(4, 4, 1), r"fails on maps of \[\[3, 8, 6\], \[5, 4, 3\]\]: RuntimeError"),
        (nn.Conv2d(5, 3, 1), r"outputs \[2, 4, 8, 6\] of maps .*found \[2, 3, 8, 6\]"),
        (nn.Conv2d(5, 4, 1, device="meta"), "meta device"),
        (Instead(lambda h: [h]), "fails on maps"),
        (Instead(lambda h: torch.zeros(2, 4, 8, 6)), "no gradient leads back"),
        (Instead(lambda h: torch.zeros(2, 4, 8, 6).long()), "real numbers; found 'torch.int64'"),
    ],
)
def test_anything_else_is_an_error(given, says):
    with pytest.raises(InputError, match=says) as caught:
        own_decoder(given, SHAPES, 4)
    assert caught.value.argument == "decoder"


@pytest.mark.filterwarnings("ignore:.torch.jit")
def test_torchscript_is_an_error():
    with pytest.raises(InputError, match="TorchScript"):
        own_decoder(torch.jit.trace(nn.Conv2d(5, 4, 1), MAPS[-1]), SHAPES, 4)
