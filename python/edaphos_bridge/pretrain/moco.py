"""MoCo v2: one training step after another."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import torch

from edaphos_bridge.encoders.moco import MoCoEncoder
from edaphos_bridge.files.container import prefixed, without_prefix
from edaphos_bridge.files.schema import require_form
from edaphos_bridge.optim.adam import adam
from edaphos_bridge.optim.adam_state import adam_tensors, fill_adam
from edaphos_bridge.pretrain.info_nce import info_nce
from edaphos_bridge.pretrain.settings import MoCoSettings


class MoCo:
    """A query encoder that trains, a key encoder that follows it, and a queue of keys.

    Parameters
    ----------
    encoder : MoCoEncoder
        The query encoder, trained in place. The key encoder starts as an exact copy.
    settings : MoCoSettings
    generator : torch.Generator
        The cpu's, for the views.
    """

    def __init__(
        self, encoder: MoCoEncoder, settings: MoCoSettings, generator: torch.Generator
    ) -> None:
        self.encoder = encoder.train()
        self.key_encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.settings = settings
        self.optimizer = adam([{"params": list(encoder.parameters()), "lr": settings.lr}])
        self.queue = torch.empty((0, settings.proj_dim))
        self.generator = generator

    def warm_up(self, x: torch.Tensor) -> None:
        """Fill the queue with the keys of views of the patches `x`.

        `x` holds whole batches, because the key encoder normalises over a batch.
        """
        keys = [self._keys(self._view(batch)) for batch in x.split(self.settings.batch_size)]
        self.queue = torch.cat(keys)[: self.settings.queue_size]

    def step(self, x: torch.Tensor, done: float) -> torch.Tensor:
        """Take one step on the patches ``(B, C, H, W)`` and return the loss before it, a scalar.

        `done` is the share of the run that lies behind, for a momentum schedule.
        """
        one, other = self._view(x), self._view(x)
        queries = self.encoder.project(self.encoder(one))
        keys = self._keys(other)
        loss = info_nce(queries, keys, self.queue, self.settings.temperature)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self._follow(momentum_at(done, self.settings.momentum, self.settings.momentum_schedule))
        self.queue = torch.cat([self.queue, keys])[-len(self.queue) :]
        return loss.detach()

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return all that a later `step` depends on, except the random generator."""
        return {
            **prefixed("encoder", self.encoder.state_dict()),
            **prefixed("key_encoder", self.key_encoder.state_dict()),
            **prefixed("optimizer", adam_tensors(self.optimizer)),
            "queue": self.queue,
        }

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take up the state that `tensors` gave, or raise `WeightsError`."""
        settings = self.settings
        queue = {"queue": torch.empty((settings.queue_size, settings.proj_dim), device="meta")}
        found = {name: tensor for name, tensor in tensors.items() if name == "queue"}
        require_form("queue", queue, found)
        for name, encoder in {"encoder": self.encoder, "key_encoder": self.key_encoder}.items():
            state = without_prefix(name, tensors)
            require_form(name, encoder.state_dict(), state)
            encoder.load_state_dict(state)
        fill_adam(self.optimizer, without_prefix("optimizer", tensors))
        self.queue = tensors["queue"].to(next(self.encoder.parameters()).device)

    def _view(self, x: torch.Tensor) -> torch.Tensor:
        return self.settings.augmentations.view(x, self.generator)

    @torch.no_grad()
    def _keys(self, x: torch.Tensor) -> torch.Tensor:
        return self.key_encoder.project(self.key_encoder(x))

    @torch.no_grad()
    def _follow(self, momentum: float) -> None:
        """Move the key encoder's parameters towards the query encoder's; buffers stay its own."""
        pairs = zip(self.key_encoder.parameters(), self.encoder.parameters(), strict=True)
        for key, query in pairs:
            key.lerp_(query, 1 - momentum)


def momentum_at(done: float, momentum: float, schedule: str | None) -> float:
    """Return the momentum when the share `done` of a run lies behind.

    The cosine schedule rises from `momentum` to 1 (Grill et al. 2020, BYOL).
    """
    if schedule is None:
        return momentum
    return 1 - (1 - momentum) * (math.cos(math.pi * done) + 1) / 2
