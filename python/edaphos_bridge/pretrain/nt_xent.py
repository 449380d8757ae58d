"""NT-Xent, the loss of SimCLR."""

from __future__ import annotations

import torch
from torch.nn import functional


def nt_xent(one: torch.Tensor, other: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return the mean over all 2B views of the cross-entropy of finding the other view.

    Each view is compared with the 2B - 1 others, never with itself.

    Parameters
    ----------
    one, other : torch.Tensor, shape (B, D)
        Unit vectors of two views of the same patches.
    temperature : float
        The cosines are divided by it.

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
