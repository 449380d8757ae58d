"""What becomes of patches in a map."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from numpy.typing import NDArray

from edaphos_bridge.encoders.known_modules import runs_side_by_side
from edaphos_bridge.fits.prediction import Batches
from edaphos_bridge.maps.layers import Layers

# Of this process, so that two maps of one encoder do not meet in it either.
_one_at_a_time = threading.RLock()


class RowValues(ABC):
    """Patches, or their features, in; a row of numbers each out.

    Attributes
    ----------
    layers : Layers
    encoders : list of torch.nn.Module
        Of each member; those that share one have the same.
    modules : list of torch.nn.Module
        All that is run, heads too.
    reads : str
        What heads read of them, "features" or "pooled maps".
    device : torch.device
    """

    layers: Layers
    encoders: list[torch.nn.Module]
    modules: list[torch.nn.Module]
    reads: str
    device: torch.device

    def alone(self) -> AbstractContextManager[Any]:
        """Return a context to compute in, of one thread where a module may keep something."""
        together = all(runs_side_by_side(module) for module in self.modules)
        return nullcontext() if together else _one_at_a_time

    @abstractmethod
    def of(self, n: int, batches: Batches, seed: tuple[int, ...]) -> NDArray[Any]:
        """Return ``(n, L)``; what is random draws from `seed`, whole numbers."""

    @abstractmethod
    def of_features(self, features: list[torch.Tensor]) -> NDArray[Any]:
        """Return ``(n, L)`` of what the encoder of each member makes of n patches."""

    @abstractmethod
    def bytes_a_row(self) -> int:
        """Return about how much memory a row takes while it is computed."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Return JSON values that tell it from anything else."""
