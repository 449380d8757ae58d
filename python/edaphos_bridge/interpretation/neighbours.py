"""k-nearest-neighbour evaluation of features: weighted votes, as lightly has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.errors import InputError

_ROWS = 1024


@torch.no_grad()
def knn_votes(
    query: torch.Tensor,
    bank: torch.Tensor,
    codes: torch.Tensor,
    n_classes: int,
    k: int,
    temperature: float,
    *,
    query_units: NDArray[Any] | None = None,
    bank_units: NDArray[Any] | None = None,
) -> torch.Tensor:
    """Return the votes for each class, shape (Q, n_classes), of each query's `k` neighbours.

    A neighbour's vote counts ``exp(similarity / temperature)``, where the similarity is the inner
    product, over that of the nearest neighbour. No neighbour of a query's own unit votes, where
    units are given.

    Parameters
    ----------
    query, bank : torch.Tensor, shapes (Q, D) and (B, D)
        Unit vectors; those of the bank have the class codes `codes` ``(B,)``.

    Raises
    ------
    InputError
        If there are fewer than `k` neighbours.

    References
    ----------
    Wu, Z., Xiong, Y., Yu, S. X. and Lin, D. (2018). Unsupervised feature learning via
    non-parametric instance discrimination. CVPR. As ``knn_predict`` of lightly.
    """
    votes = query.new_zeros((len(query), n_classes))
    for start in range(0, len(query), _ROWS):
        pause()
        rows = slice(start, start + _ROWS)
        similarity = query[rows] @ bank.T
        most = len(bank)
        if query_units is not None and bank_units is not None:
            same = torch.from_numpy(query_units[rows, None] == bank_units[None, :])
            most -= int(same.sum(dim=1).max())
            similarity.masked_fill_(same, -torch.inf)
        if k > most:
            raise InputError("k", f"must be at most {most}, the neighbours that there are", found=k)
        weight, neighbours = similarity.topk(k, dim=1)
        # over the nearest: only shares count, and exp() of a low temperature is beyond any float
        weight = ((weight - weight[:, :1]) / temperature).exp()
        votes[rows] = votes[rows].scatter_add(1, codes[neighbours], weight)
    return votes


def shares(votes: torch.Tensor) -> NDArray[np.float64]:
    """Return votes as shares of each query's sum, float64."""
    counted = votes.double()
    return (counted / counted.sum(dim=1, keepdim=True)).numpy()
