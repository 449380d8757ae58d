"""A raster that is known by its description and opened when the first cell is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.raster import Raster, Window
from edaphos_bridge.raster.sources import open_raster


class ReopenedRaster(Raster):
    """What `Raster.describe` said, without opening anything yet.

    When it is first read, `InputError` says if the files are gone or are another raster: one
    without these bands, height and width.
    """

    def __init__(
        self, described: Mapping[str, Any], bands: Sequence[str], height: int, width: int
    ) -> None:
        a, b, c, d, e, f = (float(number) for number in described["transform"])
        super().__init__(bands, height, width, (a, b, c, d, e, f), (1, width))
        self._described = described
        self._opened: Raster | None = None

    def describe(self) -> dict[str, Any]:
        """Return the description, of which the caller may change the lists."""
        return {**self._described, "files": [dict(file) for file in self._described["files"]]}

    def close(self) -> None:
        """Close the files; the next reading opens them again."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _read(self, window: Window) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        if self._opened is None:
            self._opened = self._open()
        return self._opened._read(window)

    def _open(self) -> Raster:
        raster = open_raster(self._described)
        found = [raster.height, raster.width, len(raster.bands)]
        expected = [self.height, self.width, len(self.bands)]
        if found != expected:
            raster.close()
            raise InputError(
                "stack",
                "must still have {} x {} cells in {} bands".format(*expected),
                found=found,
                hint="Make the data set again with foundation_tile_dataset().",
            )
        return raster

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}
