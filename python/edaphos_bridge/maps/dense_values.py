"""Maps by the dense way: convolutions run once over a block, not once for each patch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.encoders.features import check_features
from edaphos_bridge.errors import warn
from edaphos_bridge.maps.block_function import GoOn
from edaphos_bridge.maps.block_patches import PatchReader, Strip
from edaphos_bridge.maps.borders import sample_count, sample_windows
from edaphos_bridge.maps.dense import DenseEncoder
from edaphos_bridge.maps.patch_values import ValuesOfPatches
from edaphos_bridge.maps.row_values import RowValues
from edaphos_bridge.raster.raster import Raster

# Of a patch, with those that are put together of its rings.
_BYTES_OF_FEATURES = 2**10
# Windows that are looked at for one with data.
_TRIES = 20


@dataclass(frozen=True)
class DenseValues(ValuesOfPatches):
    """A map whose cells have about what `values` makes of the patches around them.

    Attributes
    ----------
    encoders : tuple of DenseEncoder
        One for each of `values`. The reader has their margin.
    """

    encoders: tuple[DenseEncoder, ...]
    method = "dense"
    smallest_block: ClassVar[int] = 256

    @classmethod
    def learnt(cls, raster: Raster, reader: PatchReader, values: RowValues) -> DenseValues:
        """Return the map's function, with what padding does to features learnt from `raster`.

        Raises
        ------
        InputError
            If an encoder is not one of ours.

        Warns
        -----
        EdaphosWarning
            If heads read maxima of maps, of which the dense way knows less.
        """
        made: dict[int, DenseEncoder] = {}
        size = reader.normalisation.patch_size
        for encoder in values.encoders:
            if id(encoder) not in made:
                dense = DenseEncoder(encoder, size, values.device, reader.orientation)
                made[id(encoder)] = dense
        first = next(iter(made.values()))
        if values.reads != "features":
            warn(
                "The head reads the maxima of feature maps, which method = 'dense' knows badly: "
                "expect other classes in one of ten cells. Use method = 'exact'."
            )
        windows = _sample(raster, reader, first.sample_side)
        if windows is not None:
            for dense in made.values():
                dense.learn_borders(windows, values.reads)
        encoders = tuple(made[id(encoder)] for encoder in values.encoders)
        # Dense encoders know orientations themselves.
        return cls(replace(reader, margin=first.margin, channels_last=True), values, encoders)

    def _of_strip(self, strip: Strip, go_on: GoOn, place: tuple[int, ...]) -> NDArray[Any]:
        features = self._features(strip, go_on)
        with self.values.alone():
            return self.values.of_features(features)

    def _features(self, strip: Strip, go_on: GoOn) -> list[torch.Tensor]:
        """Return what each member reads of the known patches, row by row."""
        known = torch.from_numpy(strip.known)
        done: dict[int, torch.Tensor] = {}
        for dense in self.encoders:
            if id(dense) in done:
                continue
            found: torch.Tensor | None = None
            rows, cols = list(_ranges(strip.rows)), list(_ranges(strip.cols))
            for (here, tops), (there, lefts) in itertools.product(rows, cols):
                go_on()
                part = dense.features(strip.window, tops, lefts, self.values.reads)
                if found is None:
                    found = part.new_empty((*known.shape, part.shape[1]))
                found[here, there] = part.unflatten(0, (len(tops), len(lefts)))
            assert found is not None
            done[id(dense)] = found[known.to(found.device)]
        features = [done[id(dense)] for dense in self.encoders]
        for rows_of_member, encoder in zip(features, self.values.encoders, strict=True):
            check_features(rows_of_member.cpu().numpy(), [("encoder", encoder)], "stack")
        return features

    def bytes_for(self, height: int, width: int) -> int:
        """Return what windows, features and values take."""
        return super().bytes_for(height, width) + height * width * _BYTES_OF_FEATURES


def _ranges(starts: NDArray[np.int64]) -> Iterator[tuple[slice, range]]:
    """Yield starts as ranges, with their places: the last one may follow at another distance."""
    n = len(starts)
    step = int(starts[1] - starts[0]) if n > 1 else 1
    regular = n if n < 2 or starts[-1] - starts[-2] == step else n - 1
    yield slice(0, regular), range(int(starts[0]), int(starts[regular - 1]) + 1, step)
    if regular < n:
        yield slice(regular, n), range(int(starts[-1]), int(starts[-1]) + 1)


def _sample(raster: Raster, reader: PatchReader, side: int) -> torch.Tensor | None:
    """Return windows of a raster, where it has data, as the encoder expects them."""
    wanted = sample_count(reader.grid.height * reader.grid.width)
    found: list[torch.Tensor] = []
    windows = sample_windows(raster.height, raster.width, side)
    for window in itertools.islice(windows, wanted * _TRIES):
        pause()
        cells, known = reader.cells(raster, window)
        if known.mean() > 0.5:
            found.append(cells.contiguous())
        if len(found) == wanted:
            break
    return torch.stack(found) if found else None
