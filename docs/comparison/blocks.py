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

PATCH = 9
HALF = PATCH // 2
BUFFER = PATCH - 1  # pixels: centres this far apart still share one, centres farther do not
BLOCK_ROWS, BLOCK_COLUMNS = 6, 7
REPORTED = range(5)
DEVELOPMENT = 5
ASSIGNMENTS = 3000  # random assignments of blocks to groups, of which the best is taken


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
    group : numpy.ndarray, shape (N,)
        Group of the block around the central pixel.
    classes : list of str
        Names of the codes.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    group: NDArray[np.int64]
    classes: list[str]


@dataclass(frozen=True)
class Fold:
    """Positions in `ScenePatches` of what is tested, and of what may train.

    `train` is labelled; `pretrain` is `train` and the unlabelled patches beside it.
    """

    test: NDArray[np.int64]
    train: NDArray[np.int64]
    pretrain: NDArray[np.int64]


def scene_patches() -> ScenePatches:
    """Cut the scene into patches and its blocks into groups."""
    scene = statlog_scene()
    windows = sliding_window_view(scene.image, (PATCH, PATCH), axis=(1, 2))
    known = np.pad((windows >= 0).all(axis=(0, 3, 4)), HALF)
    rows, columns = np.nonzero(known)
    labels = np.where(known, scene.labels, -1)
    block = _blocks(known.shape)
    group = _groups(labels, block, len(scene.classes))[block]
    return ScenePatches(
        x=windows.transpose(1, 2, 0, 3, 4)[rows - HALF, columns - HALF].astype(np.float32),
        y=labels[rows, columns].astype(np.int64),
        rows=rows,
        columns=columns,
        group=group[rows, columns],
        classes=scene.classes,
    )


def fold(patches: ScenePatches, group: int) -> Fold:
    """Return the fold that tests on the blocks of `group`."""
    test = np.flatnonzero((patches.group == group) & (patches.y >= 0))
    tested = _image(patches, test)
    far = ~_near(tested, BUFFER)[patches.rows, patches.columns]
    pretrain = np.flatnonzero(far)
    assert not (_near(tested, HALF) & _near(_image(patches, pretrain), HALF)).any(), (
        "a patch that trains shares a pixel with a test patch"
    )
    return Fold(test=test, train=np.flatnonzero(far & (patches.y >= 0)), pretrain=pretrain)


def standardised(patches: ScenePatches, fold: Fold) -> NDArray[np.float32]:
    """Return all patches in units of each band's standard deviation where a fold may train."""
    seen = patches.x[fold.pretrain].astype(np.float64)
    mean, sd = (value(seen, axis=(0, 2, 3))[:, None, None] for value in (np.mean, np.std))
    return ((patches.x - mean) / sd).astype(np.float32)


def labelled(
    patches: ScenePatches, fold: Fold, per_class: int | None, seed: int
) -> NDArray[np.int64]:
    """Draw `per_class` of a fold's training patches from each class; all where None.

    With one seed, a smaller draw is part of a larger one.
    """
    if per_class is None:
        return fold.train
    shuffled = np.random.default_rng(seed).permutation(fold.train)
    chosen = [shuffled[patches.y[shuffled] == code][:per_class] for code in _codes(patches)]
    return np.concatenate(chosen)


def class_counts(patches: ScenePatches, positions: NDArray[np.int64]) -> list[int]:
    """Return how many of the patches at `positions` each class has."""
    return np.bincount(patches.y[positions], minlength=len(patches.classes)).tolist()


def _codes(patches: ScenePatches) -> range:
    return range(len(patches.classes))


def _blocks(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the number of the block of each pixel; blocks tile the possible centres."""
    parts = []
    for extent, count in zip(shape, (BLOCK_ROWS, BLOCK_COLUMNS), strict=True):
        centre = np.clip(np.arange(extent) - HALF, 0, extent - 2 * HALF - 1)
        parts.append(centre * count // (extent - 2 * HALF))
    return parts[0][:, None] * BLOCK_COLUMNS + parts[1][None, :]


def _groups(labels: NDArray[np.int8], block: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Return a group for each block, from numbers of labels alone.

    Of many random assignments, in which each group has at least 10 patches of each class, the
    one whose rarest class in any fold's training patches is most frequent.
    """
    groups = DEVELOPMENT + 1
    counts = np.stack([np.bincount(block[labels == code], minlength=block.max() + 1)
                       for code in range(classes)], axis=1)  # fmt: skip
    used = np.flatnonzero(counts.sum(axis=1))
    best, fewest = None, -1
    for seed in range(ASSIGNMENTS):
        assignment = np.full(len(counts), -1)
        assignment[np.random.default_rng(seed).permutation(used)] = np.arange(len(used)) % groups
        tested = [counts[assignment == group].sum(axis=0) for group in range(groups)]
        if np.min(tested) < 10:
            continue
        rarest = min(
            _rarest_training_class(labels, assignment[block] == group, classes)
            for group in range(groups)
        )
        if rarest > fewest:
            best, fewest = assignment, rarest
    assert best is not None
    return best


def _rarest_training_class(
    labels: NDArray[np.int8], in_group: NDArray[np.bool_], classes: int
) -> int:
    far = ~_near(in_group & (labels >= 0), BUFFER)
    return int(np.bincount(labels[far & (labels >= 0)], minlength=classes).min())


def _image(patches: ScenePatches, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return an image of the scene that is True at the centres of some patches."""
    image = np.zeros((patches.rows.max() + PATCH, patches.columns.max() + PATCH), dtype=bool)
    image[patches.rows[positions], patches.columns[positions]] = True
    return image


def _near(mask: NDArray[np.bool_], distance: int) -> NDArray[np.bool_]:
    """Return what is within `distance` rows and columns of a True."""
    padded = np.pad(mask, distance)
    size = 2 * distance + 1
    return sliding_window_view(padded, (size, size)).any(axis=(2, 3))
