"""Calls that fine-tune by a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import flag
from edaphos_bridge.encoders.copying import as_module
from edaphos_bridge.interop.calls.classifiers import classifier_fields
from edaphos_bridge.interop.calls.held import (
    encoder_behind,
    fit_behind,
    labels_of,
    patches,
)
from edaphos_bridge.interop.calls.progress import ToldToR
from edaphos_bridge.interop.calls.splits import parting_of
from edaphos_bridge.lr_find import lr_found
from edaphos_bridge.recipes import as_fit, fine_tune_settings, finetuned, recipe_settings
from edaphos_bridge.training.groups import encoder_groups
from edaphos_bridge.training.phase import foundation_phase


def phase(settings: dict[str, Any]) -> dict[str, Any]:
    """``foundation_phase()``: its values, checked."""
    return foundation_phase(**settings).describe()


@plain
def fine_tune(
    start: Any,
    x: Any,
    labels: dict[str, Any],
    settings: dict[str, Any],
    place: dict[str, Any],
    verbose: Any,
    draw: Callable[[], int],
    on_epoch: Callable[..., Any],
) -> dict[str, Any]:
    """``foundation_fine_tune()``: the fit as plain values; arguments are those of any fit."""
    how = {"parting": parting_of(settings.pop("parting", None)), "grouping": settings.pop("split")}
    checked = fine_tune_settings(**settings)
    flag("verbose", verbose)
    told = ToldToR("fine-tuning", on_epoch)
    fitted = finetuned(
        start_behind(start),
        patches(x),
        labels_of(**labels),
        checked,
        place["device"],
        told,
        draw,
        **how,
    )
    return classifier_fields(fitted)


@plain
def finetune_classifier(
    start: Any,
    x: Any,
    labels: dict[str, Any],
    settings: dict[str, Any],
    place: dict[str, Any],
    verbose: Any,
    draw: Callable[[], int],
    on_epoch: Callable[..., Any],
) -> dict[str, Any]:
    """``foundation_finetune_classifier()``: the fit as plain values."""
    fit = start_behind(start)
    how = {"parting": parting_of(settings.pop("parting", None)), "grouping": settings.pop("split")}
    if isinstance(settings["recipe"], list):
        settings["recipe"] = [
            foundation_phase(**one) if isinstance(one, Mapping) else one
            for one in settings["recipe"]
        ]
    checked = recipe_settings(
        len(encoder_groups(as_module(fit, "fit"), how["grouping"])), **settings
    )
    flag("verbose", verbose)
    told = ToldToR("fine-tuning", on_epoch)
    fitted = finetuned(
        as_fit(fit),
        patches(x),
        labels_of(**labels),
        checked,
        place["device"],
        told,
        draw,
        **how,
    )
    return classifier_fields(fitted)


@plain
def lr_find(
    start: Any,
    x: Any,
    labels: dict[str, Any],
    settings: dict[str, Any],
    draw: Callable[[], int],
) -> dict[str, Any]:
    """``foundation_lr_find()``: its table as columns, and what it suggests."""
    found = lr_found(start_behind(start), patches(x), labels_of(**labels), draw=draw, **settings)
    return {
        "table": found.table.to_dict("list"),
        "suggestion": found.suggestion,
        "printed": found.describe(),
    }


def start_behind(start: Any) -> Any:
    """Return the encoder or the fit that R holds: a fit is its bytes, with a module of its own."""
    if isinstance(start, Mapping):
        return fit_behind(start["state"], encoder_behind(start["encoder"]))
    return encoder_behind(start)
