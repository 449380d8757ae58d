"""fastai's DynamicUnet on the feature maps of any encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from edaphos_bridge.heads.decoder import MAPS, Decoder, MapShapes, resized


class UNetDecoder(Decoder):
    """A U-Net whose levels follow from the sizes of the maps.

    The coarsest map passes BatchNorm, ReLU and two convolutions, of twice its width and of its
    width. Then a `Level` for each map that is the last of its size, from coarse to fine; a
    doubling where the finest map has not the cells of the patch; the patch itself beside it; a
    residual block, and a 1x1 convolution to the outputs. Convolutions are 3x3 with bias and ReLU,
    without BatchNorm. Where sizes differ, the nearest cell is taken, so that it reaches any size.

    References
    ----------
    fastai 2.8, ``vision.models.unet.DynamicUnet``; Howard and Gugger (2020). Ronneberger, O.,
    Fischer, P. and Brox, T. (2015). U-Net: convolutional networks for biomedical image
    segmentation. arXiv:1505.04597.
    """

    reads = MAPS

    def __init__(self, shapes: MapShapes, n_outputs: int) -> None:
        super().__init__()
        sizes = [shape[1:] for shape in shapes.maps]
        self.skips = [i for i in reversed(range(len(sizes) - 1)) if sizes[i] != sizes[i + 1]]
        width = shapes.width
        self.norm = _norm(width)
        self.middle = nn.Sequential(_conv(width, 2 * width), _conv(2 * width, width))
        levels = []
        for i in self.skips:
            levels.append(Level(width, shapes.maps[i][0], halved=i == self.skips[-1]))
            width = levels[-1].width
        self.levels = nn.ModuleList(levels)
        same = sizes[0] == shapes.patch[1:]
        self.doubled = nn.Identity() if same else Doubled(width, width)
        width += shapes.patch[0]
        self.residual = Residual(width)
        self.outputs = nn.Conv2d(width, n_outputs, kernel_size=1)

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the outputs for every cell of patches."""
        x, *maps = maps
        h = self.middle(functional.relu(self.norm(maps[-1])))
        for level, i in zip(self.levels, self.skips, strict=True):
            h = level(h, maps[i])
        h = torch.cat([resized(self.doubled(h), x), x], dim=1)
        outputs: torch.Tensor = self.outputs(self.residual(h))
        return outputs


class Level(nn.Module):
    """Doubles what comes from below to half its channels, and joins a map to it.

    Attributes
    ----------
    width : int
        Channels that it gives: those of both, or half as many if `halved`.
    """

    def __init__(self, below: int, beside: int, *, halved: bool) -> None:
        super().__init__()
        half = max(1, below // 2)
        joined = half + beside
        self.width = joined // 2 if halved else joined
        self.doubled = Doubled(below, half)
        self.norm = _norm(beside)
        self.convolutions = nn.Sequential(_conv(joined, self.width), _conv(self.width, self.width))

    def forward(self, below: torch.Tensor, beside: torch.Tensor) -> torch.Tensor:
        """Return maps with the cells of the map beside."""
        up = resized(self.doubled(below), beside)
        joined: torch.Tensor = self.convolutions(
            functional.relu(torch.cat([up, self.norm(beside)], dim=1))
        )
        return joined


class Doubled(nn.Sequential):
    """A 1x1 convolution with ReLU whose channels become 2 x 2 cells (pixel shuffle).

    Its weights begin as those of a nearest up-sampling (ICNR), so that no checkerboard shows.

    References
    ----------
    Shi, W. et al. (2016), arXiv:1609.05158. Aitken, A. et al. (2017), arXiv:1707.02937.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        conv = nn.Conv2d(in_channels, 4 * out_channels, kernel_size=1)
        start = torch.empty(out_channels, in_channels, 1, 1)
        nn.init.kaiming_normal_(start)
        with torch.no_grad():
            conv.weight.copy_(start.repeat_interleave(4, dim=0))
            conv.bias.zero_()  # type: ignore[union-attr]
        super().__init__(conv, nn.ReLU(inplace=True), nn.PixelShuffle(2))


class Residual(nn.Module):
    """Two 3x3 convolutions that keep the width, added to what comes in, and ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(_conv(width, width), _conv(width, width)[:1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return maps of the same shape."""
        return functional.relu(x + self.convolutions(x))


def _conv(in_channels: int, out_channels: int) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)
    nn.init.kaiming_normal_(conv.weight)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return nn.Sequential(conv, nn.ReLU(inplace=True))


def _norm(width: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(width)
    nn.init.constant_(norm.bias, 1e-3)  # as fastai has it
    return norm
