"""Sinkhorn-Knopp: scores of prototypes become codes that use all prototypes equally."""

from __future__ import annotations

import torch


@torch.no_grad()
def sinkhorn(scores: torch.Tensor, epsilon: float, iterations: int) -> torch.Tensor:
    """Return the codes of embeddings from their scores: how much of each is of which prototype.

    ``exp(scores / epsilon)`` is scaled in turn so that every prototype has the share 1/K of all
    and every embedding the share 1/B. The last turn is that of the embeddings, and codes are the
    shares of one embedding.

    Parameters
    ----------
    scores : torch.Tensor, shape (B, K)
        Of B embeddings and K prototypes.
    epsilon : float
        Above 0. The smaller it is, the nearer codes are to one prototype each.
    iterations : int
        Turns of both kinds.

    Returns
    -------
    torch.Tensor, shape (B, K)
        Rows sum to 1; columns to B/K when the iterations have converged.

    References
    ----------
    Cuturi, M. (2013). Sinkhorn distances: lightspeed computation of optimal transport. NIPS 2013.
    """
    # By logarithms: exp(scores / epsilon) would overflow float32 at an epsilon below 1/88. The
    # shares 1/K and 1/B themselves are constants that the next turn takes out again.
    logs = scores / epsilon
    for _ in range(iterations):
        logs = (logs - logs.logsumexp(dim=0)).log_softmax(dim=1)
    return logs.exp()
