"""What a fit is worth: `foundation_interpret()`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import flag, seed_number, whole
from edaphos_bridge.basics.seeding import draw_seed
from edaphos_bridge.data.masks import Masks
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.features import check_channels
from edaphos_bridge.errors import InputError, renamed
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.interpretation.baselines import baseline_values
from edaphos_bridge.interpretation.classification import ClassificationInterpretation
from edaphos_bridge.interpretation.outputs import (
    CLASSIFICATION,
    REGRESSION,
    SEGMENTATION,
    as_fit,
    as_patches,
    target_names,
    truth_of,
    values_of,
)
from edaphos_bridge.interpretation.regression import RegressionInterpretation
from edaphos_bridge.interpretation.result import FoundationInterpretation
from edaphos_bridge.interpretation.scores import Classified, Measured
from edaphos_bridge.interpretation.segmentation import SegmentationInterpretation
from edaphos_bridge.interpretation.segmented import Segmented
from edaphos_bridge.interpretation.units import Units, units_of


@plain
def foundation_interpret(
    fit: Any,
    x: Any,
    y: Any = None,
    *,
    groups: Any = None,
    blocks: Any = None,
    block_size: float | None = None,
    n_boot: int = 1000,
    seed: int | None = None,
    baselines: bool = False,
    train: Any = None,
    n_pictures: int = 25,
) -> FoundationInterpretation:
    """Hold what a fit predicts against the truth.

    Give patches that the fit has not seen: those that it was trained on tell how well it remembers.

    Parameters
    ----------
    fit : FoundationClassifier, FoundationRegressor, FoundationSegmenter or FoundationProbeSweep
        What predicts.
    x : array-like, torch.Tensor, tile data set or path, shape (N, C, H, W)
        Patches, as in `foundation_fit_classifier`.
    y : array-like, shape (N,) or (N, T)
        The truth: classes of the fit, or numbers in the units of its targets; of a segmenter masks
        ``(N, H, W)``, in which cells without a label do not count, or None for those of a tile
        data set.
    groups : array-like, shape (N,), optional
        The group of each patch, such as its profile, field or campaign. Patches of a group resemble
        each other, so that the bootstrap must draw whole groups; otherwise it draws patches and its
        intervals are too narrow.
    blocks : array-like, shape (N, 2), table, or points of geopandas, optional
        Where each patch lies, as in `foundation_fit_classifier`: whole spatial blocks are drawn,
        squares of `block_size`. At most one of `groups` and `blocks` is given.
    block_size : float, optional
        In the units of `blocks`, which it needs.
    n_boot : int
        Draws of the bootstrap; 0 for no intervals.
    seed : int, optional
        The only source of randomness; None draws one, which the result keeps.
    baselines : bool
        Whether to score two baselines on the same patches: ``random_convolutions``, 128 features of
        random filters, and ``band_statistics``, mean, standard deviation, minimum and maximum of
        each band; both with logistic regression (ridge regression for numbers). Not of segmenters.
    train : pair of x and y, optional
        What the baselines learn from: the patches that the fit was trained on.
    n_pictures : int
        How many patches with the largest losses to keep, for `plot_top_losses`.

    Returns
    -------
    ClassificationInterpretation, RegressionInterpretation or SegmentationInterpretation
        With ``as_table()``: of a classifier accuracy, balanced accuracy (mean recall of the classes
        that occur), Cohen's kappa and expected calibration error (15 bins of confidence), and for
        each class precision, recall, F1 and support; of a regressor RMSE, MAE, R2, bias (mean of
        prediction - truth) and Lin's concordance for each target; of a segmenter pixel accuracy,
        intersection over union, Dice, F1, precision and recall, as means over classes and of each
        class, where the bootstrap draws tiles. Each with a 95 % percentile
        interval; that of the calibration error lies high where patches are few, since bins of few
        patches are never quite right. And with
        ``top_losses()`` and the plots, of classes with ``confusion`` and ``most_confused()``, which
        count the cells of masks.

    Raises
    ------
    InputError
        If an argument cannot be used; before any prediction.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_encoder, foundation_fit_classifier
    >>> x = np.random.default_rng(1).normal(size=(60, 4, 9, 9))
    >>> y = ["Oxisol", "Ultisol", "Inceptisol"] * 20
    >>> encoder = foundation_encoder("moco", in_channels=4, seed=1)
    >>> fit = foundation_fit_classifier(encoder, x[:40], y[:40], epochs=3, seed=1)
    >>> found = foundation_interpret(fit, x[40:], y[40:], n_boot=100, seed=1)
    >>> found.as_table()["metric"][:4].tolist()
    ['accuracy', 'balanced_accuracy', 'kappa', 'calibration_error']
    """
    return interpret(
        fit,
        x,
        y,
        groups,
        blocks,
        block_size,
        n_boot,
        seed,
        baselines,
        train,
        n_pictures,
        draw=draw_seed,
    )


def interpret(
    fit: Any,
    x: Any,
    y: Any,
    groups: Any,
    blocks: Any,
    block_size: Any,
    n_boot: Any,
    seed: Any,
    baselines: Any,
    train: Any,
    n_pictures: Any,
    *,
    draw: Callable[[], int],
) -> FoundationInterpretation:
    """Do what `foundation_interpret` does: what all entrances have in common."""
    known = as_fit(fit, CLASSIFICATION, REGRESSION, SEGMENTATION)
    patches = as_patches(x)
    if known.task.has_masks:
        _no_baselines(baselines, train)
        patches.read_for(known.encoder, training=False)
        with renamed("masks", "y"):
            masks = known.task.masks_of(patches, y)
        return interpret_masks(
            known,
            patches,
            masks,
            units_of(len(patches), groups, blocks, block_size),
            n_boot=whole("n_boot", n_boot, minimum=0),
            n_pictures=whole("n_pictures", n_pictures, minimum=0),
            seed=draw() if seed is None else seed_number(seed),
        )
    truth = truth_of(known, y, len(patches))
    units = units_of(len(patches), groups, blocks, block_size)
    draws, most = whole("n_boot", n_boot, minimum=0), whole("n_pictures", n_pictures, minimum=0)
    number = None if seed is None else seed_number(seed)
    learnt_from = _training_data(known, train) if flag("baselines", baselines) else None
    if learnt_from is None and train is not None:
        raise InputError("train", "is for the baselines", hint="Give `baselines` too.")
    values = values_of(known, patches)
    number = draw() if number is None else number
    is_classifier = known.task.name == CLASSIFICATION
    outcome_of: Any = Classified if is_classifier else Measured
    found = {}
    if learnt_from is not None:
        n_classes = known.task.n_outputs if is_classifier else None
        predictions = baseline_values(*learnt_from, patches, n_classes, number)
        found = {name: outcome_of(truth, values) for name, values in predictions.items()}
    outcome = outcome_of(truth, values)
    worst = np.argsort(-outcome.losses, kind="stable")[:most]
    shown = patches.rows(torch.from_numpy(worst)).numpy()
    common: dict[str, Any] = {
        "outcome": outcome,
        "units": units,
        "n_boot": draws,
        "seed": number,
        "picture_rows": worst,
        "patches": shown,
        "baselines": found,
    }
    if is_classifier:
        return ClassificationInterpretation(known.task.classes, **common)
    return RegressionInterpretation(target_names(known), **common)


def interpret_masks(
    fit: FoundationFit,
    patches: Patches,
    masks: Masks,
    units: Units,
    *,
    n_boot: int,
    n_pictures: int,
    seed: int,
) -> SegmentationInterpretation:
    """Hold the masks that a segmenter predicts against these."""
    outcome = Segmented.of(fit, patches, masks)
    worst = np.argsort(-outcome.losses, kind="stable")[:n_pictures]
    shown = patches.rows(torch.from_numpy(worst))
    predicted = fit.values(shown, None, None, None, of_cells=fit.task.codes)
    return SegmentationInterpretation(
        masks.classes,
        masks.codes.numpy()[worst].astype(np.int64),
        predicted.astype(np.int64),
        outcome=outcome,
        units=units,
        n_boot=n_boot,
        seed=seed,
        picture_rows=worst,
        patches=shown.numpy(),
    )


def _no_baselines(baselines: Any, train: Any) -> None:
    if flag("baselines", baselines) or train is not None:
        name = "baselines" if baselines else "train"
        raise InputError(name, "is not for segmenters")


def _training_data(fit: FoundationFit, train: Any) -> tuple[Patches, Any]:
    """Return what the baselines learn from."""
    if train is None:
        raise InputError(
            "train", "must be the pair of patches and truth that the baselines learn from"
        )
    if not isinstance(train, tuple | list) or len(train) != 2:
        raise InputError("train", "must be a pair of patches and truth", found=type(train).__name__)
    patches = as_patches(train[0], argument="train")
    check_channels(fit.in_channels, patches.channels, "train")
    patches.read_for(fit.encoder, training=False)
    patches.check()
    try:
        truth = truth_of(fit, train[1], len(patches))
    except InputError as error:
        raise InputError("train", f"has a truth that cannot be used: {error}") from error
    return patches, truth
