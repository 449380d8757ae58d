"""What a map computes of a block, whatever it is a map of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from numpy.typing import NDArray

from edaphos_bridge.maps.grid import MapGrid
from edaphos_bridge.maps.layers import Layers
from edaphos_bridge.raster.raster import Raster, Window

GoOn = Callable[[], None]
"""Asked between batches; raises `StoppedError` where nobody wants the block any more."""


class StoppedError(Exception):
    """The map that a block belongs to has been given up."""


class BlockFunction(ABC):
    """Values of the cells of a map, block by block.

    It can be pickled, and several threads call it at once. What it computes of a block does not
    depend on other blocks, nor on who computes it.

    Attributes
    ----------
    grid : MapGrid
    layers : Layers
    """

    grid: MapGrid
    layers: Layers
    smallest_block: ClassVar[int] = 64
    """Cells in each direction below which what is read around a block costs too much."""

    @abstractmethod
    def compute(self, raster: Raster, block: Window, go_on: GoOn) -> NDArray[Any]:
        """Return the layers ``(L, height, width)`` of a block of the map, of `layers.dtype`."""

    @abstractmethod
    def bytes_for(self, height: int, width: int) -> int:
        """Return about how much memory a block of such a size takes while it is computed."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Return JSON values that tell what is computed from anything else."""
