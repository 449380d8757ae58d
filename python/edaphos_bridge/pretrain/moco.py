"""MoCo v2: a view is told from a queue of earlier ones by the key of the other view."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence

import torch
from torch import nn
from torch.nn import functional

from edaphos_bridge.basics.devices import device_of
from edaphos_bridge.pretrain.encoder import Projecting, with_projection
from edaphos_bridge.pretrain.method import Method
from edaphos_bridge.pretrain.settings import MoCoSettings


class MoCo(Method):
    """A query encoder that trains, a key encoder that follows it, and a queue of keys.

    The key encoder starts as an exact copy.
    """

    encoder: Projecting
    queue: torch.Tensor

    def __init__(self, encoder: nn.Module, settings: MoCoSettings) -> None:
        super().__init__(with_projection(encoder, settings.feature_dim, settings.proj_dim))
        with torch.no_grad():  # TorchScript copies its weights by an operation that has gradients
            self.key_encoder = copy.deepcopy(self.encoder)
        self.key_encoder.requires_grad_(False)
        self.settings = settings
        self.negatives = settings.queue_size
        device = device_of(encoder)
        queue = torch.zeros((settings.queue_size, settings.proj_dim), device=device)
        self.register_buffer("queue", queue)

    def warm_up(self, views: Iterable[torch.Tensor]) -> None:
        """Fill the queue with the keys of views, batch by batch: the key encoder normalises."""
        self.queue = torch.cat([self._keys(view) for view in views])[: len(self.queue)]

    def loss(self, views: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return InfoNCE of the first view's queries and the second view's keys."""
        one, other = views
        queries = self.encoder.project(self.encoder(one))
        self._latest = self._keys(other)
        return info_nce(queries, self._latest, self.queue, self.settings.temperature)

    @torch.no_grad()
    def after_step(self, done: float) -> None:
        """Move the key encoder's parameters towards the query encoder's; buffers stay its own.

        The keys of the step enter the queue, and the oldest leave it.
        """
        momentum = momentum_at(done, self.settings.momentum, self.settings.momentum_schedule)
        pairs = zip(self.key_encoder.parameters(), self.encoder.parameters(), strict=True)
        for key, query in pairs:
            key.lerp_(query, 1 - momentum)
        self.queue = torch.cat([self.queue, self._latest])[-len(self.queue) :]

    @torch.no_grad()
    def _keys(self, view: torch.Tensor) -> torch.Tensor:
        return self.key_encoder.project(self.key_encoder(view))


def momentum_at(done: float, momentum: float, schedule: str | None) -> float:
    """Return the momentum when the share `done` of a run lies behind.

    The cosine schedule rises from `momentum` to 1 (Grill et al. 2020, BYOL).
    """
    if schedule is None:
        return momentum
    return 1 - (1 - momentum) * (math.cos(math.pi * done) + 1) / 2


def info_nce(
    queries: torch.Tensor, keys: torch.Tensor, queue: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Return the mean of ``-log(exp(q·k/T) / (exp(q·k/T) + sum_j exp(q·n_j/T)))``.

    `queries` q and `keys` k ``(B, D)`` are unit vectors of two views of the same patches, the
    `queue` of negatives n ``(K, D)`` those of other patches, and T is the temperature.

    References
    ----------
    He, K., Fan, H., Wu, Y., Xie, S. and Girshick, R. (2020). Momentum contrast for
    unsupervised visual representation learning. CVPR 2020.
    """
    positive = (queries * keys).sum(dim=1, keepdim=True)
    logits = torch.cat([positive, queries @ queue.T], dim=1) / temperature
    first = torch.zeros(len(logits), dtype=torch.int64, device=logits.device)
    return functional.cross_entropy(logits, first)
