"""SimCLR: two views of a patch are told from all others of the batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from edaphos_bridge.encoders.simclr import SimCLREncoder
from edaphos_bridge.pretrain.method import Method
from edaphos_bridge.pretrain.nt_xent import nt_xent
from edaphos_bridge.pretrain.settings import SimCLRSettings


class SimCLR(Method):
    """An encoder that learns to tell which two views show the same patch."""

    encoder: SimCLREncoder

    def __init__(self, encoder: SimCLREncoder, settings: SimCLRSettings) -> None:
        super().__init__(encoder)
        self.settings = settings

    def loss(self, views: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return NT-Xent of the two views."""
        one, other = self.encoder.project(self.encoder(torch.cat([*views]))).chunk(2)
        return nt_xent(one, other, self.settings.temperature)
