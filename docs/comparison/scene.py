"""The Statlog scene as 9x9 patches, and its blocks: five folds to report, one for settings.

Blocks of 12 to 14 pixels go to six groups. A fold's test patches are the labelled ones centred
in the blocks of one group; what trains, with labels or without, shares no pixel with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edaphos_bridge.datasets import statlog_scene
from edaphos_bridge.experiments.blocks import balanced_groups, block_numbers
from edaphos_bridge.experiments.folds import Fold, spatial_fold

PATCH = 9
HALF = PATCH // 2
BUFFER = PATCH - 1  # pixels: centres this far apart still share one, centres farther do not
BLOCK_ROWS, BLOCK_COLUMNS = 6, 7
REPORTED = range(5)
DEVELOPMENT = 5


@dataclass(frozen=True)
class ScenePatches:
    """All patches whose cells are all known, labelled or not.

    Attributes
    ----------
    x : numpy.ndarray, shape (N, 4, 9, 9), float32
        The patches, in the units of the scene.
    y : numpy.ndarray, shape (N,)
        Class codes; -1 where unlabelled.
    rows, columns : numpy.ndarray, shape (N,)
        The central pixels.
    block, group : numpy.ndarray, shape (N,)
        Number and group of the block around the central pixel.
    classes : list of str
        Names of the codes.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    block: NDArray[np.int64]
    group: NDArray[np.int64]
    classes: list[str]


def scene_patches() -> ScenePatches:
    """Cut the scene into patches and its blocks into groups."""
    scene = statlog_scene()
    windows = sliding_window_view(scene.image, (PATCH, PATCH), axis=(1, 2))
    known = np.pad((windows >= 0).all(axis=(0, 3, 4)), HALF)
    rows, columns = np.nonzero(known)
    labels = np.where(known, scene.labels, -1)
    block = block_numbers(known.shape, BLOCK_ROWS, BLOCK_COLUMNS, margin=HALF)
    group = balanced_groups(labels, block, DEVELOPMENT + 1, buffer=BUFFER)[block]
    return ScenePatches(
        x=windows.transpose(1, 2, 0, 3, 4)[rows - HALF, columns - HALF].astype(np.float32),
        y=labels[rows, columns].astype(np.int64),
        rows=rows,
        columns=columns,
        block=block[rows, columns],
        group=group[rows, columns],
        classes=scene.classes,
    )


def fold(patches: ScenePatches, group: int) -> Fold:
    """Return the fold that tests on the blocks of `group`."""
    return spatial_fold(
        patches.rows, patches.columns, patches.group == group, patches.y >= 0, PATCH
    )


def class_counts(patches: ScenePatches, positions: NDArray[np.int64]) -> list[int]:
    """Return how many of the patches at `positions` each class has."""
    return np.bincount(patches.y[positions], minlength=len(patches.classes)).tolist()
