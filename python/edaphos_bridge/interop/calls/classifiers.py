"""Calls that fit classifiers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import flag
from edaphos_bridge.classifier import FoundationClassifier, fit_classifier
from edaphos_bridge.interop.calls.fits import fit_fields
from edaphos_bridge.interop.calls.held import encoder_behind, labels_of, patches
from edaphos_bridge.interop.calls.progress import ToldToR
from edaphos_bridge.interop.calls.splits import kept_in, parting_of
from edaphos_bridge.interop.calls.values import as_levels
from edaphos_bridge.probe_sweep import FoundationProbeSweep, sweep_probes
from edaphos_bridge.training.probe_grid import ProbeGrid
from edaphos_bridge.training.settings import FitSettings


@plain
def fit(
    encoder: Any,
    x: Any,
    labels: dict[str, Any],
    settings: dict[str, Any],
    place: dict[str, Any],
    verbose: Any,
    draw: Callable[[], int],
    on_epoch: Callable[..., Any],
) -> dict[str, Any]:
    """``foundation_fit_classifier()``: the fit as plain values.

    `labels` has ``codes``, which are ``as.integer(y) - 1L`` (an int32 array with R's NA), their
    names ``levels``, and whether they are ``ordered``; `place` has the ``device``. Of the settings,
    ``parting`` is what `parting_of` takes.
    """
    parting = parting_of(settings.pop("parting", None))
    checked = FitSettings.checked(**settings)
    flag("verbose", verbose)
    fitted = fit_classifier(
        encoder_behind(encoder),
        patches(x),
        labels_of(**labels),
        checked,
        place["device"],
        ToldToR("classifier", on_epoch),
        draw,
        parting=parting,
        **kept_in(place),
    )
    return classifier_fields(fitted)


@plain
def probe_sweep(
    encoder: Any,
    x: Any,
    labels: dict[str, Any],
    grid: dict[str, Any],
    *run: Any,
) -> dict[str, Any]:
    """``foundation_probe_sweep()``: the best classifier and the tables as plain values.

    Arguments are those of any fit; a grid has its seeds and draws none.
    """
    place, verbose, _, on_epoch = run
    checked = ProbeGrid.checked(**grid)
    flag("verbose", verbose)
    sweep = sweep_probes(
        encoder_behind(encoder),
        patches(x),
        labels_of(**labels),
        checked,
        place["device"],
        ToldToR("classifier", on_epoch),
    )
    return sweep_fields(sweep)


def classifier_fields(fitted: FoundationClassifier) -> dict[str, Any]:
    """Return the elements of the R object."""
    return fit_fields(
        fitted,
        classes=as_levels(fitted.classes),
        ordered=fitted.ordered,
        class_counts=fitted.class_counts,
        val_accuracy_history=fitted.val_accuracy_history,
    )


def sweep_fields(sweep: FoundationProbeSweep) -> dict[str, Any]:
    """Return the elements of the R object of a sweep, tables as lists of columns."""
    config = sweep.config or None  # a sweep of the first version has none
    if config is not None:
        config = {**config, "seeds": [float(seed) for seed in config["seeds"]]}
    return {
        "classifier": classifier_fields(sweep.classifier),
        "best": sweep.best,
        "settings": sweep.settings.to_dict("list"),
        "results": sweep.results.astype({"seed": float}).to_dict("list"),
        "config": config,
        "printed": sweep.describe(),
    }
