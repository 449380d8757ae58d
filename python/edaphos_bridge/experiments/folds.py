"""Folds of a scene's patches: what trains shares no pixel with what is tested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.arguments import whole
from edaphos_bridge.errors import InputError
from edaphos_bridge.experiments.blocks import near


@dataclass(frozen=True)
class Fold:
    """Positions among the patches of a scene of what is tested, and of what may train.

    `train` is labelled; `pretrain` is `train` and the unlabelled patches beside it.
    """

    test: NDArray[np.int64]
    train: NDArray[np.int64]
    pretrain: NDArray[np.int64]


def spatial_fold(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    tested: NDArray[np.bool_],
    labelled: NDArray[np.bool_],
    patch_size: int,
) -> Fold:
    """Return the fold that tests on some patches and trains on all that share no pixel with them.

    Parameters
    ----------
    rows, columns : numpy.ndarray, shape (N,)
        The central pixels of the patches.
    tested : numpy.ndarray, shape (N,)
        Whether a patch lies where the fold tests; of those, the labelled ones are tested.
    labelled : numpy.ndarray, shape (N,)
        Whether a patch has a label.
    patch_size : int
        Height and width of a patch, in pixels.

    Raises
    ------
    InputError
        If nothing is tested, or nothing labelled is left to train on.
    """
    buffer = whole("patch_size", patch_size) - 1  # centres this far apart still share a pixel
    test = np.flatnonzero(tested & labelled)
    image = np.zeros((rows.max() + 1, columns.max() + 1), dtype=bool)
    image[rows[test], columns[test]] = True
    far = ~near(image, buffer)[rows, columns]
    fold = Fold(test, np.flatnonzero(far & labelled), np.flatnonzero(far))
    for name, positions in (("tested", fold.test), ("labelled", fold.train)):
        if not len(positions):
            what = "test on" if name == "tested" else "train on, outside of what is tested"
            raise InputError(name, f"leaves no labelled patch to {what}")
    return fold


Scale = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Mean and standard deviation of each channel, shape (C, 1, 1)."""


def standardised(x: NDArray[np.floating[Any]], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return patches ``(N, C, H, W)`` with mean 0 and sd 1 of each channel over some `rows`.

    Raises
    ------
    InputError
        If a channel has the same value in all of them.
    """
    return scaled(x, scale_of(x, rows))


def scale_of(x: NDArray[np.floating[Any]], rows: NDArray[np.int64]) -> Scale:
    """Return by what `standardised` scales."""
    seen = x[rows].astype(np.float64)
    mean, sd = (value(seen, axis=(0, 2, 3))[:, None, None] for value in (np.mean, np.std))
    if not sd.all():
        raise InputError("x", "has a channel that is constant over the patches that train")
    return mean, sd


def scaled(x: NDArray[np.floating[Any]], scale: Scale) -> NDArray[np.float32]:
    """Return patches less the mean and by the standard deviation of each channel."""
    mean, sd = scale
    return ((x - mean) / sd).astype(np.float32)


def numbers_from(seed: int) -> np.random.Generator:
    """Return NumPy's generator of a seed, which may be negative as any seed of the package."""
    return np.random.default_rng(seed % 2**64)


def drawn_per_class(
    y: NDArray[np.int64], rows: NDArray[np.int64], per_class: int | None, seed: int
) -> NDArray[np.int64]:
    """Draw `per_class` of some rows from each class, or as many as there are; all where None.

    With one seed, a smaller draw is part of a larger one.
    """
    if per_class is None:
        return rows
    whole("per_class", per_class)
    shuffled = numbers_from(seed).permutation(rows)
    return np.concatenate(
        [shuffled[y[shuffled] == code][:per_class] for code in np.unique(y[rows])]
    )


def drawn_in_all(
    y: NDArray[np.int64], rows: NDArray[np.int64], number: int | None, seed: int
) -> NDArray[np.int64]:
    """Draw a `number` of some rows, one of each class and the rest at random; all where None.

    With one seed, a smaller draw is part of a larger one.

    Raises
    ------
    InputError
        If there are fewer rows, or more classes.
    """
    if number is None:
        return rows
    classes = len(np.unique(y[rows]))
    if not classes <= number <= len(rows):
        raise InputError(
            "labels",
            f"must be from {classes}, one of each class, to {len(rows)}, all that train",
            found=number,
        )
    shuffled = numbers_from(seed).permutation(rows)
    first = np.zeros(len(shuffled), dtype=bool)
    first[np.unique(y[shuffled], return_index=True)[1]] = True
    return np.concatenate([shuffled[first], shuffled[~first]])[:number]
