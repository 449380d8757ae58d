"""The references: the same arithmetic as a straightforward loop in torch.

Each function prepares a job for a process of its own and imports nothing of ours but encoders
and heads: what using ours sets up is not there. Rows, initial head and permutations are drawn
from the seed in the order that docs/design.md states (split, head, a permutation an epoch), so
that results can be compared with ours number for number. Patches are float32 arrays; they are
moved to the device once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from benchmarks import data
from benchmarks.timing import Run

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class PlainFit:
    """Trained modules in eval mode, and a value an epoch."""

    encoder: nn.Module | None
    head: nn.Module
    losses: list[float]
    accuracies: list[float]


def probe(n: int, epochs: int, device: str) -> Run:
    """Train a linear head on a frozen encoder that runs again for every batch."""
    encoder, x, y = data.problem(data.moco, n)

    def run() -> PlainFit:
        frozen = copy.deepcopy(encoder).to(device).eval().requires_grad_(False)
        return _train(frozen, torch.from_numpy(x).to(device), y, "linear", epochs)

    return run


def cached_head(head: str, n: int, epochs: int, device: str) -> Run:
    """Train a head on features: autograd and `torch.optim.Adam`."""
    _, x, y = data.problem(data.flatten, n)
    return lambda: _train(None, torch.from_numpy(x).flatten(1).to(device), y, head, epochs)


def fine_tuning(
    make: Callable[[], nn.Module],
    n: int,
    epochs: int,
    device: str,
    dtype: torch.dtype = torch.float32,
) -> Run:
    """Train encoder and head together, the encoder at a tenth of the head's rate."""
    encoder, x, y = data.problem(make, n)
    encoder, inputs = encoder.to(dtype), torch.from_numpy(x).to(dtype)

    def run() -> PlainFit:
        tuned = copy.deepcopy(encoder).to(device)
        return _train(tuned, inputs.to(device), y, "linear", epochs, fine_tune=True)

    return run


def encoder_pass(n: int, device: str) -> Run:
    """Return features in inference mode, in batches of 256: the least that a probe can cost.

    The patches are on the device already.
    """
    encoder, x = data.moco().to(device).eval(), torch.from_numpy(data.patches(n)).to(device)

    def run() -> torch.Tensor:
        with torch.inference_mode():
            return torch.cat([encoder(batch) for batch in x.split(256)])

    return run


def prediction(encoder: nn.Module, head: nn.Module, n: int, device: str) -> Run:
    """Do what `predict` does."""
    encoder, head, x = encoder.to(device), head.to(device), data.patches(n)
    return lambda: predict(encoder, head, x, device)


def predict(encoder: nn.Module, head: nn.Module, x: Array, device: str = "cpu") -> Array:
    """Return class probabilities: the raw eager forward in inference mode, batches of 256."""
    encoder.eval()
    with torch.inference_mode():
        parts = [
            head(encoder(batch.to(device))).softmax(dim=1).cpu()
            for batch in torch.from_numpy(x).split(256)
        ]
    return torch.cat(parts).numpy()


def _head(head: str, feature_dim: int) -> nn.Module:
    """Return a new linear head, or a new MLP of hidden widths 64 and 32."""
    classes = len(data.CLASSES)
    if head == "linear":
        return nn.Linear(feature_dim, classes)
    hidden = nn.Linear(feature_dim, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU()
    return nn.Sequential(*hidden, nn.Linear(32, classes))


def _train(
    encoder: nn.Module | None,
    inputs: torch.Tensor,
    y: list[str],
    head_type: str,
    epochs: int,
    *,
    fine_tune: bool = False,
) -> PlainFit:
    """Train as edaphos does: batches of 32, Adam at 1e-3, a fifth of the rows for validation."""
    device = inputs.device
    codes = {name: code for code, name in enumerate(sorted(data.CLASSES))}
    targets = torch.tensor([codes[name] for name in y]).to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        n = len(inputs)
        val_rows = torch.randperm(n)[: max(1, int(0.2 * n))]
        train_rows = torch.tensor(sorted(set(range(n)) - set(val_rows.tolist()))).to(device)
        val_rows = val_rows.to(device)
        with torch.no_grad():
            few = inputs[:1] if encoder is None else encoder.eval()(inputs[:1])
        head = _head(head_type, few.shape[1]).to(device, inputs.dtype)
        model = head if encoder is None else nn.Sequential(encoder, head)
        groups = [{"params": list(head.parameters()), "lr": 1e-3}]
        if fine_tune and encoder is not None:
            groups.append({"params": list(encoder.parameters()), "lr": 1e-4})
        optimizer = torch.optim.Adam(groups)
        losses, accuracies = [], []
        for _ in range(epochs):
            head.train()
            if fine_tune:
                model.train()
            order = train_rows[torch.randperm(len(train_rows)).to(device)]
            total, batches = 0.0, 0
            for rows in order.split(32):
                loss = functional.cross_entropy(model(inputs[rows]), targets[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total, batches = total + loss.item(), batches + 1
            losses.append(total / batches)
            model.eval()
            with torch.no_grad():
                correct = [
                    (model(inputs[rows]).argmax(dim=1) == targets[rows]).sum().item()
                    for rows in val_rows.split(256)
                ]
            accuracies.append(sum(correct) / len(val_rows))
    return PlainFit(encoder, head, losses, accuracies)
