"""Features of the patches around all cells of a window, with every convolution run once.

The exact way cuts a patch around each cell and runs the encoder on it, so neighbouring patches
compute nearly the same again. Here the convolutions run over the whole window, and a patch's
features are the means (and maxima) of the last map's cells that belong to it. What differs: at
its border a patch is padded with zeros in every layer, where here stand its real neighbours. That
is no small thing: a cell of MoCo's last map sees 7 cells in every direction. What the padding does
to features is therefore learnt from a sample of patches (`DenseEncoder.learn_borders`).

A convolution of stride s takes every s-th cell, counted from the patch's first one. So patches
whose first rows, or columns, leave different remainders by s take different cells, and the network
runs once for each remainder that is wanted.

References
----------
Sermanet, P., Eigen, D., Zhang, X., Mathieu, M., Fergus, R. and LeCun, Y. (2014). OverFeat:
integrated recognition, localization and detection using convolutional networks. ICLR 2014.
Giusti, A., Ciresan, D. C., Masci, J., Gambardella, L. M. and Schmidhuber, J. (2013). Fast image
scanning with deep max-pooling convolutional neural networks. ICIP 2013.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.data.orientation import ROWS_FIRST, TRANSPOSED
from edaphos_bridge.encoders.contrastive import ContrastiveEncoder
from edaphos_bridge.encoders.encoder import groups_of, maps_of
from edaphos_bridge.encoders.features import encode
from edaphos_bridge.encoders.folding import folded
from edaphos_bridge.encoders.known_modules import is_as_built
from edaphos_bridge.errors import InputError
from edaphos_bridge.maps.borders import BorderCorrection

# The cells of a window that the network sees at once. On a cpu a layer of 32 channels then has
# 16 MiB of activations. Fewer are no faster, and a wide window would then be cut into strips that
# have more margin than rows of their own.
_CELLS_AT_ONCE = {"cpu": 2**17}
_CELLS_ELSEWHERE = 2**20

# Patches to learn from start so many cells apart, as many as this in each direction of a window: a
# multiple of any encoder's step, so that one phase has all of them.
_APART, _ACROSS = 4, 4
# Rings of cells of the last map that are left out, one mean for each: what a patch's padding does
# shows in how its border differs from its inside.
_WHOLE, _RINGS = (0,), (0, 1, 2)


class Reach(NamedTuple):
    """What a cell of an encoder's last map sees of its input."""

    step: int
    """Cells of the input from one cell of the map to the next."""
    margin: int
    """A multiple of `step`; farther than this from its place in the input, a cell sees nothing."""


