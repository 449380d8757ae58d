"""BatchNorm on a last batch of one patch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def single_values_use_running_statistics(module: nn.Module) -> Iterator[None]:
    """Let BatchNorm use its running statistics where a batch gives it one value a channel.

    One value has no variance, and torch refuses it. Batches with more values, one patch with
    several cells included, are normalised by torch's own rule.
    """

    def before(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        x = inputs[0]
        if layer.training and layer.running_mean is not None and x.numel() == x.size(1):
            layer.training = False
            waiting.add(layer)

    def after(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if layer in waiting:
            waiting.remove(layer)
            layer.training = True

    waiting: set[nn.Module] = set()
    hooks = []
    for layer in module.modules():
        if isinstance(layer, _BatchNorm):
            hooks += [layer.register_forward_pre_hook(before), layer.register_forward_hook(after)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
