"""Fine-tuning with every kernel of torch called directly: how fast a loop over them can be.

It trains MoCo's backbone and a linear head as `plain_loop.fine_tuning` does, on the cpu and
channels last, with no autograd, no modules, one call of Adam's kernel for each learning rate,
and nothing checked or copied. Gradients are written out; BatchNorm is folded for validation.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.functional import conv2d
from torch.nn.utils.fusion import fuse_conv_bn_weights

from benchmarks import plain_loop
from benchmarks.data import CLASSES

aten = torch.ops.aten
STRIDES = (1, 1, 2, 1, 1)
RESIDUAL = (1, 3)  # convolutions, from 0, whose output is added to their input
BATCH = 32


@torch.no_grad()
def fine_tuning(
    encoder: nn.Module, x: plain_loop.Array, y: list[str], *, epochs: int
) -> list[float]:
    """Return the loss of each epoch."""
    backbone = copy.deepcopy(encoder).train().backbone
    norms = [getattr(backbone, f"bn{i}") for i in range(1, 6)]
    weights = _few_tensors(list(backbone.parameters()))
    parameters = [parameter.detach() for parameter in backbone.parameters()]
    # In memory a patch is one piece, channels last.
    patches = torch.from_numpy(x).movedim(1, -1).contiguous()
    codes = {name: code for code, name in enumerate(sorted(CLASSES))}
    targets = torch.tensor([codes[name] for name in y])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        held_out = torch.zeros(len(x), dtype=torch.bool)
        val_rows = torch.randperm(len(x))[: max(1, int(0.2 * len(x)))]
        held_out[val_rows] = True
        train_rows = torch.nonzero(~held_out).flatten()
        head = plain_loop.linear_head(norms[-1].num_features)
        head_weight, head_bias = head.weight.detach(), head.bias.detach()
        update_head = _adam([head_weight, head_bias], 1e-3)
        update_backbone = _adam(weights, 1e-4)
        means = []
        for _ in range(epochs):
            losses = []
            for rows in train_rows[torch.randperm(len(train_rows))].split(BATCH):
                batch = patches.index_select(0, rows).movedim(-1, 1)
                target = targets.index_select(0, rows)[:, None]
                features, saved = _forward(batch, parameters, norms)
                log_p = torch.addmm(head_bias, features, head_weight.t()).log_softmax(dim=1)
                losses.append(log_p.gather(1, target).mean())
                delta = log_p.exp_().scatter_add_(1, target, log_p.new_full(target.shape, -1.0))
                delta.div_(len(rows))
                of_weights = _backward(delta @ head_weight, saved, parameters, norms)
                update_head([delta.t() @ features, delta.sum(dim=0)])
                update_backbone(of_weights)
            means.append(-torch.stack(losses).mean().item())
            layers = [_folded(*parameters[4 * i : 4 * i + 2], norms[i]) for i in range(5)]
            batch = patches.index_select(0, val_rows).movedim(-1, 1)
            logits = torch.addmm(head_bias, _features(batch, layers), head_weight.t())
            (logits.argmax(dim=1) == targets[val_rows]).sum().item()
    return means


def _few_tensors(parameters: list[nn.Parameter]) -> list[torch.Tensor]:
    """Lay kernels channels last, move all else into one vector, and return these tensors."""
    kernels = [tensor for tensor in parameters if tensor.ndim == 4]
    others = [tensor for tensor in parameters if tensor.ndim == 1]
    for kernel in kernels:
        kernel.data = kernel.detach().contiguous(memory_format=torch.channels_last)
    vector = torch.cat([other.detach() for other in others])
    for other, part in zip(others, vector.split([len(o) for o in others]), strict=True):
        other.data = part
    return [*(kernel.detach() for kernel in kernels), vector]


def _adam(tensors: list[torch.Tensor], lr: float) -> Callable[[list[torch.Tensor]], None]:
    """Return what takes a step along gradients."""
    moments = [[torch.zeros_like(tensor) for tensor in tensors] for _ in range(2)]
    steps = torch.zeros(())

    def update(gradients: list[torch.Tensor]) -> None:
        torch._fused_adam_(
            tensors, gradients, *moments, [], [steps.add_(1)] * len(tensors), lr=lr, beta1=0.9,
            beta2=0.999, weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False,
        )  # fmt: skip

    return update


def _forward(
    x: torch.Tensor, weights: list[torch.Tensor], norms: list[nn.BatchNorm2d]
) -> tuple[torch.Tensor, list[tuple[torch.Tensor, ...]]]:
    saved = []
    for i, bn in enumerate(norms):
        kernel, bias, scale, shift = weights[4 * i : 4 * i + 4]
        convolved = conv2d(x, kernel, bias, STRIDES[i], 1)
        h, mean, inverse_std = torch.native_batch_norm(
            convolved, scale, shift, bn.running_mean, bn.running_var, True, bn.momentum, bn.eps
        )
        h.relu_()
        saved.append((x, convolved, mean, inverse_std, h))
        x = x + h if i in RESIDUAL else h
    return x.mean(dim=(2, 3)), saved


def _backward(
    gradient: torch.Tensor,
    saved: list[tuple[torch.Tensor, ...]],
    weights: list[torch.Tensor],
    norms: list[nn.BatchNorm2d],
) -> list[torch.Tensor]:
    last = saved[-1][-1]
    gradient = (gradient / (last.shape[2] * last.shape[3]))[:, :, None, None].expand_as(last)
    of_kernels: list[torch.Tensor] = []
    of_others: list[torch.Tensor] = []
    for i in reversed(range(5)):
        x, convolved, mean, inverse_std, h = saved.pop()
        kernel, bias, scale, _ = weights[4 * i : 4 * i + 4]
        of_convolved, of_scale, of_shift = aten.native_batch_norm_backward(
            aten.threshold_backward.grad_input(gradient, h, 0, grad_input=h), convolved, scale,
            None, None, mean, inverse_std, True, norms[i].eps, (True, True, True),
        )  # fmt: skip
        of_x, of_kernel, _ = aten.convolution_backward(
            of_convolved, x, kernel, None, (STRIDES[i],) * 2, (1, 1), (1, 1), False, (0, 0), 1,
            (i > 0, True, False),
        )  # fmt: skip
        of_kernels = [of_kernel, *of_kernels]
        of_others = [torch.zeros_like(bias), of_scale, of_shift, *of_others]
        if i in RESIDUAL:
            of_x.add_(gradient)
        gradient = of_x
    return [*of_kernels, torch.cat(of_others)]


def _folded(
    kernel: torch.Tensor, bias: torch.Tensor, bn: nn.BatchNorm2d
) -> tuple[torch.Tensor, torch.Tensor]:
    assert bn.running_mean is not None
    assert bn.running_var is not None
    kernel, bias = fuse_conv_bn_weights(
        kernel, bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return kernel.contiguous(memory_format=torch.channels_last), bias


def _features(x: torch.Tensor, layers: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    for i, (kernel, bias) in enumerate(layers):
        h = conv2d(x, kernel, bias, STRIDES[i], 1).relu_()
        x = x + h if i in RESIDUAL else h
    return x.mean(dim=(2, 3))
