"""Classification heads: features ``(B, D)`` in, logits ``(B, n_classes)`` out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from edaphos_bridge.basics.memory import check_memory

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


def make_head(
    head_type: str, in_features: int, n_classes: int, hidden: Sequence[int], dropout: float
) -> LinearHead | MLPHead:
    """Return an untrained head of type "linear" or "mlp" with torch's default initialisation.

    Raises
    ------
    InputError
        As `check_hidden`.
    """
    if head_type == "linear":
        return LinearHead(in_features, n_classes)
    check_hidden(hidden, in_features, n_classes)
    return MLPHead(in_features, n_classes, hidden, dropout)


def check_hidden(hidden: Sequence[int], in_features: int = 1, n_classes: int = 1) -> None:
    """Raise `InputError` if no memory could hold the weights of an MLP and what Adam keeps."""
    widths = [in_features, *hidden, n_classes]
    weights = sum(wide * next_one for wide, next_one in pairwise(widths))
    check_memory("hidden", weights * _BYTES_IN_TRAINING, list(hidden))
