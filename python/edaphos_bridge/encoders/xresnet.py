"""XResNet: fastai's residual networks, for patches of any number of channels and of any size."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from edaphos_bridge.encoders.encoder import mean_of_cells
from edaphos_bridge.encoders.named import NamedEncoder

STEMS = ("standard", "small")

# The parts of the body that show a map: the stem and the four stages.
_STEM, _MAPS = slice(0, 3), (2, 4, 5, 6, 7)


class ConvNorm(nn.Sequential):
    """A convolution without bias that keeps the size but for its stride, BatchNorm and ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        *,
        relu: bool = True,
        begins_at: float = 1.0,
    ) -> None:
        padding = kernel_size // 2
        conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False)
        nn.init.kaiming_normal_(conv.weight)
        norm = nn.BatchNorm2d(out_channels)
        nn.init.constant_(norm.weight, begins_at)
        nn.init.constant_(norm.bias, 1e-3)  # as fastai has it
        super().__init__(conv, norm, *([nn.ReLU(inplace=True)] if relu else []))


class ResBlock(nn.Module):
    """Convolutions and a shortcut, added up, then ReLU.

    Two 3x3 convolutions, or with an `expansion` above 1 a 3x3 one between two of 1x1, the last of
    which gives that many times `channels`. Its last BatchNorm begins at zero, so that the block
    begins as its shortcut: the input, averaged over `stride` cells and through a 1x1 convolution
    where sizes and channels differ.
    """

    def __init__(self, in_channels: int, channels: int, expansion: int, stride: int) -> None:
        super().__init__()
        out_channels = channels * expansion
        if expansion == 1:
            first = [ConvNorm(in_channels, channels, stride=stride)]
        else:
            first = [ConvNorm(in_channels, channels, 1), ConvNorm(channels, channels, 3, stride)]
        last = 3 if expansion == 1 else 1
        self.convpath = nn.Sequential(
            *first, ConvNorm(channels, out_channels, last, relu=False, begins_at=0.0)
        )
        self.idpath = nn.Sequential()
        if stride != 1:
            self.idpath.append(nn.AvgPool2d(stride, ceil_mode=True))
        if in_channels != out_channels:
            self.idpath.append(ConvNorm(in_channels, out_channels, 1, relu=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(B, in_channels, h, w)`` to ``(B, channels * expansion, ...)``."""
        return functional.relu_(self.convpath(x) + self.idpath(x))


class XResNet(NamedEncoder):
    """A stem of three 3x3 convolutions, four stages of residual blocks, and the mean of the last.

    The state-dict names of its `backbone` are those of fastai's, whose layers 0 to 7 it is.

    Parameters
    ----------
    in_channels : int
        Channels C of the patches.
    width : int
        Channels of the first stage's 3x3 convolutions; each further stage has twice those of the
        one before, the stem half. Features have 8 times the width, of an XResNet-50 32 times.
    stem : {"standard", "small"}
        The standard one quarters height and width before the first stage, by a stride and by
        pooling; the small one, for small patches, leaves them as they are.

    References
    ----------
    He, T., Zhang, Z., Zhang, H., Zhang, Z., Xie, J. and Li, M. (2019). Bag of tricks for image
    classification with convolutional neural networks. CVPR 2019.
    fastai 2.8, ``vision.models.xresnet``; Howard and Gugger (2020).
    """

    settings = ("in_channels", "width", "stem")
    blocks: ClassVar[tuple[int, ...]]
    expansion: ClassVar[int] = 1

    def __init__(self, in_channels: int, width: int = 64, stem: str = "standard") -> None:
        super().__init__()
        self.in_channels, self.width, self.stem = in_channels, width, stem
        half, is_small = (width + 1) // 2, stem == "small"
        parts: list[nn.Module] = [
            ConvNorm(in_channels, half, stride=1 if is_small else 2),
            ConvNorm(half, half),
            ConvNorm(half, width),
            nn.Identity() if is_small else nn.MaxPool2d(3, stride=2, padding=1),
        ]
        before = width
        for stage, blocks in enumerate(self.blocks):
            channels, layers = width << stage, []
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(ResBlock(before, channels, self.expansion, stride))
                before = channels * self.expansion
            parts.append(nn.Sequential(*layers))
        self.feature_dim = before
        self.backbone = nn.Sequential(*parts)

    def maps(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps of the stem and of the four stages; features are the last one's means.

        Behind the small stem they have H, H, H/2, H/4 and H/8 rows, rounded up, behind the standard
        one H/2, H/4, H/8, H/16 and H/32; so have columns.
        """
        maps = []
        for number, part in enumerate(self.backbone):
            x = part(x)
            if number in _MAPS:
                maps.append(x)
        return maps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map patches ``(B, C, H, W)`` to features ``(B, feature_dim)``."""
        return mean_of_cells(self.maps(x)[-1])

    def groups(self) -> list[list[nn.Module]]:
        """Return the stem and the four stages, input first."""
        parts = list(self.backbone)
        return [parts[_STEM], *([stage] for stage in parts[4:])]


class XResNet18(XResNet):
    """18 layers: two blocks a stage."""

    architecture = "xresnet18"
    blocks = (2, 2, 2, 2)


class XResNet34(XResNet):
    """34 layers: 3, 4, 6 and 3 blocks."""

    architecture = "xresnet34"
    blocks = (3, 4, 6, 3)


class XResNet50(XResNet):
    """50 layers: the blocks of XResNet-34, each of three convolutions that expand by four."""

    architecture = "xresnet50"
    blocks = (3, 4, 6, 3)
    expansion = 4
