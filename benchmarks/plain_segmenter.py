"""The references of segmenters: the same network and arithmetic as a plain loop in torch."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from benchmarks import data
from benchmarks.data import Make
from benchmarks.timing import Run
from edaphos_bridge.heads.decoder import MapShapes
from edaphos_bridge.heads.decoders import make_decoder


@dataclass(frozen=True)
class PlainSegmenter:
    """Trained modules in eval mode, and a loss an epoch."""

    encoder: nn.Module
    decoder: nn.Module
    losses: list[float]


def segmenter(
    make: Make,
    name: str,
    n: int,
    epochs: int,
    device: str,
    dtype: torch.dtype = torch.float32,
    *,
    fine_tune: bool,
) -> Run:
    """Train a decoder, and the encoder at a tenth of its rate or not at all.

    A frozen encoder runs again for every batch. The first weights are those of single precision,
    whatever the `dtype`.
    """
    encoder, x, masks = data.masked_problem(make, n)

    def run() -> PlainSegmenter:
        tuned = copy.deepcopy(encoder).to(device, dtype).requires_grad_(fine_tune)
        inputs = torch.from_numpy(x).to(device, dtype)
        targets = torch.from_numpy(masks).to(device)
        return _train(tuned, name, inputs, targets, epochs, fine_tune=fine_tune)

    return run


def _train(
    encoder: nn.Module,
    name: str,
    x: torch.Tensor,
    masks: torch.Tensor,
    epochs: int,
    *,
    fine_tune: bool,
) -> PlainSegmenter:
    """Train as edaphos does: batches of 32, Adam at 1e-3, a fifth of the rows for validation."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        n = len(x)
        val_rows = torch.randperm(n)[: max(1, int(0.2 * n))]
        train_rows = torch.tensor(sorted(set(range(n)) - set(val_rows.tolist())))
        with torch.no_grad():
            shapes = [h.shape[1:] for h in (x[:1], *encoder.eval().maps(x[:1]))]
        decoder = make_decoder(name, MapShapes.of(shapes), len(data.CLASSES)).to(x)
        groups = [{"params": list(decoder.parameters()), "lr": 1e-3}]
        if fine_tune:
            groups.append({"params": list(encoder.parameters()), "lr": 1e-4})
        optimizer = torch.optim.Adam(groups)
        losses = []
        for _ in range(epochs):
            decoder.train()
            encoder.train(fine_tune)
            order = train_rows[torch.randperm(len(train_rows))].to(x.device)
            total, batches = 0.0, 0
            for rows in order.split(32):
                outputs = _outputs(encoder, decoder, x[rows])
                loss = functional.cross_entropy(outputs, masks[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total, batches = total + loss.item(), batches + 1
            losses.append(total / batches)
            decoder.eval()
            encoder.eval()
            with torch.no_grad():
                for rows in val_rows.to(x.device).split(256):
                    predicted = _outputs(encoder, decoder, x[rows]).argmax(dim=1)
                    torch.bincount((masks[rows] * len(data.CLASSES) + predicted).flatten())
    return PlainSegmenter(encoder, decoder, losses)


def _outputs(encoder: nn.Module, decoder: nn.Module, x: torch.Tensor) -> torch.Tensor:
    outputs: torch.Tensor = decoder([x, *encoder.maps(x)])
    return outputs
