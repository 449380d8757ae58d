"""Calls that fine-tune by a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import flag
from edaphos_bridge.encoders.copying import as_module
from edaphos_bridge.errors import InputError
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.interop.calls.classifiers import classifier_fields
from edaphos_bridge.interop.calls.held import (
    encoder_behind,
    fit_behind,
    labels_of,
    masks_behind,
    patches,
)
from edaphos_bridge.interop.calls.multi_labels import label_sets, multilabel_fields
from edaphos_bridge.interop.calls.progress import ToldToR
from edaphos_bridge.interop.calls.regressors import regressor_fields
from edaphos_bridge.interop.calls.segmenters import segmenter_fields
from edaphos_bridge.interop.calls.splits import kept_in, parting_of
from edaphos_bridge.lr_find import lr_found
from edaphos_bridge.recipes import as_fit, fine_tune_settings, finetuned, recipe_settings, score_of
from edaphos_bridge.training.groups import encoder_groups
from edaphos_bridge.training.phase import Phase, foundation_phase
from edaphos_bridge.training.settings import RecipeSettings


def phase(settings: dict[str, Any]) -> dict[str, Any]:
    """``foundation_phase()``: its values, checked."""
    return foundation_phase(**settings).describe()


@plain
def fine_tune(
    start: Any, x: Any, learnt: dict[str, Any], settings: dict[str, Any], *run: Any
) -> dict[str, Any]:
    """``foundation_fine_tune()``: the fit as plain values; arguments are those of any fit."""
    parting, split = settings.pop("parting", None), settings.pop("split")
    checked = fine_tune_settings(**settings)
    return _finetuned(start_behind(start), x, learnt, checked, parting, split, *run)


@plain
def finetune_classifier(
    start: Any, x: Any, learnt: dict[str, Any], settings: dict[str, Any], *run: Any
) -> dict[str, Any]:
    """``foundation_finetune_classifier()``: the fit as plain values."""
    fit = start_behind(start)
    parting, split = settings.pop("parting", None), settings.pop("split")
    settings["recipe"] = with_phases(settings["recipe"])
    blocks = encoder_groups(as_module(fit, "fit"), split)
    checked = recipe_settings(len(blocks), **settings)
    return _finetuned(as_fit(fit), x, learnt, checked, parting, split, *run)


def _finetuned(
    start: Any,
    x: Any,
    learnt: dict[str, Any],
    settings: RecipeSettings,
    parting: dict[str, Any] | None,
    split: Any,
    place: dict[str, Any],
    verbose: Any,
    draw: Callable[[], int],
    on_epoch: Callable[..., Any],
) -> dict[str, Any]:
    flag("verbose", verbose)
    fitted = finetuned(
        start,
        patches(x),
        learnt_behind(learnt),
        settings,
        place["device"],
        ToldToR("fine-tuning", on_epoch, score_of(start)),
        draw,
        parting=parting_of(parting),
        grouping=split,
        **kept_in(place),
    )
    return fields_of(fitted)


@plain
def lr_find(
    start: Any,
    x: Any,
    learnt: dict[str, Any],
    settings: dict[str, Any],
    draw: Callable[[], int],
) -> dict[str, Any]:
    """``foundation_lr_find()``: its table as columns, and what it suggests."""
    found = lr_found(start_behind(start), patches(x), learnt_behind(learnt), draw=draw, **settings)
    return {
        "table": found.table.to_dict("list"),
        "suggestion": found.suggestion,
        "printed": found.describe(),
    }


def with_phases(recipe: Any) -> Any:
    """Return a recipe by its name, or the phases that R describes."""
    if not isinstance(recipe, list):
        return recipe
    return [_phase_behind(one) if isinstance(one, Mapping) else one for one in recipe]


def start_behind(start: Any) -> Any:
    """Return the encoder or the fit that R holds: a fit is its bytes, with modules of its own."""
    if isinstance(start, Mapping):
        return fit_behind(start["state"], start["modules"])
    return encoder_behind(start)


def _phase_behind(values: Mapping[str, Any]) -> Phase:
    try:
        return foundation_phase(**values)
    except TypeError as error:  # the list that R holds was changed
        raise InputError(
            "recipe",
            "has a phase without what foundation_phase() gives it, or with more",
            found=", ".join(values),
            hint="foundation_phase() makes one.",
        ) from error


def learnt_behind(learnt: dict[str, Any]) -> Any:
    """Return what a fit learns, from what R's ``to_labels()`` and its sisters give."""
    if "codes" in learnt:
        return labels_of(**learnt)
    if "masks" in learnt:
        return masks_behind(**learnt)
    if "lists" in learnt:
        return label_sets(**learnt)
    values, names = learnt["values"], learnt["names"]
    return values if names is None else pd.DataFrame(values, columns=names)


_FIELDS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "classification": classifier_fields,
    "regression": regressor_fields,
    "multilabel": multilabel_fields,
    "segmentation": segmenter_fields,
}


def fields_of(fitted: FoundationFit) -> dict[str, Any]:
    """Return the elements of the R object of a fit of any task."""
    return _FIELDS[fitted.task.name](fitted)


def how_of(settings: dict[str, Any], place: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `finetuned` beside its settings, and take them out of these."""
    parting = parting_of(settings.pop("parting", None))
    return {"parting": parting, "grouping": settings.pop("split"), **kept_in(place)}
