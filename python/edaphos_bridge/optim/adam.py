"""Adam, the optimiser of every training here, in one kernel where torch has it."""

from __future__ import annotations

import functools
from typing import Any

import torch

from edaphos_bridge.basics.interrupts import held


def adam(
    groups: list[dict[str, Any]],
    weight_decay: float = 0.0,
    *,
    decoupled: bool = False,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> torch.optim.Optimizer:
    """Return Adam over groups with ``params`` and ``lr``; with `decoupled` weight decay, AdamW.

    Every torch since 2.4 has one kernel for all parameters on the cpu and on cuda, for real
    numbers.

    References
    ----------
    Kingma, D. P. and Ba, J. (2015). Adam: a method for stochastic optimization. ICLR.
    Loshchilov, I. and Hutter, F. (2019). Decoupled weight decay regularization. ICLR.
    """
    load_optimisers()
    fused = all(
        parameter.is_floating_point() and parameter.device.type in ("cpu", "cuda")
        for group in groups
        for parameter in group["params"]
    )
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    return kind(groups, betas=betas, eps=eps, weight_decay=weight_decay, fused=fused or None)


@functools.cache
def load_optimisers() -> None:
    """Let torch import what its optimisers need, some seconds of work, before training starts."""
    with held():
        parameter = torch.zeros(1, device="cpu", requires_grad=True)
        optimizer = torch.optim.Adam([parameter])
        parameter.grad = torch.zeros(1, device="cpu")
        optimizer.step()
        optimizer.zero_grad()
