"""Calls that map a raster to a GeoTIFF: predictions, embeddings, and what is made of such maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edaphos_bridge.applicability_raster import applicability_raster as make_applicability_map
from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.embed_raster import embed_raster as make_embedding_map
from edaphos_bridge.ensemble import FoundationEnsemble
from edaphos_bridge.interop.calls.ensembles import ensemble_behind
from edaphos_bridge.interop.calls.held import encoder_behind, fit_behind, tiles_behind
from edaphos_bridge.interop.calls.progress import BlocksToldToR
from edaphos_bridge.interop.calls.values import as_levels
from edaphos_bridge.maps.applicability import FoundationApplicability
from edaphos_bridge.maps.run import Output
from edaphos_bridge.predict_raster import predict_raster as make_prediction_map
from edaphos_bridge.raster.file_part import rasterio
from edaphos_bridge.raster.probabilities import open_probabilities
from edaphos_bridge.smooth_raster import smooth_raster as make_smoothed_map
from edaphos_bridge.uncertainty_raster import uncertainty_raster as make_uncertainty_map

_OF_OUTPUT = ("out", "block_size", "client", "overwrite", "resume", "options", "verbose")


@plain
def predict_raster(
    state: Any,
    modules: Any,
    stack: Any,
    dataset: Any,
    settings: dict[str, Any],
    on_block: Callable[..., Any],
) -> dict[str, Any] | None:
    """``predict()`` of a raster: a file, and the classes and colours of a map of classes.

    `state` is that of a fit, or a list of those of an ensemble's members; `settings` are the other
    arguments of the verb, ``out`` among them, and ``draw``, which gives a seed where there is none.
    """
    is_fit = isinstance(state, bytes | bytearray)
    fitted = fit_behind(state, modules) if is_fit else ensemble_behind(state, modules)
    given = {"n_draws": None, "seed": None, **settings}
    output, rest = _output(given, on_block)
    path = make_prediction_map(fitted, stack, output, dataset=_tiles(dataset), **rest)
    first = fitted.members[0] if isinstance(fitted, FoundationEnsemble) else fitted
    return _codes_of(path, first.task.classes) if first.task.one_class else None


@plain
def embed_raster(
    encoder: Any,
    stack: Any,
    dataset: Any,
    settings: dict[str, Any],
    on_block: Callable[..., Any],
) -> None:
    """``foundation_embed_raster()``: a file; `settings` are as those of `predict_raster`."""
    output, rest = _output(settings, on_block)
    make_embedding_map(encoder_behind(encoder), stack, output, dataset=_tiles(dataset), **rest)


@plain
def smooth_raster(
    stack: Any, settings: dict[str, Any], on_block: Callable[..., Any]
) -> dict[str, Any] | None:
    """``foundation_smooth()``: a file, and the classes and colours of a map of classes.

    `settings` are the other arguments of ``foundation_smooth_raster``.
    """
    with open_probabilities(stack) as raster:
        classes = raster.bands
    output, rest = _output(settings, on_block)
    path = make_smoothed_map(stack, output, **rest)
    return _codes_of(path, classes)


@plain
def uncertainty_raster(stack: Any, settings: dict[str, Any], on_block: Callable[..., Any]) -> None:
    """``foundation_uncertainty()`` of a raster: a file; `settings` are as in `smooth_raster`."""
    output, rest = _output(settings, on_block)
    make_uncertainty_map(stack, output, **rest)


@plain
def applicability_raster(
    known: dict[str, Any], stack: Any, settings: dict[str, Any], on_block: Callable[..., Any]
) -> None:
    """``predict()`` of ``foundation_applicability()`` and a raster: a file."""
    output, _ = _output(settings, on_block)
    make_applicability_map(FoundationApplicability.from_dict(known), stack, output)


def _output(
    settings: dict[str, Any], on_block: Callable[..., Any]
) -> tuple[Output, dict[str, Any]]:
    """Return where a map goes, which all verbs of maps are given alike, and the other settings."""
    given = {name: settings[name] for name in _OF_OUTPUT}
    rest = {name: value for name, value in settings.items() if name not in _OF_OUTPUT}
    return Output.of(**given, tell=BlocksToldToR(on_block)), rest


def _codes_of(path: Any, classes: Sequence[Any]) -> dict[str, Any] | None:
    """Return the names and colours ``#rrggbb`` of the codes 1 to K of a map, None of numbers."""
    with rasterio().open(path) as file:
        if file.dtypes[0] == "float32":
            return None
        table = file.colormap(1)
    colours = ["#{:02x}{:02x}{:02x}".format(*table[code]) for code in range(1, len(classes) + 1)]
    return {"classes": as_levels(classes), "colours": colours}


def _tiles(dataset: Any) -> Any:
    return None if dataset is None else tiles_behind(dataset)
