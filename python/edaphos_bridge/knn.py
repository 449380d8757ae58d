"""How well features tell classes apart: `foundation_knn()`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import number, seed_number, whole
from edaphos_bridge.basics.seeding import draw_seed
from edaphos_bridge.data.labels import as_labels, codes_among
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.embeddings import features_of
from edaphos_bridge.errors import InputError
from edaphos_bridge.interpretation.classification import ClassificationInterpretation
from edaphos_bridge.interpretation.neighbours import knn_votes, shares
from edaphos_bridge.interpretation.outputs import as_patches
from edaphos_bridge.interpretation.scores import Classified
from edaphos_bridge.interpretation.units import Units, units_of


@plain
def foundation_knn(
    object: Any,
    x: Any,
    y: Any,
    newx: Any = None,
    newy: Any = None,
    *,
    k: int = 20,
    temperature: float = 0.1,
    groups: Any = None,
    blocks: Any = None,
    block_size: float | None = None,
    n_boot: int = 1000,
    seed: int | None = None,
    n_pictures: int = 25,
) -> ClassificationInterpretation:
    """Evaluate an encoder by its k nearest neighbours: nothing is trained.

    Features become unit vectors. The `k` labelled patches that are most similar to a patch vote for
    their classes, each with ``exp(cosine / temperature)``.

    Parameters
    ----------
    object : torch.nn.Module, or a fit that holds one
        The encoder, as in `foundation_embed`.
    x, y : patches (N, C, H, W) and their classes (N,)
        Those that vote.
    newx, newy : patches and their classes, optional
        Those that are asked about. Without them the patches of `x` are, one after the other, and
        the patch itself does not vote, nor any of its group or block.
    k : int
        Neighbours that vote.
    temperature : float
        The smaller, the more the nearest count.
    groups, blocks, block_size
        Of the patches that are asked about, as in `foundation_interpret`.
    n_boot, seed, n_pictures
        As in `foundation_interpret`.

    Returns
    -------
    ClassificationInterpretation
        As `foundation_interpret` gives it, with shares of votes as probabilities.

    Raises
    ------
    InputError
        If an argument cannot be used, or there are not `k` neighbours.

    References
    ----------
    Wu, Z., Xiong, Y., Yu, S. X. and Lin, D. (2018). Unsupervised feature learning via
    non-parametric instance discrimination. CVPR.
    """
    return knn(
        object, x, y, newx, newy, k, temperature, groups, blocks, block_size, n_boot, seed,
        n_pictures, draw=draw_seed,
    )  # fmt: skip


def knn(
    object: Any,
    x: Any,
    y: Any,
    newx: Any,
    newy: Any,
    k: Any,
    temperature: Any,
    groups: Any,
    blocks: Any,
    block_size: Any,
    n_boot: Any,
    seed: Any,
    n_pictures: Any,
    *,
    draw: Callable[[], int],
) -> ClassificationInterpretation:
    """Do what `foundation_knn` does: what all entrances have in common."""
    patches = as_patches(x)
    labels = as_labels(y)
    _require_one_each("y", len(labels), len(patches))
    if (newx is None) != (newy is None):
        missing = "newx" if newx is None else "newy"
        raise InputError(missing, "must be given together with the other of `newx` and `newy`")
    asked, truth = patches, labels.codes.numpy()
    if newx is not None:
        asked = as_patches(newx, argument="newx")
        truth = _among(newy, labels.classes)
        _require_one_each("newy", len(truth), len(asked))
    units = units_of(len(asked), groups, blocks, block_size)
    neighbours, t = whole("k", k), number("temperature", temperature, above=0)
    draws, most = whole("n_boot", n_boot, minimum=0), whole("n_pictures", n_pictures, minimum=0)
    known = None if seed is None else seed_number(seed)
    bank = _unit_vectors(object, patches)
    query = bank if newx is None else _unit_vectors(object, asked)
    own: NDArray[Any] | None = units.codes if newx is None else None
    votes = knn_votes(
        query, bank, labels.codes, len(labels.classes), neighbours, t,
        query_units=own, bank_units=own,
    )  # fmt: skip
    return _interpretation(
        Classified(truth, shares(votes)), labels.classes, asked, units, draws,
        draw() if known is None else known, most,
    )  # fmt: skip


def _interpretation(
    outcome: Classified,
    classes: Any,
    patches: Patches,
    units: Units,
    n_boot: int,
    seed: int,
    n_pictures: int,
) -> ClassificationInterpretation:
    worst = np.argsort(-outcome.losses, kind="stable")[:n_pictures]
    return ClassificationInterpretation(
        classes,
        outcome=outcome,
        units=units,
        n_boot=n_boot,
        seed=seed,
        picture_rows=worst,
        patches=patches.rows(torch.from_numpy(worst)).numpy(),
    )


def _unit_vectors(object: Any, x: Patches) -> torch.Tensor:
    return functional.normalize(torch.from_numpy(features_of(object, x)), dim=1)


def _among(newy: Any, classes: Any) -> NDArray[np.intp]:
    try:
        return codes_among(newy, classes)
    except InputError as error:
        raise InputError("newy", error.problem, found=error.found, rows=error.rows) from error


def _require_one_each(argument: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise InputError(
            argument, f"must have one label for each of the {wanted} patches", found=found
        )
