"""`foundation_compare_segmenters()`: frozen, fine-tuned and from scratch, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from inspect import signature
from typing import Any

import pandas as pd
import torch

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import choice, flag, number, seed_number, whole
from edaphos_bridge.basics.paths import folder_or_none
from edaphos_bridge.basics.seeding import Randomness, draw_seed
from edaphos_bridge.data.masks import Masks
from edaphos_bridge.data.patch_masks import masks_of
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.data.splits import any_row_validates, parting_in, read_split
from edaphos_bridge.encoders.copying import as_module
from edaphos_bridge.errors import InputError, renamed
from edaphos_bridge.interpret import interpret_masks
from edaphos_bridge.interpretation.segmentation import SegmentationInterpretation
from edaphos_bridge.interpretation.segmenter_comparison import FoundationSegmenterComparison
from edaphos_bridge.interpretation.units import Units
from edaphos_bridge.segmenter import (
    IOU,
    FoundationSegmenter,
    fit_segmenter,
    foundation_fit_segmenter,
    settings_in,
)
from edaphos_bridge.training.decoder_settings import REGIMES
from edaphos_bridge.training.events import Events
from edaphos_bridge.training.plan import draw_plan
from edaphos_bridge.training.progress import console

_OF_ALL = (
    "groups", "blocks", "block_size", "buffer", "folds", "fold", "validation", "val_split",
    "classes", "unlabelled", "seed",
)  # fmt: skip
"""Arguments of a fit that are those of all models, which learn from the same rows."""


def _console(verbose: bool) -> AbstractContextManager[Events]:
    return console("segmenter", verbose, IOU)


@plain
def foundation_compare_segmenters(
    encoder: Any,
    x: Any,
    masks: Any = None,
    *,
    models: Sequence[str] | Mapping[str, Mapping[str, Any]] = REGIMES,
    test: Any = None,
    n_boot: int = 1000,
    n_pictures: int = 4,
    val_split: float = 0.2,
    classes: Sequence[Any] | None = None,
    unlabelled: Any = None,
    seed: int | None = None,
    **settings: Any,
) -> FoundationSegmenterComparison:
    """Fit segmenters in several ways and score them on the same held-out patches.

    Parameters
    ----------
    encoder, x, masks, val_split, classes, unlabelled, seed
        As in `foundation_fit_segmenter`: with the same seed and settings it gives the same fit, to
        the last bit.
    models : sequence of regimes, or mapping of name to settings
        What is compared: ``"frozen"``, ``"finetune"`` and ``"from_scratch"``, or settings of
        `foundation_fit_segmenter` for each name, such as
        ``{"U-Net": {"regime": "finetune", "decoder": "unet"}}``.
    test : pair of x and masks, optional
        What is scored. By default the rows that validate, which are the same for all.
    n_boot : int
        Draws of the bootstrap over tiles, over groups or blocks where they are given without
        `test`; 0 for no intervals.
    n_pictures : int
        Patches that are kept for `plot_masks`: those with the largest losses of the first model.
    **settings
        Further arguments of `foundation_fit_segmenter`, for all models. Of a `checkpoint_dir` each
        has a folder of its own.

    Returns
    -------
    FoundationSegmenterComparison

    Raises
    ------
    InputError
        If an argument cannot be used; `patience` without `test`, which would choose by the rows
        that are scored.
    TrainingError
        If training diverges.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_compare_segmenters, foundation_encoder
    >>> x = np.random.default_rng(1).normal(size=(40, 4, 8, 8))
    >>> masks = np.where(x[:, 0] > 0, "wet", "dry")
    >>> encoder = foundation_encoder("moco", in_channels=4, seed=1)
    >>> found = foundation_compare_segmenters(
    ...     encoder, x, masks, models=["frozen", "from_scratch"], epochs=2, n_boot=50, seed=1
    ... )
    >>> found.as_table()["model"].unique().tolist()
    ['frozen', 'from_scratch']
    """
    return compare_segmenters(
        encoder,
        x,
        masks,
        models=models,
        test=test,
        n_boot=n_boot,
        n_pictures=n_pictures,
        val_split=val_split,
        classes=classes,
        unlabelled=unlabelled,
        seed=seed,
        settings=settings,
    )


def compare_segmenters(
    encoder: Any,
    x: Any,
    masks: Any,
    *,
    models: Any,
    test: Any,
    n_boot: Any,
    n_pictures: Any,
    val_split: Any,
    classes: Any,
    unlabelled: Any,
    seed: Any,
    settings: Mapping[str, Any],
    parting: Mapping[str, Any] | None = None,
    listen: Callable[[bool], AbstractContextManager[Events]] = _console,
    draw: Callable[[], int] = draw_seed,
) -> FoundationSegmenterComparison:
    """Do what `foundation_compare_segmenters` does: what all entrances have in common.

    Parameters
    ----------
    parting : mapping, optional
        Arguments of `read_split`, where they are not among the settings.
    listen : callable
        Gives what hears of a run, of its ``verbose``.
    """
    each = _arguments_of(_named(models), settings)
    parting = parting_in(next(iter(each.values()))) if parting is None else parting
    if test is None and any(own["patience"] is not None for own in each.values()):
        raise InputError(
            "patience", "would choose by the rows that are scored", hint="Give `test`."
        )
    draws = whole("n_boot", n_boot, minimum=0)
    most = whole("n_pictures", n_pictures, minimum=1)
    share = number("val_split", val_split, minimum=0, below=1)
    patches = Patches(x)
    reader = None if encoder is None else as_module(encoder)
    patches.read_for(reader, training=False)
    learnt = masks_of(patches, masks, classes=classes, unlabelled=unlabelled)
    split = read_split(len(patches), **parting)
    held_out = None if test is None else _test(test, reader, learnt, unlabelled)
    if held_out is None and not any_row_validates(split, share):
        raise InputError(
            "val_split", "leaves no row to score", found=share, hint="Give `test`, or more."
        )
    used = draw() if seed is None else seed_number(seed)
    plan = draw_plan(len(patches), share, Randomness(used).generator, split)  # that of each fit
    common = {
        "classes": learnt.classes, "unlabelled": unlabelled, "val_split": share, "seed": used
    }  # fmt: skip
    units = None
    if held_out is None:
        rows = plan.val_rows
        codes = getattr(split, "codes", None)
        units = _units(codes, rows, split)
        held_out = Patches(patches.rows(rows)), Masks(learnt.codes[rows], learnt.classes)
    fits: dict[str, FoundationSegmenter] = {}
    found: dict[str, SegmentationInterpretation] = {}
    for name, own in each.items():
        with listen(flag("verbose", own["verbose"])) as events:
            fits[name] = fit_segmenter(
                encoder, Patches(x), masks, {**own, **common}, events, parting=parting
            )
        found[name] = interpret_masks(
            fits[name],
            *held_out,
            units or _units(None, torch.arange(len(held_out[1])), None),
            n_boot=draws,
            n_pictures=0,
            seed=used,
        )
    first = next(iter(found.values()))
    worst = first.top_losses(min(most, len(held_out[1])))["row"].to_numpy(copy=True)
    shown = held_out[0].rows(torch.from_numpy(worst))
    return FoundationSegmenterComparison(
        fits,
        found,
        patches=shown.numpy(),
        masks=held_out[1].codes.numpy()[worst].astype("int64"),
        predicted={name: fit.codes(shown) for name, fit in fits.items()},
        rows=worst,
        seed=used,
    )


def _named(models: Any) -> dict[str, dict[str, Any]]:
    """Return the settings of each model by its name, or raise `InputError`."""
    if isinstance(models, Mapping):
        found = {str(name): own for name, own in models.items()}
    elif isinstance(models, Sequence) and not isinstance(models, str):
        found = {choice("models", name, REGIMES): {"regime": name} for name in models}
    else:
        found = {}
    if not found or not all(isinstance(own, Mapping) for own in found.values()):
        raise InputError(
            "models", "must be regimes, or settings for each name", found=type(models).__name__
        )
    return {name: dict(own) for name, own in found.items()}


def _arguments_of(
    named: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return all arguments of the fit of each model, or raise `InputError` before the first."""
    parameters = signature(foundation_fit_segmenter).parameters.values()
    defaults = {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY}
    own = [name for name in defaults if name not in _OF_ALL]
    for argument in (name for given in named.values() for name in given if name not in own):
        raise InputError(
            argument, "is no setting of a model", hint=f"A model has {', '.join(own)}."
        )
    for argument in (name for name in settings if name not in defaults):
        raise InputError(
            argument,
            "is no argument of foundation_fit_segmenter()",
            hint=f"It has {', '.join(own)}.",
        )
    found = {}
    for model, given in named.items():
        arguments = found[model] = {**defaults, **settings, **given}
        folder = folder_or_none("checkpoint_dir", arguments["checkpoint_dir"])
        if folder is not None and "checkpoint_dir" not in given:
            arguments["checkpoint_dir"] = folder / model
        settings_in(arguments)
    return found


def _test(test: Any, reader: Any, learnt: Masks, unlabelled: Any) -> tuple[Patches, Masks]:
    """Return the patches and masks that are scored, or raise `InputError`."""
    if not isinstance(test, tuple | list) or len(test) != 2:
        raise InputError("test", "must be a pair of patches and masks", found=type(test).__name__)
    patches = Patches(test[0], argument="test")
    patches.read_for(reader, training=False)
    with renamed("masks", "test"):
        masks = masks_of(patches, test[1], classes=learnt.classes, unlabelled=unlabelled)
    return patches, masks


def _units(codes: Any, rows: torch.Tensor, split: Any) -> Units:
    """Return what the bootstrap draws of the held-out rows: their groups where there are some."""
    if codes is None:
        return Units("rows", torch.arange(len(rows)).numpy(), len(rows))
    groups, found = pd.factorize(codes[rows.numpy()])
    if len(found) < 2:
        return Units("rows", torch.arange(len(rows)).numpy(), len(rows))
    return Units(split.describe()["by"], groups, len(found))
