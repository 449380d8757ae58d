"""Calls that fit multi-label classifiers and look at their errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import flag
from edaphos_bridge.interop.calls.fits import fit_fields
from edaphos_bridge.interop.calls.held import encoder_behind, fit_behind, patches
from edaphos_bridge.interop.calls.progress import ToldToR
from edaphos_bridge.interop.calls.splits import kept_in, parting_of
from edaphos_bridge.multi_label import MACRO_F1, FoundationMultiLabel, fit_multilabel
from edaphos_bridge.training.settings import FitSettings


@plain
def multilabel(
    encoder: Any,
    x: Any,
    labels: dict[str, Any],
    settings: dict[str, Any],
    place: dict[str, Any],
    verbose: Any,
    draw: Callable[[], int],
    on_epoch: Callable[..., Any],
) -> dict[str, Any]:
    """``foundation_fit_multilabel()``: the fit as plain values; `labels` as `label_sets` has it."""
    threshold = settings.pop("threshold")
    parting = parting_of(settings.pop("parting", None))
    checked = FitSettings.checked(**settings)
    flag("verbose", verbose)
    fitted = fit_multilabel(
        encoder_behind(encoder),
        patches(x),
        label_sets(**labels),
        threshold,
        checked,
        place["device"],
        ToldToR("multilabel", on_epoch, MACRO_F1),
        draw,
        parting=parting,
        **kept_in(place),
    )
    return multilabel_fields(fitted)


@plain
def multi_top_losses(
    state: Any, modules: Any, x: Any, labels: dict[str, Any], k: Any, threshold: Any, device: Any
) -> dict[str, Any]:
    """``foundation_multi_top_losses()``: columns; rows are counted from 1."""
    fitted = fit_behind(state, modules)
    assert isinstance(fitted, FoundationMultiLabel)
    table = fitted.multi_top_losses(
        patches(x), label_sets(**labels), k, device, threshold=threshold
    )
    return {
        "row": (table["row"] + 1).tolist(),
        "loss": table["loss"].tolist(),
        "actual": table["actual"].tolist(),
        "predicted": table["predicted"].tolist(),
        "prob": table[[f".pred_{name}" for name in fitted.labels]].to_numpy(),
    }


def label_sets(values: Any, names: Any, lists: Any) -> Any:
    """Return R's labels: `values`, a matrix with the `names` of columns or None, or `lists`."""
    if lists is not None:
        return lists
    return values if names is None else pd.DataFrame(values, columns=names)


def multilabel_fields(fitted: FoundationMultiLabel) -> dict[str, Any]:
    """Return the elements of the R object."""
    return fit_fields(
        fitted,
        labels=fitted.labels,
        threshold=fitted.threshold,
        label_counts=fitted.label_counts,
        n_patches=fitted.n_patches(),
        val_f1_history=fitted.val_f1_history,
    )
