"""Encoders for prediction: the same features in eval mode, with fewer passes over memory."""

from __future__ import annotations

from typing import TypeGuard, TypeVar

import torch
from torch import nn
from torch.nn.functional import conv2d
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_conv_bn_weights

from edaphos_bridge.encoders.known_modules import has_other_code, is_as_built
from edaphos_bridge.encoders.moco import MoCoBackbone, MoCoEncoder
from edaphos_bridge.encoders.simclr import SimCLREncoder

_Layer = TypeVar("_Layer", bound=nn.Module)


def folded(module: nn.Module) -> nn.Module:
    """Return a module with the features of `module` in eval mode, faster where that is known.

    Encoders of ours compute channels last, and for MoCo every BatchNorm is folded into the
    convolution before it; features agree within 1e-6 of the largest. So do those of an
    `nn.Sequential`, where one of torch's layers follows the other. Any other module is
    returned as it is. `module` is not changed.
    """
    if not is_as_built(module):
        return _folded_sequence(module)
    if isinstance(module, MoCoEncoder):
        return FoldedBackbone(module.backbone).eval()
    assert isinstance(module, SimCLREncoder)
    return ChannelsLast(module).eval()


def _folded_sequence(module: nn.Module) -> nn.Module:
    """Return an `nn.Sequential` with fewer passes over what its convolutions give.

    A BatchNorm after one is folded into it; a ReLU after one writes to the same memory, which
    nothing else sees.
    """
    if type(module) is not nn.Sequential or has_other_code(module):
        return module
    layers: list[nn.Module] = []
    for layer in map(_folded_sequence, module):
        before = layers[-1] if layers else layer
        if _is(before, nn.Conv2d) and _is(layer, nn.BatchNorm2d) and _foldable(before, layer):
            layers[-1] = fuse_conv_bn_eval(before, layer)
        elif _is(before, nn.Conv2d) and _is(layer, nn.ReLU):
            layers.append(nn.ReLU(inplace=True))
        else:
            layers.append(layer)
    return nn.Sequential(*layers)


def _is(layer: nn.Module, kind: type[_Layer]) -> TypeGuard[_Layer]:
    """Return whether calling `layer` is calling torch's own code of that class."""
    return type(layer) is kind and not has_other_code(layer)


def _foldable(conv: nn.Conv2d, bn: nn.BatchNorm2d) -> bool:
    """Return whether `bn` is the same linear map of every batch, in the precision of `conv`."""
    return (
        not bn.training
        and bn.running_mean is not None
        and bn.num_features == conv.out_channels
        and bn.running_mean.dtype == conv.weight.dtype
    )


class FoldedBackbone(nn.Module):
    """A `MoCoBackbone` in eval mode: convolutions with the BatchNorm after them folded in.

    Activations are laid out channels last, as the convolutions compute them.
    """

    def __init__(self, backbone: MoCoBackbone) -> None:
        super().__init__()
        self._layers = [
            _folded_weights(getattr(backbone, f"conv{i}"), getattr(backbone, f"bn{i}"))
            for i in range(1, 6)
        ]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(B, C, H, W)`` to features ``(B, feature_dim)``."""
        one, two, three, four, five = self._layers
        x = x.contiguous(memory_format=torch.channels_last)
        h = conv2d(x, *one, padding=1).relu_()
        h += conv2d(h, *two, padding=1).relu_()
        h = conv2d(h, *three, stride=2, padding=1).relu_()
        h += conv2d(h, *four, padding=1).relu_()
        return conv2d(h, *five, padding=1).relu_().mean(dim=(2, 3))


class ChannelsLast(nn.Module):
    """A `SimCLREncoder` in eval mode with its activations laid out channels last."""

    def __init__(self, encoder: SimCLREncoder) -> None:
        super().__init__()
        self._layers = [_weights(encoder.conv1), _weights(encoder.conv2)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(B, C, H, W)`` to features ``(B, feature_dim)``."""
        h = x.contiguous(memory_format=torch.channels_last)
        for weight, bias in self._layers:
            h = conv2d(h, weight, bias, padding=1).relu_()
        return h.mean(dim=(2, 3))


def _weights(conv: nn.Conv2d) -> tuple[torch.Tensor, torch.Tensor | None]:
    bias = None if conv.bias is None else conv.bias.detach()
    return conv.weight.detach().contiguous(memory_format=torch.channels_last), bias


def _folded_weights(conv: nn.Conv2d, bn: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    assert bn.running_mean is not None and bn.running_var is not None  # noqa: PT018
    weight, bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return weight.detach().contiguous(memory_format=torch.channels_last), bias.detach()
