"""The call that puts segmenters beside each other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import flag
from edaphos_bridge.compare_segmenters import compare_segmenters as compared
from edaphos_bridge.interop.calls.held import (
    encoder_behind,
    masks_behind,
    patches,
    patches_behind,
)
from edaphos_bridge.interop.calls.interpretation import (
    colours_of,
    interpretation_fields,
    scores_fields,
)
from edaphos_bridge.interop.calls.progress import ToldToR
from edaphos_bridge.interop.calls.segmenters import segmenter_fields, settings_of_masks
from edaphos_bridge.interop.calls.splits import parting_of
from edaphos_bridge.interop.calls.values import as_levels, with_na
from edaphos_bridge.interpretation.segmenter_comparison import FoundationSegmenterComparison
from edaphos_bridge.segmenter import IOU, FoundationSegmenter


@plain
def compare_segmenters(
    encoder: Any,
    x: Any,
    masks: dict[str, Any],
    models: Any,
    test: dict[str, Any] | None,
    split: dict[str, Any],
    arguments: dict[str, Any],
    settings: dict[str, Any],
    draw: Callable[[], int],
    on_epoch: Callable[..., Any],
) -> dict[str, Any]:
    """``foundation_compare_segmenters()``: fits, scores and pictures as plain values.

    `masks` are as `masks_behind` has them; `models` regimes, or settings by name; `test` has ``x``
    and ``masks``; `split` is what `parting_of` takes; `arguments` are those of the verb, and
    `settings` further ones of the fits.
    """
    flag("verbose", settings["verbose"])
    held_out = None
    if test is not None:
        held_out = _read(test["x"], "test"), masks_behind(**test["masks"])
    if isinstance(models, dict):
        models = {name: own or {} for name, own in models.items()}  # R's list() has no names
    of_masks = settings_of_masks(
        masks["levels"], arguments.pop("classes"), arguments.pop("unlabelled")
    )
    found = compared(
        encoder_behind(encoder),
        _read(x, "x"),
        masks_behind(**masks),
        models=models,
        test=held_out,
        settings=settings,
        parting=parting_of(split),
        listen=lambda verbose: nullcontext(ToldToR("segmenter", on_epoch, IOU)),
        draw=draw,
        **arguments,
        **of_masks,
    )
    return comparison_fields(found)


def _read(x: Any, argument: str) -> Any:
    if isinstance(x, np.ndarray):
        patches(x, argument=argument).check()  # only there R's missing integers are known
    return patches_behind(x)


def comparison_fields(found: FoundationSegmenterComparison) -> dict[str, Any]:
    """Return the elements of the R object; rows and classes are counted from 1."""
    fits = {
        name: segmenter_fields(fit)
        for name, fit in found.fits.items()
        if isinstance(fit, FoundationSegmenter)
    }
    interpretations = found.interpretations.items()
    return {
        "fits": fits,
        "interpretations": {name: interpretation_fields(own) for name, own in interpretations},
        "scores": scores_fields(found.as_table()),
        "classes": as_levels(found.classes),
        "colours": colours_of(found.classes),
        "patches": found.patches.astype(np.float64),
        "masks": with_na(found.masks, shift=1),
        "predicted": {name: with_na(codes, shift=1) for name, codes in found.predicted.items()},
        "rows": found.rows + 1,
        "seed": float(found.seed),
        "printed": found.describe(),
    }
