"""What helps any fit to train, beside its phases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

View = Callable[
    [torch.Tensor, torch.Tensor | None, torch.Generator], tuple[torch.Tensor, torch.Tensor | None]
]


@dataclass(frozen=True)
class Aids:
    """What helps any fit to train, beside its phases.

    Attributes
    ----------
    patience : int or None
        Epochs without a better score after which a phase ends, with its best weights.
    view : callable or None
        ``view(patches, masks, generator)`` gives the patches as a step sees them, and masks that
        have gone with them; None where targets lie on no cells.
    """

    patience: int | None = None
    view: View | None = None
