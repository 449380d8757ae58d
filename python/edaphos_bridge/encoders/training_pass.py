"""Encoders for training: the same losses and gradients, with less of autograd around them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv2d

from edaphos_bridge.encoders.known_modules import is_as_built
from edaphos_bridge.encoders.moco import MoCoBackbone, MoCoEncoder

_LAYERS = range(1, 6)
_STRIDES = {1: 1, 2: 1, 3: 2, 4: 1, 5: 1}
_RESIDUAL = (2, 4)  # their output is added to their input


def for_training(module: nn.Module) -> nn.Module:
    """Return a module that trains the weights of `module`, faster where that is known.

    The passes of a MoCo encoder are written out; any other module is returned as it is.
    """
    if type(module) is MoCoEncoder and is_as_built(module):
        return TrainedEncoder(module)
    return module


class TrainedEncoder(nn.Module):
    """A `MoCoEncoder` whose forward and backward pass on the cpu are written out.

    Features and gradients are the encoder's but for rounding. Biases of convolutions get
    gradients of zero: the BatchNorm that follows takes the mean away, and with it the bias.
    Autograd gives what rounding leaves of that zero, and Adam divides it by its own size.
    """

    def __init__(self, encoder: MoCoEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map patches ``(B, C, H, W)`` to features ``(B, feature_dim)``."""
        features: torch.Tensor
        if self.training and _can_be_written_out(x):
            backbone = self.encoder.backbone
            features = _Backbone.apply(x, backbone, *_weights(backbone))
        else:
            features = self.encoder(x)
        return features


def _can_be_written_out(x: torch.Tensor) -> bool:
    n, _, height, width = x.shape
    last = n * -(-height // 2) * -(-width // 2)  # values a channel in the last layers
    return last > 1 and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


def _weights(backbone: MoCoBackbone) -> list[torch.Tensor | None]:
    """Return weight and bias of each convolution, and of the BatchNorm after it."""
    parts = [getattr(backbone, f"{name}{i}") for i in _LAYERS for name in ("conv", "bn")]
    return [weight for part in parts for weight in (part.weight, part.bias)]


class _Backbone(torch.autograd.Function):
    """`MoCoBackbone` in training mode, the running statistics of its BatchNorms included."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, backbone: MoCoBackbone, *weights: torch.Tensor
    ) -> torch.Tensor:
        saved = []
        for i in _LAYERS:
            kernel, bias, scale, shift = weights[4 * i - 4 : 4 * i]
            bn = getattr(backbone, f"bn{i}")
            convolved = conv2d(x, kernel, bias, stride=_STRIDES[i], padding=1)
            h, mean, inverse_std = torch.native_batch_norm(
                convolved, scale, shift, bn.running_mean, bn.running_var, True, bn.momentum, bn.eps
            )
            bn.num_batches_tracked.add_(1)
            h.relu_()
            saved += [x, kernel, convolved, scale, mean, inverse_std, h]
            x = x + h if i in _RESIDUAL else h
        ctx.save_for_backward(*saved)
        ctx.eps = [getattr(backbone, f"bn{i}").eps for i in _LAYERS]
        return x.mean(dim=(2, 3))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        saved = ctx.saved_tensors
        _, _, height, width = saved[-1].shape
        gradient = (gradient / (height * width))[:, :, None, None].expand_as(saved[-1])
        gradients: list[torch.Tensor | None] = []
        for i in reversed(_LAYERS):
            x, kernel, convolved, scale, mean, inverse_std, h = saved[7 * i - 7 : 7 * i]
            of_h = torch.ops.aten.threshold_backward(gradient, h, 0)  # ReLU
            of_convolved, of_scale, of_shift = torch.ops.aten.native_batch_norm_backward(
                of_h, convolved, scale, None, None, mean, inverse_std, True, ctx.eps[i - 1],
                (True, True, True),
            )  # fmt: skip
            of_x, of_kernel, _ = torch.ops.aten.convolution_backward(
                of_convolved, x, kernel, None, (_STRIDES[i],) * 2, (1, 1), (1, 1), False, (0, 0), 1,
                (i > 1 or ctx.needs_input_grad[0], True, False),
            )  # fmt: skip
            gradients = [of_kernel, torch.zeros_like(of_shift), of_scale, of_shift, *gradients]
            if i in _RESIDUAL:
                of_x.add_(gradient)
            gradient = of_x
        return (gradient, None, *gradients)
