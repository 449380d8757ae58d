"""`LinearProbe`: a linear classifier that watches a pretraining run."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import number
from edaphos_bridge.data.splits import parting_in
from edaphos_bridge.pretrain.label_probe import LabelProbe
from edaphos_bridge.training.lbfgs import logistic_path, standardised


class LinearProbe(LabelProbe):
    """A linear classifier on the features of labelled patches, every few epochs of a pretraining.

    Given as `probe` to `foundation_moco_pretrain` and its sisters, it looks at a frozen copy of the
    encoder after each `every` epochs: a linear head learns from most of the patches, by L-BFGS as
    in `foundation_probe_sweep`, and its accuracy on the others is the score. Features are
    standardised before, since their scale changes in the course of a run. The fit has the scores as
    ``probe_history``. Pretraining itself sees nothing of it: without patience it ends in the
    same encoder with and without a probe, to the last bit.

    Parameters
    ----------
    x, y : patches (N, C, H, W) and their classes (N,)
        As in `foundation_fit_classifier`, with the channels of the patches that are pretrained on.
    every : int
        Epochs between two looks; at most those of the run.
    patience : int, optional
        Stop the run after so many looks in a row without a better score. The encoder of the best
        look, of several the first, is then the one that the fit has.
    C : float
        Inverse penalty, in scikit-learn's notation.
    val_split : float
        Share of the patches that is scored, in (0, 1).
    seed : int
        Of the draw of these patches. It is not that of the run, so that several runs are scored by
        the same ones.
    groups, blocks, block_size, buffer, folds, fold, validation
        Which patches are scored, as in `foundation_fit_classifier`: whole groups or blocks, a fold,
        or rows given.

    Raises
    ------
    InputError
        If an argument cannot be used, or a patch has missing values. What does not fit to a run, as
        other channels or a size of patches that its encoder does not take, is an error before the
        first step. A checkpoint of a run with another probe, or none, is refused.

    References
    ----------
    Alain, G. and Bengio, Y. (2016). Understanding intermediate layers using linear classifier
    probes. arXiv:1610.01644. He, K. et al. (2022). Masked autoencoders are scalable vision
    learners. CVPR 2022 (normalised features).

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import LinearProbe, foundation_moco_pretrain
    >>> x, y = np.random.default_rng(1).normal(size=(40, 4, 9, 9)), ["Oxisol", "Ultisol"] * 20
    >>> fit = foundation_moco_pretrain(x, epochs=4, seed=1, probe=LinearProbe(x, y, every=2))
    >>> fit.probe_history["epoch"]
    [2, 4]
    """

    name = "linear"

    @plain
    def __init__(
        self,
        x: Any,
        y: Any,
        *,
        every: int = 1,
        patience: int | None = None,
        C: float = 1.0,  # noqa: N803
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
        self._c = number("C", C, above=0)
        super().__init__(
            x, y, every=every, patience=patience, val_split=val_split, seed=seed, parting=parting
        )

    def settings(self) -> dict[str, Any]:
        """Return the penalty."""
        return {"C": self._c}

    def outputs(
        self, train: torch.Tensor, codes: torch.Tensor, held_out: torch.Tensor
    ) -> torch.Tensor:
        """Return the logits of a penalised logistic regression."""
        known, asked = standardised(train, held_out)
        # where L-BFGS stops short of the gradient that a sweep wants, the loss stands all the same
        (solution,) = logistic_path(known, codes, self.n_classes, [self._c])
        return functional.linear(asked, solution.weight.double(), solution.bias.double())
