"""Heads: features ``(B, D)`` in, outputs ``(B, n_outputs)`` of a task out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from edaphos_bridge.basics.memory import check_memory
from edaphos_bridge.heads.own_module import own_module

HEADS = ("linear", "mlp", "concat_pool")
CUSTOM = "custom"
POOLED_MAPS = "pooled maps"

_BYTES_IN_TRAINING = 16  # a weight, its gradient and two means, in float32


class LinearHead(nn.Linear):
    """One linear layer, the linear probe of He, Girshick and Dollar (2019)."""


class MLPHead(nn.Sequential):
    """For each hidden width Linear, ReLU, Dropout (only if ``dropout > 0``); then Linear."""

    def __init__(
        self, in_features: int, n_classes: int, hidden: Sequence[int], dropout: float
    ) -> None:
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [nn.Linear(in_features, width), nn.ReLU()]
            if dropout > 0:
                layers.append(nn.Dropout(dropout))
            in_features = width
        super().__init__(*layers, nn.Linear(in_features, n_classes))


class ConcatPoolHead(nn.Sequential):
    """fastai's head: maxima and means of the encoder's maps, then blocks of layers.

    For each width but the last BatchNorm, Dropout (if its probability is not 0), Linear without
    bias and ReLU; then the same without ReLU. The first width is 2 * D, what the pooling gives.

    References
    ----------
    fastai 2.8, ``create_head``; Howard and Gugger (2020).
    """

    reads = POOLED_MAPS

    def __init__(
        self,
        in_features: int,
        n_outputs: int,
        hidden: Sequence[int],
        dropout: float | Sequence[float],
    ) -> None:
        sizes = [2 * in_features, *hidden, n_outputs]
        layers: list[nn.Module] = [nn.Identity(), nn.Identity()]  # fastai's pooling and flattening
        shares = dropouts_of(dropout, len(sizes) - 1)
        for number, ((wide, next_one), p) in enumerate(zip(pairwise(sizes), shares, strict=True)):
            layers.append(nn.BatchNorm1d(wide))
            if p > 0:
                layers.append(nn.Dropout(p))
            linear = nn.Linear(wide, next_one, bias=False)
            nn.init.kaiming_normal_(linear.weight)
            layers.append(linear)
            if number < len(hidden):
                layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


def dropouts_of(dropout: float | Sequence[float], layers: int) -> list[float]:
    """Return a probability for each layer of a `ConcatPoolHead`: half of one but for the last."""
    if isinstance(dropout, Sequence):
        return list(dropout)
    return [dropout / 2] * (layers - 1) + [dropout]


def reads_of(head: nn.Module) -> str:
    """Return what a head takes of an encoder: features, pooled maps, or maps for a decoder."""
    return str(getattr(head, "reads", "features"))


def make_head(
    head_type: str,
    in_features: int,
    n_outputs: int,
    hidden: Sequence[int],
    dropout: float | Sequence[float],
) -> nn.Module:
    """Return an untrained head of a type in `HEADS` with its usual initialisation.

    Raises
    ------
    InputError
        As `check_hidden`.
    """
    if head_type == "linear":
        return LinearHead(in_features, n_outputs)
    check_hidden(hidden, in_features, n_outputs)
    if head_type == "concat_pool":
        return ConcatPoolHead(in_features, n_outputs, hidden, dropout)
    assert not isinstance(dropout, Sequence)
    return MLPHead(in_features, n_outputs, hidden, dropout)


def own_head(given: Any, width: int, n_outputs: int) -> nn.Module:
    """Return a head of the user's: a copy of a module, or what a factory makes.

    Parameters
    ----------
    given : torch.nn.Module or callable
        The callable is given `width` and `n_outputs`.

    Raises
    ------
    InputError
        If it does not map ``(B, width)`` to ``(B, n_outputs)``, or fails.
    """
    return own_module(
        "head",
        given,
        (width, n_outputs),
        lambda device: torch.zeros(2, width, device=device),
        [2, n_outputs],
        f"features of shape [2, {width}]",
    )


def check_hidden(hidden: Sequence[int], in_features: int = 1, n_classes: int = 1) -> None:
    """Raise `InputError` if no memory could hold the weights of an MLP and what Adam keeps."""
    widths = [in_features, *hidden, n_classes]
    weights = sum(wide * next_one for wide, next_one in pairwise(widths))
    check_memory("hidden", weights * _BYTES_IN_TRAINING, list(hidden))
