"""SimCLR: two views of a patch are told from all others of the batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from edaphos_bridge.pretrain.encoder import Projecting, with_projection
from edaphos_bridge.pretrain.method import Method
from edaphos_bridge.pretrain.settings import SimCLRSettings


class SimCLR(Method):
    """An encoder that learns to tell which two views show the same patch."""

    encoder: Projecting

    def __init__(self, encoder: nn.Module, settings: SimCLRSettings) -> None:
        super().__init__(with_projection(encoder, settings.feature_dim, settings.proj_dim))
        self.settings = settings

    def loss(self, views: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return NT-Xent of the two views."""
        one, other = self.encoder.project(self.encoder(torch.cat([*views]))).chunk(2)
        return nt_xent(one, other, self.settings.temperature)


def nt_xent(one: torch.Tensor, other: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return the mean over all 2B views of the cross-entropy of finding the other view.

    `one` and `other` ``(B, D)`` are unit vectors of two views of the same patches, whose cosines
    are divided by the temperature. Each view is compared with the 2B - 1 others, never with itself.

    References
    ----------
    Chen, T., Kornblith, S., Norouzi, M. and Hinton, G. (2020). A simple framework for
    contrastive learning of visual representations. ICML 2020.
    """
    views = torch.cat([one, other])
    itself = torch.eye(len(views), dtype=torch.bool, device=views.device)
    logits = (views @ views.T / temperature).masked_fill(itself, -torch.inf)
    partner = torch.arange(len(views), device=views.device).roll(len(one))
    return functional.cross_entropy(logits, partner)