def reach_of(encoder: nn.Module) -> Reach:
    """Return the reach of an encoder whose maps are made by the convolutions of its `groups()`.

    They follow each other, square and padded so that none shrinks its input but by its stride.
    Raises `InputError` where groups hold blocks of layers, of which that is not known.
    """
    step, margin = 1, 0
    for layer in (layer for group in groups_of(encoder) for layer in group):
        if next(layer.children(), None) is not None:
            raise InputError(
                "method",
                "can be 'dense' only for an encoder of a few convolutions, one after the other: a "
                "cell of a residual network's last map sees farther than a patch is wide",
                found=type(encoder).__name__,
                hint="Use method = 'exact'.",
            )
        if isinstance(layer, nn.Conv2d):
            margin += step * layer.dilation[0] * (layer.kernel_size[0] // 2)
            step *= layer.stride[0]
    return Reach(step, math.ceil(margin / step) * step)


class DenseEncoder:
    """An encoder of ours for the patches around many cells of one window.

    Parameters
    ----------
    encoder : torch.nn.Module
        As it is in a fit, not folded; a copy is taken.
    patch_size : int
        Height and width of the patches, in cells.
    device : torch.device
        What computes.
    orientation : {"rows_first", "transposed"}
        How the encoder expects its patches. Windows always have rows first.

    Attributes
    ----------
    margin : int
        Cells that a window has to have around the patches asked for.
    sample_side : int
        Height and width of the windows to learn borders from.

    Raises
    ------
    InputError
        If the encoder is neither MoCo nor SimCLR, or has layers that were exchanged, or hooks.
    """

    def __init__(
        self,
        encoder: nn.Module,
        patch_size: int,
        device: torch.device,
        orientation: str = ROWS_FIRST,
    ) -> None:
        if not (isinstance(encoder, ContrastiveEncoder) and is_as_built(encoder)):
            raise InputError(
                "method",
                "can be 'dense' only for a MoCo or SimCLR encoder as it was built: of another one "
                "it is not known which cells of a map belong to a patch",
                found=type(encoder).__name__,
                hint="Use method = 'exact'.",
            )
        self.patch_size = patch_size
        self.step, self.margin = reach_of(encoder)
        self.sample_side = patch_size + 2 * self.margin + (_ACROSS - 1) * _APART
        self._corrections: dict[str, BorderCorrection] = {}
        self._device = device
        self._cells_at_once = _CELLS_AT_ONCE.get(device.type, _CELLS_ELSEWHERE)
        self._encoder = folded(encoder).to(device)
        if orientation == TRANSPOSED:
            _transpose_kernels(self._encoder)

    @torch.no_grad()
    def learn_borders(self, windows: torch.Tensor, reads: str = "features") -> None:
        """Learn what padding does to features; `features` corrects what heads read so from then on.

        The patches of the windows go through the encoder one by one, 16 of each window.

        Parameters
        ----------
        windows : torch.Tensor, shape (N, C, sample_side, sample_side), float32
            Places of the raster that is mapped, as the encoder expects them (`sample_windows`).
        reads : {"features", "pooled maps"}
            What the head reads.
        """
        starts = range(self.margin, self.margin + _ACROSS * _APART, _APART)
        size = self.patch_size
        dense, exact = [], []
        of_each = self.sample_side**2 + len(starts) ** 2 * size**2
        for some in windows.split(max(1, self._cells_at_once // of_each)):
            cells = some.to(self._device)
            dense.append(self._features(cells, starts, starts, reads, _RINGS, None).flatten(0, 2))
            patches = [cells[:, :, r : r + size, c : c + size] for r in starts for c in starts]
            # of each window side by side, as dense features are
            batch = torch.stack(patches, dim=1).flatten(0, 1)
            batch = batch.contiguous(memory_format=torch.channels_last)
            exact.append(encode(self._encoder, batch, reads))
        self._corrections[reads] = BorderCorrection.learn(torch.cat(dense), torch.cat(exact))

    @torch.no_grad()
    def features(
        self, window: torch.Tensor, row_starts: range, col_starts: range, reads: str = "features"
    ) -> torch.Tensor:
        """Return what a head reads of the patches that start at each row and each column.

        Parameters
        ----------
        window : torch.Tensor, shape (C, h, w), float32
            Cells as the encoder expects them. It has at least `margin` cells around the patches,
            and costs least if it is some hundreds of cells wide.
        row_starts, col_starts : range
            The first row and the first column of each patch, in the window.
        reads : {"features", "pooled maps"}
            What the head reads.

        Returns
        -------
        torch.Tensor, shape (len(row_starts) * len(col_starts), D), float32
            Row by row; ``2 * D`` of pooled maps, maxima first. On the device.
        """
        correction = self._corrections.get(reads)
        rings = _WHOLE if correction is None else _RINGS
        values = self._features(window[None], row_starts, col_starts, reads, rings, correction)
        return values.flatten(0, 2)

    def _features(
        self,
        windows: torch.Tensor,
        row_starts: range,
        col_starts: range,
        reads: str,
        rings: tuple[int, ...],
        correction: BorderCorrection | None,
    ) -> torch.Tensor:
        """Return what `features` does of several windows, ``(B, rows, columns, D)``."""
        for starts, extent in zip((row_starts, col_starts), windows.shape[2:], strict=True):
            assert starts[0] >= self.margin, "the window begins too late"
            assert starts[-1] + self.patch_size + self.margin <= extent, "the window ends too early"
        cells = windows.to(self._device).contiguous(memory_format=torch.channels_last)
        out: torch.Tensor | None = None
        for cols, lefts in self._phases(col_starts):
            left, right = self._span(lefts)
            for rows, tops in self._strips(row_starts, len(windows) * (right - left)):
                pause()
                top, bottom = self._span(tops)
                maps = maps_of(self._encoder, cells[:, :, top:bottom, left:right])[-1]
                pooled = self._pool(maps, tops, lefts, reads, rings)
                values = pooled if correction is None else correction.apply(pooled)
                if out is None:
                    shape = (len(windows), len(row_starts), len(col_starts), values.shape[-1])
                    out = torch.empty(shape, device=self._device)
                out[:, rows, cols] = values
        assert out is not None
        return out

    def _phases(self, starts: range) -> Iterator[tuple[slice, range]]:
        """Yield those `starts` that leave one remainder by the step, and which ones they are."""
        remainders = min(self.step // math.gcd(self.step, starts.step), len(starts))
        for first in range(remainders):
            which = slice(first, None, remainders)
            yield which, starts[which]

    def _strips(self, starts: range, width: int) -> Iterator[tuple[slice, range]]:
        """Yield the phases of `starts` in pieces that take a bounded number of rows at once."""
        most = self._cells_at_once // width
        for which, phase in self._phases(starts):
            n = max(1, (most - self.patch_size - 2 * self.margin) // phase.step)
            every = which.step
            for first in range(0, len(phase), n):
                piece = phase[first : first + n]
                begin = which.start + first * every
                yield slice(begin, begin + (len(piece) - 1) * every + 1, every), piece

    def _span(self, starts: range) -> tuple[int, int]:
        """Return the first cell, and the one after the last, that patches from `starts` see."""
        return starts[0] - self.margin, starts[-1] + self.patch_size + self.margin

    def _pool(
        self, maps: torch.Tensor, tops: range, lefts: range, reads: str, rings: tuple[int, ...]
    ) -> torch.Tensor:
        """Return means, or maxima and means, of patches: ``(B, len(tops), len(lefts), D)``.

        Once for each number of rings of cells left out, side by side, if that leaves any.
        """
        n, skip = math.ceil(self.patch_size / self.step), self.margin // self.step
        down, right = (max(1, starts.step // self.step) for starts in (tops, lefts))
        pools: list[Callable[..., torch.Tensor]] = [functional.avg_pool2d]
        if reads != "features":
            pools.insert(0, functional.max_pool2d)
        pooled = []
        for ring in (ring for ring in rings if n > 2 * ring):
            across = n - 2 * ring
            rows, cols = (
                slice(skip + ring, skip + ring + (starts[-1] - starts[0]) // self.step + across)
                for starts in (tops, lefts)
            )
            inner = maps[:, :, rows, cols]
            # the mean of a square is that of its rows' means: 2 n terms in place of n * n
            pooled += [
                pool(pool(inner, (across, 1), (down, 1)), (1, across), (1, right)) for pool in pools
            ]
        return torch.cat(pooled, dim=1).permute(0, 2, 3, 1)


def _transpose_kernels(encoder: nn.Module) -> None:
    """Make of an encoder of transposed patches one that gives the same of patches as they lie."""
    for layer in encoder.modules():
        if isinstance(layer, nn.Conv2d):
            turned = layer.weight.detach().transpose(2, 3)
            layer.weight.data = turned.contiguous(memory_format=torch.channels_last)
