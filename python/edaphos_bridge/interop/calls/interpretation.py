"""Calls that say what a fit does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge.attribute import attribute as attribute_outputs
from edaphos_bridge.band_importance import band_importance as importance_of_bands
from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.colours import own_colours
from edaphos_bridge.calibrate import foundation_calibrate
from edaphos_bridge.embedding_map import foundation_embedding_map
from edaphos_bridge.embeddings import features_of
from edaphos_bridge.interop.calls.classifiers import classifier_fields
from edaphos_bridge.interop.calls.held import (
    encoder_behind,
    fit_behind,
    labels_of,
    masks_behind,
    patches,
)
from edaphos_bridge.interop.calls.values import NA_INTEGER, as_levels, with_na
from edaphos_bridge.interpret import interpret as interpret_fit
from edaphos_bridge.interpretation.attribution_result import FoundationAttribution
from edaphos_bridge.interpretation.classification import ClassificationInterpretation
from edaphos_bridge.interpretation.embedding_map import FoundationEmbeddingMap
from edaphos_bridge.interpretation.importance import FoundationBandImportance
from edaphos_bridge.interpretation.result import FoundationInterpretation
from edaphos_bridge.interpretation.segmentation import SegmentationInterpretation
from edaphos_bridge.knn import knn as knn_of


@plain
def interpret(
    state: Any,
    modules: Any,
    x: Any,
    truth: Any,
    units: dict[str, Any],
    settings: dict[str, Any],
    train: dict[str, Any] | None,
    draw: Callable[[], int],
) -> dict[str, Any]:
    """``foundation_interpret()``: scores and predictions as plain values.

    `truth` is a dict as `labels` of a fit, as `masks_behind` takes it, or with ``values``; `units`
    has ``groups``, codes from 0 on, ``blocks``, points, and ``block_size``; `train` has ``x`` and
    ``y``.
    """
    learnt_from = None
    if train is not None:
        learnt_from = (patches(train["x"], argument="train"), _truth(train["y"]))
    found = interpret_fit(
        fit_behind(state, modules),
        patches(x),
        _truth(truth),
        train=learnt_from,
        draw=draw,
        **_units(units),
        **settings,
    )
    return interpretation_fields(found)


@plain
def knn(
    encoder: Any,
    x: Any,
    labels: dict[str, Any],
    newx: Any,
    newlabels: dict[str, Any] | None,
    units: dict[str, Any],
    settings: dict[str, Any],
    draw: Callable[[], int],
) -> dict[str, Any]:
    """``foundation_knn()``: as `interpret`."""
    found = knn_of(
        encoder_behind(encoder),
        patches(x),
        labels_of(**labels),
        None if newx is None else patches(newx, argument="newx"),
        None if newlabels is None else labels_of(**newlabels),
        draw=draw,
        **_units(units),
        **settings,
    )
    return interpretation_fields(found)


@plain
def calibrate(state: Any, modules: Any, x: Any, labels: dict[str, Any]) -> dict[str, Any]:
    """``foundation_calibrate()``: the classifier as plain values."""
    fitted = fit_behind(state, modules)
    return classifier_fields(foundation_calibrate(fitted, patches(x), labels_of(**labels)))


@plain
def attribute(
    state: Any, modules: Any, x: Any, method: Any, target: Any, baseline: Any, n_steps: Any
) -> dict[str, Any]:
    """``foundation_attribute()``: attributions and patches as arrays."""
    fitted = fit_behind(state, modules)
    found = attribute_outputs(fitted, patches(x), method, target, baseline, n_steps, first_band=1)
    return attribution_fields(found)


@plain
def band_importance(
    state: Any,
    modules: Any,
    x: Any,
    truth: Any,
    n_repeats: Any,
    seed: Any,
    draw: Callable[[], int],
) -> dict[str, Any]:
    """``foundation_band_importance()``: the table and all its repeats."""
    fitted = fit_behind(state, modules)
    found = importance_of_bands(
        fitted, patches(x), _truth(truth), n_repeats, seed, draw=draw, first_band=1
    )
    return importance_fields(found)


@plain
def features(encoder: Any, x: Any) -> NDArray[np.float64]:
    """``foundation_embed()``: an N x D matrix."""
    return features_of(encoder_behind(encoder), patches(x, allow_empty=True)).astype(np.float64)


@plain
def embedding_map(encoder: Any, x: Any, labels: dict[str, Any] | None) -> dict[str, Any]:
    """``foundation_embedding_map()``: points as a matrix."""
    y = None if labels is None else labels_of(**labels)
    return map_fields(foundation_embedding_map(encoder_behind(encoder), patches(x), y))


def interpretation_fields(found: FoundationInterpretation) -> dict[str, Any]:
    """Return the elements of the R object; rows and classes are counted from 1."""
    outcome = found.outcome
    fields: dict[str, Any] = {
        "kind": _kind_of(found),
        "scores": scores_fields(found.as_table()),
        "loss": outcome.losses,
        "units": found.units.kind,
        "n_units": found.units.n,
        "n_boot": found.n_boot,
        "seed": float(found.seed),
        "baselines": list(found.baselines),
        "picture_rows": found.picture_rows + 1,
        "patches": found.patches.astype(np.float64),
        "printed": found.describe(),
    }
    if isinstance(found, ClassificationInterpretation):
        return {
            **fields,
            "classes": as_levels(found.classes),
            "actual": outcome.actual + 1,
            "predicted": outcome.predicted + 1,
            "probabilities": outcome.probabilities,
            "confusion": outcome.confusion(),
            "reliability": found.reliability().to_dict("list"),
        }
    if isinstance(found, SegmentationInterpretation):
        tiles = found.top_losses().sort_values("row")
        return {
            **fields,
            "classes": as_levels(found.classes),
            "colours": colours_of(found.classes),
            "masks": with_na(found.masks, shift=1),
            "predicted": with_na(found.predicted, shift=1),
            "confusion": found.confusion.to_numpy(dtype=np.float64),
            "labelled": tiles["labelled"].to_list(),
            "pixel_accuracy": tiles["pixel_accuracy"].to_list(),
        }
    return {
        **fields,
        "targets": getattr(found, "targets"),  # noqa: B009
        "actual": outcome.actual,
        "predicted": outcome.predicted,
    }


def _kind_of(found: FoundationInterpretation) -> str:
    if isinstance(found, SegmentationInterpretation):
        return "segmentation"
    is_of_classes = isinstance(found, ClassificationInterpretation)
    return "classification" if is_of_classes else "regression"


def colours_of(classes: Sequence[Any]) -> list[str]:
    """Return the colours of classes, as maps have them, in R's notation."""
    return ["#{:02x}{:02x}{:02x}".format(*colour) for colour in own_colours(len(classes))]


