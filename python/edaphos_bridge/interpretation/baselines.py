"""Baselines that know nothing of an encoder, fitted on the training patches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.data.rows_at_once import rows_at_once
from edaphos_bridge.errors import InputError
from edaphos_bridge.training.lbfgs import logistic_path, standardised, warn_about_unfinished

N_FILTERS = 64
_RIDGE = 1.0

BESIDE_A_FIT = ("random_convolutions", "band_statistics")
"""Those that stand beside a fit that is looked at."""

Features = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Bands:
    """Mean and standard deviation of each band of the training patches, (1, C, 1, 1)."""

    mean: torch.Tensor
    sd: torch.Tensor


def band_statistics(x: torch.Tensor) -> torch.Tensor:
    """Return mean, standard deviation, minimum and maximum of each band, shape (B, 4 C)."""
    flat = x.double().flatten(2)
    parts = [flat.mean(2), flat.std(2, correction=0), flat.amin(2), flat.amax(2)]
    return torch.cat(parts, dim=1)


def pixels(x: torch.Tensor) -> torch.Tensor:
    """Return all cells, shape (B, C * H * W)."""
    return x.double().flatten(1)


def random_convolutions(bands: Bands, patch_size: list[int], seed: int) -> Features:
    """Return features of random convolutions: 64 filters, ReLU of both signs, mean over cells.

    Filters of 3 x 3 cells are drawn from a normal distribution, on bands of mean 0 and variance 1.

    References
    ----------
    Rolf, E. et al. (2021). A generalizable and accessible approach to machine learning with global
    satellite imagery. Nature Communications 12.
    """
    channels = bands.mean.shape[1]
    height, width = (min(3, cells) for cells in patch_size)
    generator = Randomness(seed).generator
    filters = torch.randn((N_FILTERS, channels, height, width), generator=generator)
    filters /= (channels * height * width) ** 0.5
    shift = torch.rand(N_FILTERS, generator=generator) * 2 - 1

    def features(x: torch.Tensor) -> torch.Tensor:
        maps = functional.conv2d((x - bands.mean) / bands.sd, filters, shift)
        both = torch.cat([maps.relu(), (-maps).relu()], dim=1)
        return both.mean(dim=(2, 3)).double()

    return features


def baseline_values(
    train: Patches,
    targets: NDArray[Any],
    x: Patches,
    n_classes: int | None,
    seed: int,
    names: Sequence[str] = BESIDE_A_FIT,
) -> dict[str, NDArray[np.float64]]:
    """Return what baselines predict for `x`, by name, shape (N, n_classes) or (N, T).

    Parameters
    ----------
    train, targets : Patches and numpy.ndarray
        What they learn from, as `learnt_values` has it.
    seed : int
        Of the random filters.
    names : sequence of {"pixels", "random_convolutions", "band_statistics"}
        Which ones. For "pixels" all patches are of one size.
    """
    if x.channels != train.channels:
        raise InputError(
            "train", f"must have patches of {x.channels} channels, as `x`", found=train.channels
        )
    smallest = [min(pair) for pair in zip(train.shape[2:], x.shape[2:], strict=True)]
    makers: dict[str, Callable[[], Features]] = {
        "pixels": lambda: pixels,
        "random_convolutions": lambda: random_convolutions(_bands_of(train), smallest, seed),
        "band_statistics": lambda: band_statistics,
    }
    features = {name: makers[name]() for name in names}
    return {
        name: learnt_values(_over(train, each), targets, _over(x, each), n_classes)
        for name, each in features.items()
    }


def learnt_values(
    known: torch.Tensor, targets: NDArray[Any], asked: torch.Tensor, n_classes: int | None
) -> NDArray[np.float64]:
    """Return what a linear model of standardised features predicts.

    Parameters
    ----------
    known, asked : torch.Tensor, shape (n, D) and (N, D), float64
        Features of what it learns from, by which they are standardised, and of what it predicts.
    targets : numpy.ndarray
        Class codes ``(n,)``, or numbers ``(n, T)``.
    n_classes : int or None
        None for numbers. Classes are learnt by logistic regression (C = 1), numbers by ridge
        regression (penalty 1).
    """
    learn = _logistic if n_classes else _ridge
    known, asked = standardised(known, asked)
    return learn(known, targets, asked, n_classes)


@torch.no_grad()
def _over(x: Patches, features: Features) -> torch.Tensor:
    return torch.cat([features(batch) for batch in x.batches(rows_at_once(x.shape))])


def _bands_of(x: Patches) -> Bands:
    n, total, squares = 0, torch.zeros(1), torch.zeros(1)
    for batch in x.batches(rows_at_once(x.shape)):
        cells = batch.double().transpose(0, 1).flatten(1)
        n += cells.shape[1]
        total = total + cells.sum(1)
        squares = squares + (cells**2).sum(1)
    mean = total / n
    sd = (squares / n - mean**2).clamp_min(0).sqrt()
    sd = torch.where(sd > 0, sd, torch.ones_like(sd))
    return Bands(mean.float()[None, :, None, None], sd.float()[None, :, None, None])


def _logistic(
    known: torch.Tensor, targets: NDArray[Any], asked: torch.Tensor, n_classes: int | None
) -> NDArray[np.float64]:
    assert n_classes is not None
    solution = logistic_path(known, torch.from_numpy(targets.astype(np.int64)), n_classes, [1.0])[0]
    warn_about_unfinished([] if solution.converged else [1.0])
    logits = asked @ solution.weight.double().T + solution.bias.double()
    return logits.softmax(dim=1).numpy()


def _ridge(
    known: torch.Tensor, targets: NDArray[Any], asked: torch.Tensor, n_classes: int | None
) -> NDArray[np.float64]:
    y = torch.from_numpy(targets)
    mean = y.mean(dim=0)
    penalty = _RIDGE * torch.eye(known.shape[1], dtype=torch.float64)
    weights = torch.linalg.solve(known.T @ known + penalty, known.T @ (y - mean))
    return (asked @ weights + mean).numpy()
