"""A model with what becomes of its outputs, as one module for use without this package."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


class StandaloneModel(nn.Module):
    """Patches ``(B, C, H, W)`` to outputs of a task ``(B, n_outputs)``, or to their values.

    Parameters
    ----------
    model : torch.nn.Module
        Patches to outputs.
    values : callable, optional
        From outputs in double to the values that they stand for, such as probabilities.
    """

    def __init__(
        self, model: nn.Module, values: Callable[[torch.Tensor], torch.Tensor] | None
    ) -> None:
        super().__init__()
        self.model = model
        self.values = values

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs, or their values in double."""
        outputs: torch.Tensor = self.model(x)
        if self.values is None:
            return outputs
        if outputs.device.type == "mps":  # has no double
            outputs = outputs.cpu()
        return self.values(outputs.double())