def scores_fields(table: pd.DataFrame) -> dict[str, list[Any]]:
    """Return the columns of a table of scores; what a score of all together is of is ""."""
    of = "class" if "class" in table else "target"
    table[of] = table[of].map(lambda name: "" if name is None else as_levels([name])[0])
    columns: dict[str, list[Any]] = table.to_dict("list")
    return columns


def attribution_fields(found: FoundationAttribution) -> dict[str, Any]:
    """Return the elements of the R object."""
    return {
        "values": found.values.astype(np.float64),
        "method": found.method,
        "target": as_levels(found.target),
        "prediction": [
            value if isinstance(value, float) else str(value) for value in found.prediction
        ],
        "patches": found.patches.astype(np.float64),
        "bands": found.bands,
        "printed": found.describe(),
    }


def importance_fields(found: FoundationBandImportance) -> dict[str, Any]:
    """Return the elements of the R object."""
    return {
        "importance": found.as_table().to_dict("list"),
        "losses": found.losses,
        "metric": found.metric,
        "score": found.score,
        "bands": found.bands,
        "seed": float(found.seed),
        "label": found.label,
        "printed": found.describe(),
    }


def map_fields(found: FoundationEmbeddingMap) -> dict[str, Any]:
    """Return the elements of the R object; classes are text."""
    return {
        "points": found.points,
        "explained": found.explained,
        "classes": None if found.classes is None else as_levels(found.classes),
        "levels": None if found.levels is None else as_levels(found.levels),
        "labels": list(found.labels),
        "printed": found.describe(),
    }


def _truth(truth: Any) -> Any:
    """Return labels, masks, or the numbers of what R's ``to_targets()`` gives."""
    if "masks" in truth:
        return masks_behind(**truth)
    return labels_of(**truth) if "codes" in truth else truth["values"]


def _units(units: dict[str, Any]) -> dict[str, Any]:
    """Return groups from R's codes, NA among them, beside where patches lie."""
    codes = units["groups"]
    groups = None if codes is None else np.where(codes == NA_INTEGER, np.nan, codes)
    return {**units, "groups": groups}
