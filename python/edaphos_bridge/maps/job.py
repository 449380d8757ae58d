"""A map to be computed: from the raster that is read to the layers of each block."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from edaphos_bridge.maps.block_function import BlockFunction, StoppedError
from edaphos_bridge.raster.raster import Raster, Window
from edaphos_bridge.raster.sources import reopen


class MapJob:
    """Computes blocks of a map, in any thread and, pickled, in any process.

    A file of GDAL's is read by one thread at a time, so each thread at work has the files opened
    for itself; they stay open for the next block.

    Parameters
    ----------
    raster : Raster
        Stays open until `close`, which closes all that was opened.
    function : BlockFunction
    """

    def __init__(self, raster: Raster, function: BlockFunction) -> None:
        self.function = function
        self._described = raster.describe()
        self._in_memory = raster if self._described is None else None
        self._free: list[Raster] = [raster] if self._described is not None else []
        self._lock = threading.Lock()
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

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            while self._free:
                self._free.pop().close()

    @contextmanager
    def _raster(self) -> Iterator[Raster]:
        if self._described is None:
            assert self._in_memory is not None
            yield self._in_memory
            return
        with self._lock:
            free = self._free.pop() if self._free else None
        raster = reopen(self._described) if free is None else free
        try:
            yield raster
        finally:
            with self._lock:
                self._free.append(raster)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_free"], state["_lock"], state["_stopped"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._free, self._lock, self._stopped = [], threading.Lock(), threading.Event()
