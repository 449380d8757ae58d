"""Which bands a fit needs: `foundation_band_importance()`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import seed_number, whole
from edaphos_bridge.basics.seeding import draw_seed
from edaphos_bridge.interpretation.importance import FoundationBandImportance
from edaphos_bridge.interpretation.importance import band_importance as importance_of
from edaphos_bridge.interpretation.outputs import (
    CLASSIFICATION,
    REGRESSION,
    as_fit,
    as_patches,
    truth_of,
    values_of,
)


@plain
def foundation_band_importance(
    fit: Any, x: Any, y: Any, *, n_repeats: int = 10, seed: int | None = None
) -> FoundationBandImportance:
    """Return by how much a fit gets worse without each band, by permutation.

    A band of each patch is exchanged for that of another patch, at random, and the fit predicts
    again: accuracy falls, or RMSE rises (over all targets), by the band's importance. Bands that
    tell the same share what they tell, and each alone looks unimportant.

    Parameters
    ----------
    fit : FoundationClassifier, FoundationRegressor or FoundationProbeSweep
    x : array-like, torch.Tensor, tile data set or path, shape (N, C, H, W)
        Patches that it was not trained on; all are held in memory.
    y : array-like, shape (N,) or (N, T)
        The truth.
    n_repeats : int
        Permutations of each band.
    seed : int, optional
        The only source of randomness; None draws one, which the result keeps.

    Returns
    -------
    FoundationBandImportance
        With ``as_table()`` and ``plot()``.

    Raises
    ------
    InputError
        If an argument cannot be used; before any prediction.

    References
    ----------
    Breiman, L. (2001). Random forests. Machine Learning 45.
    """
    return band_importance(fit, x, y, n_repeats, seed, draw=draw_seed)


def band_importance(
    fit: Any,
    x: Any,
    y: Any,
    n_repeats: Any,
    seed: Any,
    *,
    draw: Callable[[], int],
    first_band: int = 0,
) -> FoundationBandImportance:
    """Do what `foundation_band_importance` does: what all entrances have in common."""
    known = as_fit(fit, CLASSIFICATION, REGRESSION)
    patches = as_patches(x)
    truth = truth_of(known, y, len(patches))
    repeats = whole("n_repeats", n_repeats)
    number = None if seed is None else seed_number(seed)
    values_of(known, patches)  # checks that the patches fit, and turns those of tiles
    number = draw() if number is None else number
    return importance_of(known, patches.tensor(), truth, repeats, number, first_band)
