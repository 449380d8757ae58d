"""The rotation pretext task: to tell by which quarter turn a patch was turned."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

from edaphos_bridge.data.augmentations import turned
from edaphos_bridge.encoders.features import encode_features
from edaphos_bridge.pretrain.method import Method
from edaphos_bridge.pretrain.settings import RotationSettings

TURNS = 4
"""By 0, 90, 180 and 270 degrees, anticlockwise as in `numpy.rot90`."""


class Rotation(Method):
    """An encoder and a linear layer that tell four turns of a patch apart.

    References
    ----------
    Gidaris, S., Singh, P. and Komodakis, N. (2018). Unsupervised representation learning by
    predicting image rotations. ICLR 2018.
    """

    def __init__(self, encoder: nn.Module, settings: RotationSettings) -> None:
        super().__init__(encoder)
        self.settings = settings
        self.val_split = settings.val_split
        self.head = nn.Linear(settings.feature_dim, TURNS)
        nn.init.xavier_uniform_(self.head.weight)  # as the encoder's own layers
        nn.init.zeros_(self.head.bias)

    def begin(self, n: int, generator: torch.Generator) -> None:
        """Draw the one turn of each patch, for ``mode="fixed"``."""
        if self.settings.mode == "fixed":
            self.turns = torch.randint(TURNS, (n,), generator=generator)

    def views(
        self,
        patches: torch.Tensor,
        rows: torch.Tensor,
        view: Callable[[torch.Tensor], torch.Tensor],
    ) -> list[torch.Tensor]:
        """Return turned patches, ``(4 * B, ...)`` or ``(B, ...)``, and the numbers of turns."""
        if self.settings.mode == "all":
            return in_all_turns(patches)
        turns = self.turns[rows]
        return [turned(patches, turns), turns.to(patches.device)]

    def loss(self, views: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the mean cross-entropy of the turns."""
        patches, turns = views
        return functional.cross_entropy(self._logits(patches), turns)

    def right(self, views: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return of which patches the turn is told."""
        patches, turns = views
        return self._logits(patches).argmax(dim=1) == turns

    def _logits(self, patches: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(encode_features(self.encoder, patches))
        return logits


def in_all_turns(patches: torch.Tensor) -> list[torch.Tensor]:
    """Return square patches ``(B, C, H, H)`` in all four turns, ``(4 * B, C, H, H)``, and which.

    All patches as they are come first, then all by 90 degrees, and so on. A turn moves cells and
    changes none.
    """
    turns = torch.arange(TURNS, device=patches.device).repeat_interleave(len(patches))
    return [torch.cat([torch.rot90(patches, k, (2, 3)) for k in range(TURNS)]), turns]
