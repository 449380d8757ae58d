"""Digests that tell modules from each other: their layers, how these are set, and their weights."""

from __future__ import annotations

import hashlib
import re

import torch
from torch import nn

from edaphos_bridge.data.orientation import TRANSPOSED, orientation_of


def layers_of(module: nn.Module) -> str:
    """Return what a module's parts are and how they are set, which their weights do not tell."""
    parts = [
        f"{name}: {type(part).__qualname__}({part.extra_repr()})"
        for name, part in module.named_modules()
    ]
    return re.sub("0x[0-9a-f]+", "", "\n".join(parts))  # places in memory


def seen_turned(module: nn.Module) -> str:
    """Return what tells an encoder of transposed patches from one of others; "" of those."""
    return TRANSPOSED if orientation_of(module) == TRANSPOSED else ""


def digest_of_module(module: nn.Module) -> str:
    """Return 16 digits, equal for modules of one class with equal layers, weights and patches."""
    kind = f"{type(module).__module__}.{type(module).__qualname__}"
    digest = hashlib.sha256(f"{kind} {layers_of(module)}{seen_turned(module)}".encode())
    for name, tensor in module.state_dict().items():
        if isinstance(tensor, torch.Tensor):
            values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(values.numpy().data)
    return digest.hexdigest()[:16]
