"""The data of the measurements: random patches, labels and encoders, all from fixed seeds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge import foundation_encoder
from edaphos_bridge.seeding import Randomness

CLASSES = ("Inceptisol", "Oxisol", "Ultisol")


def patches(n: int, channels: int = 31, side: int = 16) -> NDArray[np.float32]:
    """Return standard normal float32 patches ``(n, channels, side, side)``, C-contiguous."""
    x = np.empty((n, channels, side, side), dtype=np.float32)
    np.random.default_rng(1).standard_normal(dtype=np.float32, out=x)
    return x


def features(n: int, width: int = 64) -> NDArray[np.float32]:
    """Return features as patches of one cell, ``(n, width, 1, 1)``: for `flatten`."""
    return patches(n, width, 1)


def labels(n: int) -> list[str]:
    """Return `n` labels of three classes, drawn evenly."""
    codes = np.random.default_rng(2).integers(0, len(CLASSES), size=n)
    return [CLASSES[code] for code in codes]


def flatten() -> nn.Module:
    """Return the encoder that hands features on as they are."""
    return nn.Flatten()


def moco() -> nn.Module:
    """Return an untrained MoCo encoder, 31 channels, feature_dim 64."""
    return foundation_encoder("moco", 31, seed=1)


def simclr() -> nn.Module:
    """Return an untrained SimCLR encoder with edaphos' own widths."""
    return foundation_encoder("simclr", 31, seed=1)


class Residual(nn.Module):
    """Two convolutions around a shortcut, as a user would write them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output, of the input's shape."""
        return self.relu(x + self.body(x))


class Encoder(nn.Module):
    """A small residual network in a class of a user's own: only its code knows what it does."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Conv2d(31, 32, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            Residual(32),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the features."""
        features: torch.Tensor = self.network(x)
        return features


def of_a_user() -> nn.Module:
    """Return that network."""
    with Randomness(1).everywhere():
        return Encoder()


OUR_ENCODERS: dict[str, Callable[[], nn.Module]] = {"MoCo": moco, "SimCLR": simclr}
ENCODERS = {**OUR_ENCODERS, "a user's own class": of_a_user}
