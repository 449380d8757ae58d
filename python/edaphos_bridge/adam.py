"""Adam, the optimiser of every training here, in one kernel where torch has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.optim.adam import adam as adam_step


def adam(groups: list[dict[str, Any]], weight_decay: float = 0.0) -> torch.optim.Adam:
    """Return Adam with coupled weight decay over groups with ``params`` and ``lr``.

    Every torch since 2.4 has one kernel for all parameters on the cpu and on cuda, for real
    numbers.

    References
    ----------
    Kingma, D. P. and Ba, J. (2015). Adam: a method for stochastic optimization. ICLR.
    """
    fused = all(
        parameter.is_floating_point() and parameter.device.type in ("cpu", "cuda")
        for group in groups
        for parameter in group["params"]
    )
    return torch.optim.Adam(groups, weight_decay=weight_decay, fused=fused or None)


class GivenGradients:
    """The same Adam, in one kernel, for gradients that are given instead of recorded.

    Parameters
    ----------
    groups : sequence of (list of torch.Tensor, float)
        Contiguous tensors on the cpu or on cuda, trained in place, and their learning rate.
    weight_decay : float
        Coupled weight decay of all.
    """

    def __init__(
        self, groups: Sequence[tuple[Sequence[torch.Tensor], float]], weight_decay: float
    ) -> None:
        self._weight_decay = weight_decay
        self._groups = [_Group(tensors, lr) for tensors, lr in groups]

    def step(self, gradients: Sequence[list[torch.Tensor]]) -> None:
        """Take a step along the gradients of each group's tensors."""
        for group, of_group in zip(self._groups, gradients, strict=True):
            adam_step(
                group.tensors,
                [gradient.contiguous() for gradient in of_group],  # the kernel takes no strides
                group.means,
                group.squares,
                [],
                group.steps,
                fused=True,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=group.lr,
                weight_decay=self._weight_decay,
                eps=1e-8,
                maximize=False,
            )


class _Group:
    """Tensors with a learning rate, and Adam's state of each."""

    def __init__(self, tensors: Sequence[torch.Tensor], lr: float) -> None:
        self.tensors = [tensor.detach() for tensor in tensors]
        self.lr = lr
        self.means = [torch.zeros_like(tensor) for tensor in self.tensors]
        self.squares = [torch.zeros_like(tensor) for tensor in self.tensors]
        self.steps = [torch.zeros((), device=tensor.device) for tensor in self.tensors]
