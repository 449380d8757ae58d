"""Adam, the optimiser of every training here, in one kernel where torch has it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch

from edaphos_bridge.interrupts import held


def adam(groups: list[dict[str, Any]], weight_decay: float = 0.0) -> torch.optim.Adam:
    """Return Adam with coupled weight decay over groups with ``params`` and ``lr``.

    Every torch since 2.4 has one kernel for all parameters on the cpu and on cuda, for real
    numbers.

    References
    ----------
    Kingma, D. P. and Ba, J. (2015). Adam: a method for stochastic optimization. ICLR.
    """
    load_optimisers()
    fused = all(
        parameter.is_floating_point() and parameter.device.type in ("cpu", "cuda")
        for group in groups
        for parameter in group["params"]
    )
    return torch.optim.Adam(groups, weight_decay=weight_decay, fused=fused or None)


@functools.cache
def load_optimisers() -> None:
    """Let torch import what its optimisers need, some seconds of work, before training starts."""
    with held():
        parameter = torch.zeros(1, device="cpu", requires_grad=True)
        optimizer = torch.optim.Adam([parameter])
        parameter.grad = torch.zeros(1, device="cpu")
        optimizer.step()
        optimizer.zero_grad()


class GivenGradients:
    """The same Adam, in the same kernel, for gradients that are given instead of recorded.

    Parameters
    ----------
    groups : sequence of (list of torch.Tensor, float)
        Dense tensors on one device, the cpu or cuda, trained in place, and their learning rate.
    weight_decay : float
        Coupled weight decay of all.
    """

    def __init__(
        self, groups: Sequence[tuple[Sequence[torch.Tensor], float]], weight_decay: float
    ) -> None:
        self._weight_decay = weight_decay
        self._groups = [_Group(tensors, lr) for tensors, lr in groups]
        self._steps = torch.zeros((), device=groups[0][0][0].device)

    def step(self, gradients: Sequence[Sequence[torch.Tensor]]) -> None:
        """Take a step along the gradients of each group's tensors."""
        self._steps += 1
        for group, of_group in zip(self._groups, gradients, strict=True):
            torch._fused_adam_(
                group.tensors,
                list(map(_laid_out, of_group, group.tensors)),
                group.means,
                group.squares,
                [],
                [self._steps] * len(group.tensors),
                lr=group.lr,
                beta1=0.9,
                beta2=0.999,
                weight_decay=self._weight_decay,
                eps=1e-8,
                amsgrad=False,
                maximize=False,
            )


class _Group:
    """Tensors with a learning rate, and Adam's moments of each."""

    def __init__(self, tensors: Sequence[torch.Tensor], lr: float) -> None:
        self.tensors = [tensor.detach() for tensor in tensors]
        self.lr = lr
        self.means = [torch.zeros_like(tensor) for tensor in self.tensors]
        self.squares = [torch.zeros_like(tensor) for tensor in self.tensors]


def _laid_out(gradient: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """Return `gradient` in the memory layout of `tensor`: the kernel takes no strides."""
    if gradient.stride() == tensor.stride():
        return gradient
    return torch.empty_like(tensor).copy_(gradient)
