"""Adam, the optimiser of every training here, in one kernel where torch has it."""

from __future__ import annotations

from typing import Any

import torch


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
