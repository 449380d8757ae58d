"""The references: the same arithmetic as a straightforward loop in torch.

Rows, initial head and permutations are drawn from the seed in the order that docs/design.md
states (split, head, a permutation an epoch), so that results can be compared with ours number
for number. Patches are float32 arrays; they are moved to the device once.
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

from benchmarks.data import CLASSES

Array = NDArray[np.floating[Any]]
MakeHead = Callable[[int], nn.Module]


@dataclass(frozen=True)
class PlainFit:
    """Trained modules in eval mode, and a value an epoch."""

    encoder: nn.Module
    head: nn.Module
    losses: list[float]
    accuracies: list[float]


def linear_head(feature_dim: int) -> nn.Module:
    """Return a new linear head."""
    return nn.Linear(feature_dim, len(CLASSES))


def mlp_head(feature_dim: int) -> nn.Module:
    """Return a new MLP of hidden widths 64 and 32."""
    return nn.Sequential(
        nn.Linear(feature_dim, 64),
        nn.ReLU(),
        nn.Linear(64, 32),
        nn.ReLU(),
        nn.Linear(32, len(CLASSES)),
    )


def probe_encoding_every_epoch(
    encoder: nn.Module, x: Array, y: list[str], *, epochs: int, device: str = "cpu"
) -> PlainFit:
    """Train a linear head on a frozen encoder that runs again for every batch."""
    encoder = copy.deepcopy(encoder).to(device).eval().requires_grad_(False)

    def logits(head: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        return head(encoder(inputs))

    inputs = torch.from_numpy(x).to(device)
    return _train(encoder, logits, inputs, y, linear_head, epochs=epochs)


def head_on_cached_features(
    features: Array, y: list[str], *, epochs: int, make_head: MakeHead, device: str = "cpu"
) -> PlainFit:
    """Train a head on features ``(N, D, 1, 1)``: autograd and `torch.optim.Adam`."""
    inputs = torch.from_numpy(features).flatten(1).to(device)
    return _train(nn.Identity(), lambda head, x: head(x), inputs, y, make_head, epochs=epochs)


def fine_tuning(
    encoder: nn.Module, x: Array, y: list[str], *, epochs: int, device: str = "cpu"
) -> PlainFit:
    """Train encoder and head together, the encoder at a tenth of the head's rate."""
    encoder = copy.deepcopy(encoder).to(device)

    def logits(head: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        return head(encoder(inputs))

    inputs = torch.from_numpy(x).to(device)
    return _train(encoder, logits, inputs, y, linear_head, epochs=epochs, fine_tune=True)


def encoder_pass(encoder: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return features in inference mode, in batches of 256: the least that a probe can cost."""
    encoder.eval()
    with torch.inference_mode():
        return torch.cat([encoder(batch) for batch in x.split(256)])


def predict(encoder: nn.Module, head: nn.Module, x: Array, device: str = "cpu") -> Array:
    """Return class probabilities: the raw eager forward in inference mode, batches of 256."""
    encoder.eval()
    with torch.inference_mode():
        parts = [
            head(encoder(batch.to(device))).softmax(dim=1).cpu()
            for batch in torch.from_numpy(x).split(256)
        ]
    return torch.cat(parts).numpy()


def _train(
    encoder: nn.Module,
    logits: Callable[[nn.Module, torch.Tensor], torch.Tensor],
    inputs: torch.Tensor,
    y: list[str],
    make_head: MakeHead,
    *,
    epochs: int,
    fine_tune: bool = False,
) -> PlainFit:
    """Train as edaphos does: batches of 32, Adam at 1e-3, a fifth of the rows for validation."""
    device = inputs.device
    codes = {name: code for code, name in enumerate(sorted(CLASSES))}
    targets = torch.tensor([codes[name] for name in y]).to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        n = len(inputs)
        val_rows = torch.randperm(n)[: max(1, int(0.2 * n))]
        train_rows = torch.tensor(sorted(set(range(n)) - set(val_rows.tolist()))).to(device)
        val_rows = val_rows.to(device)
        with torch.no_grad():
            encoder.eval()
            feature_dim = encoder(inputs[:1]).shape[1]
        head = make_head(feature_dim).to(device, inputs.dtype)
        groups = [{"params": list(head.parameters()), "lr": 1e-3}]
        if fine_tune:
            groups.append({"params": list(encoder.parameters()), "lr": 1e-4})
        optimizer = torch.optim.Adam(groups)
        losses, accuracies = [], []
        for _ in range(epochs):
            head.train()
            encoder.train(fine_tune)
            order = train_rows[torch.randperm(len(train_rows)).to(device)]
            total, batches = 0.0, 0
            for rows in order.split(32):
                loss = functional.cross_entropy(logits(head, inputs[rows]), targets[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total, batches = total + loss.item(), batches + 1
            losses.append(total / batches)
            head.eval()
            encoder.eval()
            with torch.no_grad():
                correct = [
                    (logits(head, inputs[rows]).argmax(dim=1) == targets[rows]).sum().item()
                    for rows in val_rows.split(256)
                ]
            accuracies.append(sum(correct) / len(val_rows))
    return PlainFit(encoder, head, losses, accuracies)
