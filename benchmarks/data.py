"""What is measured on: sizes, and random patches, labels and encoders, all from fixed seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge import foundation_encoder
from edaphos_bridge.basics.seeding import Randomness

Make = Callable[[], nn.Module]


@dataclass(frozen=True)
class Sizes:
    """Numbers of patches, epochs, steps and runs."""

    n: int = 500
    cached: int = 50_000
    swept: int = 4_000
    predicted: int = 20_000
    converted: int = 4_000
    probe_epochs: int = 40
    head_epochs: int = 3
    sweep_epochs: int = 10
    fine_tune_epochs: int = 5
    moco_batch: int = 64
    mapped: int = 128
    scene_rows: int = 352
    scene_epochs: int = 10
    moco_steps: int = 10
    runs: int = 9
    short_runs: int = 15  # where a run takes less than two seconds
    many_runs: int = 45  # where pairs of processes differ much
    apart: bool = True  # reference and ours in processes of their own


FULL = Sizes()
QUICK = Sizes(
    mapped=64,
    scene_rows=8,
    scene_epochs=1,
    cached=5_000,
    swept=500,
    predicted=1_000,
    converted=500,
    probe_epochs=10,
    head_epochs=1,
    sweep_epochs=2,
    fine_tune_epochs=1,
    moco_steps=3,
    runs=2,
    short_runs=2,
    many_runs=2,
)
TINY = Sizes(
    mapped=24,
    scene_rows=17,
    scene_epochs=1,
    n=40,
    cached=200,
    swept=50,
    predicted=20,
    converted=10,
    probe_epochs=2,
    head_epochs=2,
    sweep_epochs=2,
    fine_tune_epochs=2,
    moco_batch=4,
    moco_steps=1,
    runs=1,
    short_runs=1,
    many_runs=1,
    apart=False,
)

CLASSES = ("Inceptisol", "Oxisol", "Ultisol")


def patches(n: int, channels: int = 31, side: int = 16) -> NDArray[np.float32]:
    """Return standard normal float32 patches ``(n, channels, side, side)``, C-contiguous."""
    x = np.empty((n, channels, side, side), dtype=np.float32)
    np.random.default_rng(1).standard_normal(dtype=np.float32, out=x)
    return x


def features(n: int, width: int = 64) -> NDArray[np.float32]:
    """Return features as patches of one cell, ``(n, width, 1, 1)``: for `flatten`."""
    return patches(n, width, 1)


def as_r_has_it(n: int) -> NDArray[np.float64]:
    """Return float64 patches ``(n, 31, 16, 16)`` in R's memory order."""
    flat = np.random.default_rng(1).standard_normal(n * 31 * 16 * 16)
    return flat.reshape((n, 31, 16, 16), order="F")


def labels(n: int) -> list[str]:
    """Return `n` labels of three classes, drawn evenly."""
    codes = np.random.default_rng(2).integers(0, len(CLASSES), size=n)
    return [CLASSES[code] for code in codes]


def masks(n: int, side: int = 16) -> NDArray[np.int64]:
    """Return masks ``(n, side, side)`` of three classes, drawn evenly."""
    return np.random.default_rng(3).integers(0, len(CLASSES), size=(n, side, side))


def flatten() -> nn.Module:
    """Return the encoder that hands features on as they are."""
    return nn.Flatten()


def moco() -> nn.Module:
    """Return an untrained MoCo encoder, 31 channels, feature_dim 64."""
    return foundation_encoder("moco", 31, seed=1)


def simclr() -> nn.Module:
    """Return an untrained SimCLR encoder with edaphos' own widths."""
    return foundation_encoder("simclr", 31, seed=1)


def xresnet() -> nn.Module:
    """Return an untrained XResNet-18 for patches of 16 x 16 cells, 128 features."""
    return foundation_encoder("xresnet18", 31, width=16, stem="small", seed=1)


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
FINE_TUNED = {**OUR_ENCODERS, "XResNet-18": xresnet}
ENCODERS = {**OUR_ENCODERS, "a user's own class": of_a_user}


def problem(
    make: Callable[[], nn.Module], n: int
) -> tuple[nn.Module, NDArray[np.float32], list[str]]:
    """Return an encoder, `n` patches that it reads (features for `flatten`) and their labels."""
    return make(), features(n) if make is flatten else patches(n), labels(n)


def masked_problem(make: Make, n: int) -> tuple[nn.Module, NDArray[np.float32], NDArray[np.int64]]:
    """Return an encoder, patches and masks."""
    return make(), patches(n), masks(n)
