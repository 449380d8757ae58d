"""InfoNCE with a queue of negatives, the loss of MoCo."""

from __future__ import annotations

import torch
from torch.nn import functional


def info_nce(
    queries: torch.Tensor, keys: torch.Tensor, queue: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Return the mean of ``-log(exp(q·k/T) / (exp(q·k/T) + sum_j exp(q·n_j/T)))``.

    Parameters
    ----------
    queries, keys : torch.Tensor, shape (B, D)
        Unit vectors of two views of the same patches.
    queue : torch.Tensor, shape (K, D)
        Unit vectors of other patches: the negatives n.
    temperature : float
        T.

    References
    ----------
    He, K., Fan, H., Wu, Y., Xie, S. and Girshick, R. (2020). Momentum contrast for
    unsupervised visual representation learning. CVPR 2020.
    """
    positive = (queries * keys).sum(dim=1, keepdim=True)
    logits = torch.cat([positive, queries @ queue.T], dim=1) / temperature
    first = torch.zeros(len(logits), dtype=torch.int64, device=logits.device)
    return functional.cross_entropy(logits, first)
