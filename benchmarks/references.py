"""The references as jobs for processes of their own, without what using ours sets up there.

Imports nothing of ours but encoders and heads.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from benchmarks import data, plain_loop
from benchmarks.timing import Run


def plain_probe(n: int, epochs: int, device: str) -> Run:
    """Prepare the loop that re-encodes."""
    encoder, x, y = data.moco(), data.patches(n), data.labels(n)
    return lambda: plain_loop.probe_encoding_every_epoch(
        encoder, x, y, epochs=epochs, device=device
    )


def encoder_pass(n: int, device: str) -> Run:
    """Prepare one pass over patches that are on the device already."""
    encoder, x = data.moco().to(device), torch.from_numpy(data.patches(n)).to(device)
    return lambda: plain_loop.encoder_pass(encoder, x)


def plain_head(head: str, n: int, epochs: int, device: str) -> Run:
    """Prepare the plain loop of a head."""
    x, y = data.features(n), data.labels(n)
    make_head = {"linear": plain_loop.linear_head, "mlp": plain_loop.mlp_head}[head]
    return lambda: plain_loop.head_on_cached_features(
        x, y, epochs=epochs, make_head=make_head, device=device
    )


def plain_fine_tuning(
    make: Callable[[], nn.Module],
    n: int,
    epochs: int,
    device: str,
    dtype: torch.dtype = torch.float32,
) -> Run:
    """Prepare the plain loop over encoder and head."""
    encoder, y = make().to(dtype), data.labels(n)
    x = torch.from_numpy(data.patches(n)).to(dtype).numpy()
    return lambda: plain_loop.fine_tuning(encoder, x, y, epochs=epochs, device=device)


def eager(encoder: nn.Module, head: nn.Module, n: int, device: str) -> Run:
    """Prepare the reference."""
    encoder, head, x = encoder.to(device), head.to(device), data.patches(n)
    return lambda: plain_loop.predict(encoder, head, x, device)
