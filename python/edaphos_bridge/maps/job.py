"""A map to be computed: from the raster that is read to the layers of each block."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from numpy.typing import NDArray

from edaphos_bridge.maps.block_function import BlockFunction, StoppedError
from edaphos_bridge.raster.raster import Raster, Window
from edaphos_bridge.raster.sources import reopen


class MapJob:
    """Computes blocks of a map, in any thread and, pickled, in any process.

    Files are opened for each block, by the thread that computes it: GDAL's are of one thread.

    Parameters
    ----------
    raster : Raster
        May be closed if it is one of files.
    function : BlockFunction
    """

    def __init__(self, raster: Raster, function: BlockFunction) -> None:
        self.function = function
        self._described = raster.describe()
        self._in_memory = raster if self._described is None else None
        self._stopped = threading.Event()

    def __call__(self, block: Window) -> NDArray[Any]:
        """Return the layers ``(L, height, width)`` of a block."""
        self.go_on()
        with self._raster() as raster:
            return self.function.compute(raster, block, self.go_on)

    def go_on(self) -> None:
        """Raise `StoppedError` after `stop`."""
        if self._stopped.is_set():
            raise StoppedError

    def stop(self) -> None:
        """Let blocks that are being computed end at their next batch."""
        self._stopped.set()

    def _raster(self) -> AbstractContextManager[Raster]:
        if self._in_memory is not None:
            return nullcontext(self._in_memory)
        assert self._described is not None
        return reopen(self._described)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_stopped"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _stopped=threading.Event())
