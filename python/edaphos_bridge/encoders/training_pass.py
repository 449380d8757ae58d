"""The passes of a MoCo encoder in training, written out: no graph is recorded, no module called."""

from __future__ import annotations

from math import prod
from typing import NamedTuple, cast

import torch
from torch import nn
from torch.nn.functional import conv2d

from edaphos_bridge.encoders.known_modules import is_as_built
from edaphos_bridge.encoders.moco import MoCoBackbone, MoCoEncoder

aten = torch.ops.aten
_LAYERS = range(5)
_STRIDES = (1, 1, 2, 1, 1)
_RESIDUAL = (1, 3)  # their output is added to their input


def can_be_written_out(encoder: MoCoEncoder) -> bool:
    """Return whether `TrainingPass` may train `encoder`: unchanged, on the cpu, and all of it."""
    kinds = {(w.device.type, w.dtype, w.requires_grad) for w in encoder.backbone.parameters()}
    return is_as_built(encoder) and kinds in (
        {("cpu", torch.float32, True)},
        {("cpu", torch.float64, True)},
    )


class _Layer(NamedTuple):
    """What the backward pass needs of a convolution, its BatchNorm and its ReLU."""

    x: torch.Tensor
    convolved: torch.Tensor
    mean: torch.Tensor
    inverse_std: torch.Tensor
    by_batch: bool
    h: torch.Tensor


class TrainingPass:
    """Forward and backward pass of a `MoCoBackbone` on the cpu, its weights in few tensors.

    Features and gradients are the backbone's in training mode but for rounding. A BatchNorm with
    one value a channel, which torch refuses, uses its running statistics. Any other takes the
    mean away, and with it the bias of the convolution before it, whose gradient is zero: autograd
    gives what rounding leaves of that, and Adam divides it by its own size.

    Parameters
    ----------
    backbone : MoCoBackbone
        Trained in place: its kernels become channels last, its other parameters views of one
        vector.

    Attributes
    ----------
    weights : list of torch.Tensor
        All that trains: the kernels, and the vector of all else. An optimiser takes its time for
        each tensor, and most parameters are small.
    """

    def __init__(self, backbone: MoCoBackbone) -> None:
        parameters = list(backbone.parameters())
        kernels = [parameter for parameter in parameters if parameter.ndim == 4]
        others = [parameter for parameter in parameters if parameter.ndim == 1]
        for kernel in kernels:
            kernel.data = kernel.detach().contiguous(memory_format=torch.channels_last)
        vector = torch.cat([other.detach() for other in others])
        for other, part in zip(others, vector.split([len(o) for o in others]), strict=True):
            other.data = part
        self.weights = [*(kernel.detach() for kernel in kernels), vector]
        tensors = [parameter.detach() for parameter in parameters]
        self._parameters = [tensors[4 * i : 4 * i + 4] for i in _LAYERS]
        self._zeros = [torch.zeros_like(bias) for _, bias, _, _ in self._parameters]
        norms = [backbone.bn1, backbone.bn2, backbone.bn3, backbone.bn4, backbone.bn5]
        self._norms = [_statistics(norm) for norm in norms]
        self._counters = [cast(torch.Tensor, norm.num_batches_tracked) for norm in norms]
        self._batches = [0 for _ in _LAYERS]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, list[_Layer]]:
        """Return features ``(B, feature_dim)`` of patches ``(B, C, H, W)``, and what follows needs.

        Running statistics move as in training mode; their counters wait for `count_batches`.
        """
        layers = []
        for i in _LAYERS:
            kernel, bias, scale, shift = self._parameters[i]
            mean, var, momentum, eps = self._norms[i]
            convolved = conv2d(x, kernel, bias, stride=_STRIDES[i], padding=1)
            by_batch = convolved.numel() > convolved.shape[1]
            h, mean, inverse_std = torch.native_batch_norm(
                convolved, scale, shift, mean, var, by_batch, momentum, eps
            )
            h.relu_()
            layers.append(_Layer(x, convolved, mean, inverse_std, by_batch, h))
            x = x + h if i in _RESIDUAL else h
            self._batches[i] += by_batch
        return x.mean(dim=(2, 3)), layers

    def backward(self, gradient: torch.Tensor, layers: list[_Layer]) -> list[torch.Tensor]:
        """Return the gradients of `weights` for that of the features ``(B, feature_dim)``.

        Takes the layers off the list and writes into their activations: memory that the processor
        still has at hand is used again, here and for the next gradient.
        """
        last = layers[-1].h
        gradient = (gradient / prod(last.shape[2:])).view(*last.shape[:2], 1, 1).expand_as(last)
        of_kernels: list[torch.Tensor] = []
        of_others: list[torch.Tensor] = []
        for i in reversed(_LAYERS):
            layer = layers.pop()
            kernel, _, scale, _ = self._parameters[i]
            mean, var, _, eps = self._norms[i]
            of_sum = gradient if i in _RESIDUAL else None
            gradient = aten.threshold_backward.grad_input(  # ReLU
                gradient, layer.h, 0, grad_input=layer.h
            )
            gradient, of_scale, of_shift = aten.native_batch_norm_backward.default(
                gradient, layer.convolved, scale, mean, var, layer.mean, layer.inverse_std,
                layer.by_batch, eps, (True, True, True),
            )  # fmt: skip
            of_bias = self._zeros[i] if layer.by_batch else gradient.sum(dim=(0, 2, 3))
            gradient, of_kernel, _ = aten.convolution_backward.default(
                gradient, layer.x, kernel, None, (_STRIDES[i],) * 2, (1, 1), (1, 1), False,
                (0, 0), 1, (i > 0, True, False),
            )  # fmt: skip
            of_kernels = [of_kernel, *of_kernels]
            of_others = [of_bias, of_scale, of_shift, *of_others]
            if of_sum is not None:
                gradient.add_(of_sum)
        return [*of_kernels, torch.cat(of_others)]

    def count_batches(self) -> None:
        """Add the batches since the last call to the counters of the BatchNorms."""
        for i, counter in enumerate(self._counters):
            counter += self._batches[i]
            self._batches[i] = 0


def _statistics(norm: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor, float, float]:
    """Return running mean and variance, momentum and eps: a module looks them up slowly."""
    mean, var = cast(torch.Tensor, norm.running_mean), cast(torch.Tensor, norm.running_var)
    return mean, var, cast(float, norm.momentum), norm.eps
