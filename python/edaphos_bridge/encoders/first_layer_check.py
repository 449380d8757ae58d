"""NaN and infinity in `x`, found in what the first layer of an encoder makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import nn

from edaphos_bridge.encoders.known_modules import first_layer
from edaphos_bridge.float32 import all_finite


class FirstLayerCheck(nn.Module):
    """An encoder that refuses patches with NaN or infinity after its first layer.

    Its output shows any such cell, since they survive every product and sum, and is the smaller
    one to read: see `shows_every_cell`.

    Parameters
    ----------
    encoder : torch.nn.Module
        One with a `first_layer` that is known.
    error : callable
        Makes the error to raise.
    """

    def __init__(self, encoder: nn.Module, error: Callable[[], Exception]) -> None:
        super().__init__()
        assert isinstance(encoder, nn.Sequential)
        after = list(encoder).index(cast(nn.Module, first_layer(encoder))) + 1
        self._first, self._rest = encoder[:after], encoder[after:]
        self._error = error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the features, or raise."""
        h = self._first(x)
        # A layer may also overflow: then the patches themselves are asked.
        if not all_finite(h) and not all_finite(x):
            raise self._error()
        features: torch.Tensor = self._rest(h)
        return features


def shows_every_cell(encoder: nn.Module, shape: Sequence[int]) -> bool:
    """Return whether NaN or infinity in any cell of ``(N, C, H, W)`` is sure to come through.

    That is, through the first layer, to an output smaller than the patches.
    """
    _, channels, height, width = shape
    layer = first_layer(encoder)
    if isinstance(layer, nn.Linear):
        return layer.out_features < channels * height * width
    if layer is None or isinstance(layer.padding, str) or layer.dilation != (1, 1):
        return False
    cells = layer.out_channels
    for size, kernel, stride, padding in zip(
        (height, width), layer.kernel_size, layer.stride, layer.padding, strict=True
    ):
        steps = (size + 2 * padding - kernel) // stride
        if stride > kernel or steps * stride + kernel - padding < size:
            return False  # cells between two places of the kernel, or after the last
        cells *= steps + 1
    return cells < channels * height * width
