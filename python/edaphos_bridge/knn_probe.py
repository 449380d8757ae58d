"""`KNNProbe`: votes of nearest neighbours that watch a pretraining run."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import number, whole
from edaphos_bridge.data.splits import parting_in
from edaphos_bridge.errors import InputError
from edaphos_bridge.interpretation.neighbours import knn_votes
from edaphos_bridge.pretrain.label_probe import LabelProbe


class KNNProbe(LabelProbe):
    """The k nearest neighbours among labelled patches, every few epochs of a pretraining.

    As `LinearProbe`, but nothing is trained: the patches that are not scored vote for the classes
    of those that are, as in `foundation_knn`.

    Parameters
    ----------
    x, y, every, patience
        As in `LinearProbe`.
    k : int
        Neighbours that vote, at most as many as there are.
    temperature : float
        The smaller, the more the nearest count.
    val_split, seed, groups, blocks, block_size, buffer, folds, fold, validation
        As in `LinearProbe`.

    Raises
    ------
    InputError
        As `LinearProbe` does, and if there are not `k` neighbours.

    References
    ----------
    Wu, Z., Xiong, Y., Yu, S. X. and Lin, D. (2018). Unsupervised feature learning via
    non-parametric instance discrimination. CVPR.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import KNNProbe, foundation_simclr_pretrain
    >>> x, y = np.random.default_rng(1).normal(size=(40, 4, 9, 9)), ["Oxisol", "Ultisol"] * 20
    >>> fit = foundation_simclr_pretrain(x, epochs=4, seed=1, probe=KNNProbe(x, y, every=2, k=5))
    >>> len(fit.probe_history["score"])
    2
    """

    name = "knn"

    @plain
    def __init__(
        self,
        x: Any,
        y: Any,
        *,
        every: int = 1,
        patience: int | None = None,
        k: int = 20,
        temperature: float = 0.1,
        val_split: float = 0.2,
        seed: int = 1,
        groups: Any = None,
        blocks: Any = None,
        block_size: float | None = None,
        buffer: float = 0.0,
        folds: Any = None,
        fold: int | None = None,
        validation: Any = None,
    ) -> None:
        parting = parting_in(locals())
        self._k, self._temperature = whole("k", k), number("temperature", temperature, above=0)
        super().__init__(
            x, y, every=every, patience=patience, val_split=val_split, seed=seed, parting=parting
        )
        most = len(self.plan.train_rows)
        if self._k > most:
            raise InputError("k", f"must be at most {most}, the neighbours that there are", found=k)

    def settings(self) -> dict[str, Any]:
        """Return what votes."""
        return {"k": self._k, "temperature": self._temperature}

    def outputs(
        self, train: torch.Tensor, codes: torch.Tensor, held_out: torch.Tensor
    ) -> torch.Tensor:
        """Return the votes."""
        query, bank = (functional.normalize(features, dim=1) for features in (held_out, train))
        return knn_votes(query, bank, codes, self.n_classes, self._k, self._temperature)
