"""`foundation_mcdropout_predict()`: predictions of a fit whose dropout drops on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import seed_number, whole
from edaphos_bridge.basics.devices import resolve_device
from edaphos_bridge.basics.seeding import Randomness, draw_seed
from edaphos_bridge.errors import InputError
from edaphos_bridge.fits.model import Model
from edaphos_bridge.fits.result import FoundationFit, values_of
from edaphos_bridge.raster.tiles import FoundationTileDataset


@plain
def foundation_mcdropout_predict(
    object: Any,
    x: Any,
    n_draws: int = 50,
    seed: int | None = None,
    device: str | None = None,
    coords: Any = None,
    dataset: FoundationTileDataset | None = None,
) -> NDArray[np.float64]:
    """Draw predictions of a fit by Monte-Carlo dropout (Gal and Ghahramani 2016).

    Each draw is a pass in which the dropout layers drop as they did in training; all else is in
    eval mode. Those are the layers of the head, and of an encoder that was fine-tuned: a frozen
    one dropped nothing in training. Only layers of torch's own are known, no dropout that a module
    computes by a function.

    Parameters
    ----------
    object : FoundationFit
        With dropout, as of ``head="mlp", dropout=0.2``.
    x, device, coords, dataset
        As in `FoundationClassifier.predict`.
    n_draws : int
        Passes.
    seed : int, optional
        What the draws come from: same seed, patches, machine and threads give equal bits. None
        draws one.

    Returns
    -------
    numpy.ndarray, float64
        Shape (n_draws, N) of a regressor of one target without a name; of others (n_draws, N, K):
        probabilities of the classes or labels, or the targets in their units. NaN for points
        outside the raster or without data in any band.

    Raises
    ------
    InputError
        If there is no dropout to draw from, or an argument cannot be used.

    References
    ----------
    Gal, Y. and Ghahramani, Z. (2016). Dropout as a Bayesian approximation: representing model
    uncertainty in deep learning. ICML.

    Examples
    --------
    >>> from edaphos_bridge import foundation_encoder, foundation_fit_regressor
    >>> x = np.random.default_rng(1).normal(size=(60, 4, 9, 9))
    >>> clay = 30 + 20 * x[:, 0].mean(axis=(1, 2))
    >>> encoder = foundation_encoder("moco", in_channels=4, seed=1)
    >>> fit = foundation_fit_regressor(
    ...     encoder, x, clay, head="mlp", dropout=0.2, epochs=3, seed=1
    ... )
    >>> foundation_mcdropout_predict(fit, x[:5], n_draws=10, seed=1).shape
    (10, 5)
    """
    return draw_predictions(object, x, n_draws, seed, device, coords, dataset)


def draw_predictions(
    fit: Any,
    x: Any,
    n_draws: Any,
    seed: Any,
    device: Any,
    coords: Any,
    dataset: FoundationTileDataset | None,
    draw: Callable[[], int] = draw_seed,
) -> NDArray[np.float64]:
    """Do what `foundation_mcdropout_predict` does: what all entrances have in common."""
    if not isinstance(fit, FoundationFit):
        raise InputError(
            "object",
            "must be a fit of a head, as of foundation_fit_classifier() or its sisters",
            found=type(fit).__name__,
        )
    passes = whole("n_draws", n_draws)
    seed = None if seed is None else seed_number(seed)
    target = resolve_device(fit.device if device is None else device)
    if not Model(fit.encoder, fit.head).dropping():
        raise InputError(
            "object",
            "has no dropout to draw from: nothing dropped in its training",
            hint="Fit it with a decoder of your own that drops."
            if fit.task.has_masks
            else "Fit it with a head that drops, as head = 'mlp' with dropout = 0.2.",
        )

    def draws() -> Randomness:  # asked for when the patches are known to fit
        return Randomness(draw() if seed is None else seed, target)

    values = values_of(
        [fit], x, target.type, coords, dataset, passes=passes, draws=draws, each=True
    )
    return fit.complete(values) if fit.columns is not None else values[..., 0]
