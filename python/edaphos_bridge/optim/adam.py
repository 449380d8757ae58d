"""Adam, the optimiser of every training here, in one kernel where torch has it."""

from __future__ import annotations

import functools
from typing import Any

import torch

from edaphos_bridge.basics.interrupts import held


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
