"""SimCLR: one training step after another."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from edaphos_bridge.encoders.simclr import SimCLREncoder
from edaphos_bridge.files.container import prefixed, without_prefix
from edaphos_bridge.files.schema import require_form
from edaphos_bridge.optim.adam import adam
from edaphos_bridge.optim.adam_state import adam_tensors, fill_adam
from edaphos_bridge.pretrain.nt_xent import nt_xent
from edaphos_bridge.pretrain.settings import SimCLRSettings


class SimCLR:
    """An encoder that learns to tell which two views show the same patch.

    Parameters
    ----------
    encoder : SimCLREncoder
        Trained in place.
    settings : SimCLRSettings
    generator : torch.Generator
        The cpu's, for the views.
    """

    def __init__(
        self, encoder: SimCLREncoder, settings: SimCLRSettings, generator: torch.Generator
    ) -> None:
        self.encoder = encoder.train()
        self.settings = settings
        self.optimizer = adam([{"params": list(encoder.parameters()), "lr": settings.lr}])
        self.generator = generator

    def warm_up(self, x: torch.Tensor) -> None:
        """Do nothing: there is no queue."""

    def step(self, x: torch.Tensor, done: float) -> torch.Tensor:
        """Take one step on the patches ``(B, C, H, W)`` and return the loss before it, a scalar."""
        one, other = self._view(x), self._view(x)
        z = self.encoder.project(self.encoder(torch.cat([one, other])))
        loss = nt_xent(z[: len(x)], z[len(x) :], self.settings.temperature)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return all that a later `step` depends on, except the random generator."""
        return {
            **prefixed("encoder", self.encoder.state_dict()),
            **prefixed("optimizer", adam_tensors(self.optimizer)),
        }

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take up the state that `tensors` gave, or raise `WeightsError`."""
        encoder = without_prefix("encoder", tensors)
        require_form("encoder", self.encoder.state_dict(), encoder)
        self.encoder.load_state_dict(encoder)
        fill_adam(self.optimizer, without_prefix("optimizer", tensors))

    def _view(self, x: torch.Tensor) -> torch.Tensor:
        return self.settings.augmentations.view(x, self.generator)
