"""The blocks of a scene, and their groups: which places are tested together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edaphos_bridge.basics.arguments import whole
from edaphos_bridge.errors import InputError


def near(mask: NDArray[np.bool_], distance: int) -> NDArray[np.bool_]:
    """Return what is within `distance` rows and columns of a True."""
    padded = np.pad(mask, distance)
    size = 2 * distance + 1
    return sliding_window_view(padded, (size, size)).any(axis=(2, 3))


def block_numbers(
    shape: tuple[int, ...], n_rows: int, n_columns: int, margin: int = 0
) -> NDArray[np.int64]:
    """Return the number of the block of each pixel of a scene, counted row by row.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the scene.
    n_rows, n_columns : int
        Blocks that lie below and beside each other.
    margin : int
        Pixels at the edges where no patch has its centre. The blocks share the others evenly;
        those of the margin belong to the nearest.

    Raises
    ------
    InputError
        If there are more blocks than rows or columns of the scene.
    """
    parts = []
    for name, extent, count in zip(
        ("n_rows", "n_columns"), shape, (n_rows, n_columns), strict=True
    ):
        inner = extent - 2 * margin
        if whole(name, count) > inner:
            raise InputError(
                name,
                f"must be at most {inner}, the pixels of the scene without its margin",
                found=count,
            )
        centre = np.clip(np.arange(extent) - margin, 0, inner - 1)
        parts.append(centre * count // inner)
    return parts[0][:, None] * n_columns + parts[1][None, :]


def balanced_groups(
    labels: NDArray[np.integer[Any]],
    block: NDArray[np.int64],
    n_groups: int,
    *,
    buffer: int,
    fewest: int = 10,
    tries: int = 3000,
) -> NDArray[np.int64]:
    """Return a group for each block, from the numbers of labels alone.

    Of many random assignments, in which each group has some labels of each class, the one whose
    rarest class among what trains beside any group is most frequent. Always the same for the same
    scene.

    Parameters
    ----------
    labels : numpy.ndarray, shape (height, width)
        Class codes; -1 where unlabelled.
    block : numpy.ndarray, shape (height, width)
        From `block_numbers`.
    buffer : int
        What lies within so many rows and columns of a group's labels does not train beside it.
    fewest : int
        Labels of each class that each group must have.
    tries : int
        Random assignments that are looked at.

    Returns
    -------
    numpy.ndarray, shape (blocks,)
        Groups counted from 0; -1 for blocks without any label.

    Raises
    ------
    InputError
        If the arrays do not fit each other, or if no assignment has enough labels in each group.
    """
    if labels.shape != block.shape:
        raise InputError("block", f"must have the shape of `labels`, {labels.shape}",
                         found=block.shape)  # fmt: skip
    whole("n_groups", n_groups, minimum=2)
    classes = int(labels.max()) + 1
    counts = np.stack([np.bincount(block[labels == code], minlength=block.max() + 1)
                       for code in range(classes)], axis=1)  # fmt: skip
    used = np.flatnonzero(counts.sum(axis=1))
    best, most = None, -1
    for seed in range(tries):
        assignment = np.full(len(counts), -1)
        assignment[np.random.default_rng(seed).permutation(used)] = np.arange(len(used)) % n_groups
        tested = [counts[assignment == group].sum(axis=0) for group in range(n_groups)]
        if np.min(tested) < fewest:
            continue
        rarest = min(
            _rarest_that_trains(labels, assignment[block] == group, classes, buffer)
            for group in range(n_groups)
        )
        if rarest > most:
            best, most = assignment, rarest
    if best is None:
        raise InputError(
            "n_groups",
            f"asks for more groups than have {fewest} labels of each class",
            found=n_groups,
            hint="Make fewer groups, or smaller blocks.",
        )
    return best


def _rarest_that_trains(
    labels: NDArray[np.integer[Any]], in_group: NDArray[np.bool_], classes: int, buffer: int
) -> int:
    far = ~near(in_group & (labels >= 0), buffer)
    return int(np.bincount(labels[far & (labels >= 0)], minlength=classes).min())
