"""The passes of a MoCo encoder in training, written out: no graph is recorded, no module called."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import cast

import torch
from torch.nn.functional import conv2d

from edaphos_bridge.encoders.known_modules import is_as_built
from edaphos_bridge.encoders.moco import MoCoBackbone, MoCoEncoder

_LAYERS = range(5)
_STRIDES = (1, 1, 2, 1, 1)
_RESIDUAL = (1, 3)  # their output is added to their input


def can_be_written_out(encoder: MoCoEncoder) -> bool:
    """Return whether `TrainingPass` may train `encoder`: unchanged, on the cpu, and all of it."""
    kinds = {(w.device.type, w.dtype, w.requires_grad) for w in encoder.backbone.parameters()}
    return (
        is_as_built(encoder)
        and kinds in ({("cpu", torch.float32, True)}, {("cpu", torch.float64, True)})
        and not torch.is_autocast_enabled("cpu")
    )


@dataclass(frozen=True)
class _Layer:
    """What the backward pass needs of a convolution, its BatchNorm and its ReLU."""

    x: torch.Tensor
    convolved: torch.Tensor
    mean: torch.Tensor
    inverse_std: torch.Tensor
    by_batch: bool
    h: torch.Tensor


class TrainingPass:
    """Forward and backward pass of a `MoCoBackbone` on the cpu, its weights in one vector.

    Features and gradients are the backbone's in training mode but for rounding. A BatchNorm with
    one value a channel, which torch refuses, uses its running statistics. Any other takes the
    mean away, and with it the bias of the convolution before it, whose gradient is zero: autograd
    gives what rounding leaves of that, and Adam divides it by its own size.

    Parameters
    ----------
    backbone : MoCoBackbone
        Trained in place: its parameters and its counters of batches become views of two tensors.

    Attributes
    ----------
    weights : torch.Tensor, shape (P,)
        All that trains; an optimiser takes its time for each tensor.
    """

    def __init__(self, backbone: MoCoBackbone) -> None:
        parameters = list(backbone.parameters())
        self.weights = _joined(parameter.detach() for parameter in parameters)
        self._views = _parts(self.weights, [parameter.shape for parameter in parameters])
        for parameter, view in zip(parameters, self._views, strict=True):
            parameter.data = view
        self._norms = [backbone.bn1, backbone.bn2, backbone.bn3, backbone.bn4, backbone.bn5]
        counts = [norm.num_batches_tracked for norm in self._norms]
        self._batches = torch.stack(cast(list[torch.Tensor], counts))
        for norm, count in zip(self._norms, self._batches, strict=True):
            norm.num_batches_tracked = count

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, list[_Layer]]:
        """Return features ``(B, feature_dim)`` of patches ``(B, C, H, W)``, and what follows needs.

        Running statistics move as in training mode.
        """
        layers = []
        for i in _LAYERS:
            kernel, bias, scale, shift = self._views[4 * i : 4 * i + 4]
            bn = self._norms[i]
            assert bn.momentum is not None
            convolved = conv2d(x, kernel, bias, stride=_STRIDES[i], padding=1)
            by_batch = convolved.numel() > convolved.shape[1]
            h, mean, inverse_std = torch.native_batch_norm(
                convolved, scale, shift, bn.running_mean, bn.running_var, by_batch, bn.momentum,
                bn.eps,
            )  # fmt: skip
            h.relu_()
            layers.append(_Layer(x, convolved, mean, inverse_std, by_batch, h))
            x = x + h if i in _RESIDUAL else h
        self._batches += torch.tensor([layer.by_batch for layer in layers])
        return x.mean(dim=(2, 3)), layers

    def backward(self, gradient: torch.Tensor, layers: list[_Layer]) -> torch.Tensor:
        """Return the gradient (P,) of `weights` for that of the features ``(B, feature_dim)``.

        Takes the layers off the list: what is not needed any more is freed at once, and comes
        back for the next gradient while the processor still has it at hand.
        """
        last = layers[-1].h
        gradient = (gradient / prod(last.shape[2:]))[:, :, None, None].expand_as(last)
        gradients: list[torch.Tensor] = []
        for i in reversed(_LAYERS):
            layer, bn = layers.pop(), self._norms[i]
            kernel, bias, scale, _ = self._views[4 * i : 4 * i + 4]
            of_sum = gradient if i in _RESIDUAL else None
            gradient = torch.ops.aten.threshold_backward(gradient, layer.h, 0)  # ReLU
            gradient, of_scale, of_shift = torch.ops.aten.native_batch_norm_backward(
                gradient, layer.convolved, scale, bn.running_mean, bn.running_var, layer.mean,
                layer.inverse_std, layer.by_batch, bn.eps, (True, True, True),
            )  # fmt: skip
            of_bias = torch.zeros_like(bias) if layer.by_batch else gradient.sum(dim=(0, 2, 3))
            gradient, of_kernel, _ = torch.ops.aten.convolution_backward(
                gradient, layer.x, kernel, None, (_STRIDES[i],) * 2, (1, 1), (1, 1), False,
                (0, 0), 1, (i > 0, True, False),
            )  # fmt: skip
            gradients = [of_kernel, of_bias, of_scale, of_shift, *gradients]
            if of_sum is not None:
                gradient.add_(of_sum)
        return _joined(gradients)


def _joined(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    """Return the elements of all `tensors` in one vector, kernels channels last."""
    return torch.cat([t.movedim(1, -1).reshape(-1) if t.ndim == 4 else t for t in tensors])


def _parts(vector: torch.Tensor, shapes: list[torch.Size]) -> list[torch.Tensor]:
    """Return views of `vector` in those shapes, kernels channels last."""
    parts = vector.split([shape.numel() for shape in shapes])
    return [
        part.view(shape[0], *shape[2:], shape[1]).movedim(-1, 1) if len(shape) == 4 else part
        for part, shape in zip(parts, shapes, strict=True)
    ]
