"""The state of an Adam optimiser as named tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from edaphos_bridge.files.schema import require_form


def adam_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return moments and step counts, named ``<number of the parameter>.<what>``."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": value for i, values in state.items() for name, value in values.items()}


def fill_adam(
    optimizer: torch.optim.Optimizer,
    tensors: Mapping[str, torch.Tensor],
    *,
    partial: bool = False,
) -> None:
    """Put what `adam_tensors` returned into an optimiser over the same parameters.

    Raises `WeightsError` if it is the state of an optimiser over other parameters.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    form = {
        f"{i}.{name}": value
        for i, parameter in enumerate(parameters)
        if not (partial and f"{i}.step" not in tensors)
        for name, value in {
            "step": torch.zeros(()), "exp_avg": parameter, "exp_avg_sq": parameter
        }.items()
    }  # fmt: skip
    require_form("optimiser", form, tensors)
    state: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        number, name = key.split(".")
        if name != "step":  # the kernel goes through weights and moments in the order of memory
            value = torch.empty_like(parameters[int(number)]).copy_(value)
        state.setdefault(int(number), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
