"""The calls of the R functions, with R's values and R's notation.

Both ways in from R, reticulate and rpy2, end here. Arguments are plain values (None, bool,
int, float, str, list, dict, NumPy arrays, bytes, callables), or Python objects that R only
holds, and so are results. `answers` carries errors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from edaphos_bridge.ambient import plain
from edaphos_bridge.arguments import flag, whole
from edaphos_bridge.classifier import FoundationClassifier
from edaphos_bridge.datasets import statlog_landsat, statlog_scene
from edaphos_bridge.encoders import foundation
from edaphos_bridge.encoders.copying import own_copy
from edaphos_bridge.encoders.embed import embed as embed_patches
from edaphos_bridge.errors import InputError
from edaphos_bridge.fit_classifier import fit_classifier
from edaphos_bridge.interop.answers import Interrupted
from edaphos_bridge.interop.kept import Kept
from edaphos_bridge.normalisation import Normalisation
from edaphos_bridge.orientation import as_orientation
from edaphos_bridge.patches import Patches
from edaphos_bridge.pretrain.fit import FoundationPretrain
from edaphos_bridge.pretrain.loop import PretrainReport
from edaphos_bridge.pretrain.progress import progress_line as pretrain_line
from edaphos_bridge.pretrain.run import Place, pretrain_encoder
from edaphos_bridge.pretrain.settings import MoCoSettings, PretrainSettings, SimCLRSettings
from edaphos_bridge.pretrain.source import PatchSource, Source, TileSource
from edaphos_bridge.probe_sweep import FoundationProbeSweep, sweep_probes
from edaphos_bridge.raster.embed_at_coords import foundation_embed_at_coords
from edaphos_bridge.raster.patches_at import foundation_patches_at_coords
from edaphos_bridge.raster.tile_file import tiles_from_bytes, tiles_to_bytes
from edaphos_bridge.raster.tiles import FoundationTileDataset, make_tile_dataset
from edaphos_bridge.training.loop import EpochReport, Report
from edaphos_bridge.training.probe_grid import ProbeGrid
from edaphos_bridge.training.progress import progress_line
from edaphos_bridge.training.settings import FitSettings
from edaphos_bridge.weights import foundation_weights as weights_verbs
from edaphos_bridge.weights.encoder_file import encoder_from_bytes, encoder_to_bytes

NA_INTEGER = -(2**31)
"""R's ``NA_integer_`` as an int32 array shows it."""


# --- encoders ----------------------------------------------------------------------------


@plain
def make_encoder(
    architecture: Any,
    in_channels: Any,
    feature_dim: Any,
    proj_dim: Any,
    seed: Any,
    draw: Callable[[], int],
) -> dict[str, Any] | None:
    """``foundation_encoder()``: the encoder as plain values."""
    encoder = foundation.make_encoder(architecture, in_channels, feature_dim, proj_dim, seed, draw)
    return encoder_fields(encoder)


def encoder_fields(module: torch.nn.Module) -> dict[str, Any] | None:
    """Return the elements of the R object, or None for a module of the user's own."""
    description = foundation.describe_encoder(module)
    if description["architecture"] == "custom":
        return None
    return {**description, "state": bytearray(encoder_to_bytes(module))}


def encoder_with(encoder: Any, name: Any, value: Any) -> dict[str, Any] | None:
    """``encoder$normalisation <-`` and ``encoder$patch_orientation <-``: the encoder anew.

    A normalisation is a dict of its fields, or the bytes of a tile data set that has one.
    """
    module = own_copy(encoder_behind(encoder))
    if name == "patch_orientation":
        module.patch_orientation = as_orientation(value)  # type: ignore[assignment]
    else:
        module.normalisation = _normalisation_from(value)  # type: ignore[assignment]
        foundation.check_bands(module)
    return encoder_fields(module)


def _normalisation_from(value: Any) -> Normalisation | None:
    if isinstance(value, bytes | bytearray):
        return tiles_behind(value).normalisation
    try:
        if value is None:
            return None
        return Normalisation.from_dict(
            {**value, "patch_size": whole("patch_size", value["patch_size"])}
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            "normalisation",
            "must have bands, means, sds, normalise and patch_size, as that of a tile dataset",
            found=value if not isinstance(value, dict) else list(value.values()),
            hint="A dataset from foundation_tile_dataset() may be assigned too.",
        ) from error


def encoder_behind(encoder: Any) -> Any:
    """Return the module behind what R holds: bytes of a state, or a Python object itself.

    The module is for reading: the one of a state is kept, and the next call gets it again.
    """
    if isinstance(encoder, bytes | bytearray):
        return _encoders.get(encoder)
    return encoder


_encoders = Kept(lambda state, _: encoder_from_bytes(state))


# --- classifiers -------------------------------------------------------------------------


@plain
def fit(
    encoder: Any,
    x: Any,
    labels: dict[str, Any],
    settings: dict[str, Any],
    device: Any,
    verbose: Any,
    draw: Callable[[], int],
    on_epoch: Callable[..., Any],
) -> dict[str, Any]:
    """``foundation_fit_classifier()``: the fit as plain values.

    `labels` has ``codes``, which are ``as.integer(y) - 1L`` (an int32 array with R's NA), their
    names ``levels``, and whether they are ``ordered``.
    """
    checked = FitSettings.checked(**settings)
    flag("verbose", verbose)
    fitted = fit_classifier(
        encoder_behind(encoder),
        _patches(x),
        _labels(**labels),
        checked,
        device,
        _report(on_epoch),
        draw,
    )
    return classifier_fields(fitted)


@plain
def probe_sweep(
    encoder: Any,
    x: Any,
    labels: dict[str, Any],
    grid: dict[str, Any],
    device: Any,
    verbose: Any,
    on_epoch: Callable[..., Any],
) -> dict[str, Any]:
    """``foundation_probe_sweep()``: the best classifier and the tables as plain values."""
    checked = ProbeGrid.checked(**grid)
    flag("verbose", verbose)
    sweep = sweep_probes(
        encoder_behind(encoder),
        _patches(x),
        _labels(**labels),
        checked,
        device,
        _report(on_epoch),
    )
    return sweep_fields(sweep)


def sweep_fields(sweep: FoundationProbeSweep) -> dict[str, Any]:
    """Return the elements of the R object of a sweep, tables as lists of columns."""
    return {
        "classifier": classifier_fields(sweep.classifier),
        "best": sweep.best,
        "settings": sweep.settings.to_dict("list"),
        "results": sweep.results.astype({"seed": float}).to_dict("list"),
        "config": {**sweep.config, "seeds": [float(seed) for seed in sweep.config["seeds"]]},
    }


@plain
def predict(
    state: Any,
    encoder: Any,
    x: Any,
    type: Any,
    device: Any,
    coords: Any = None,
    dataset: Any = None,
) -> dict[str, Any]:
    """``predict()``: codes counted from 1 for "class", an N x n_classes matrix for "prob"."""
    fitted = revive(state, encoder_behind(encoder))
    source = _patches(x, allow_empty=True) if coords is None else x
    tiles = None if dataset is None else tiles_behind(dataset)
    prediction = fitted.predict(source, type=type, device=device, coords=coords, dataset=tiles)
    if isinstance(prediction, pd.Categorical):
        return {"codes": _with_na(prediction.codes, shift=1)}
    return {"prob": prediction.to_numpy()}


def revive(state: bytes | bytearray, encoder: Any = None) -> FoundationClassifier:
    """Return the classifier in `state`, kept while it is in use.

    The R object holds bytes, so it survives ``saveRDS()``; this is its Python side.
    """
    return _classifiers.get(state, encoder)


_classifiers = Kept(lambda state, encoder: FoundationClassifier.from_bytes(state, encoder=encoder))


def classifier_fields(fitted: FoundationClassifier) -> dict[str, Any]:
    """Return the elements of the R object, in its order."""
    encoder = encoder_fields(fitted.encoder)
    return {
        "encoder": encoder,
        "module": fitted.encoder if encoder is None else None,
        "head": {
            name: tensor.cpu().double().numpy() for name, tensor in fitted.head.state_dict().items()
        },
        "classes": [str(value) for value in fitted.classes],
        "ordered": fitted.ordered,
        "loss_history": fitted.loss_history,
        "val_accuracy_history": fitted.val_accuracy_history,
        # as a double: reticulate would turn a whole number beyond R's integers into 0
        "config": {**fitted.config, "seed": float(fitted.config["seed"])},
        "feature_dim": fitted.feature_dim,
        "head_type": fitted.head_type,
        "freeze_backbone": fitted.freeze_backbone,
        "device": fitted.device,
        "in_channels": fitted.in_channels,
        "patch_size": fitted.patch_size,
        "class_counts": fitted.class_counts,
        "overlapping": fitted.overlapping,
        "normalisation": _normalisation_fields(fitted.normalisation),
        "state": bytearray(fitted.to_bytes()),
    }


def _normalisation_fields(normalisation: Normalisation | None) -> dict[str, Any] | None:
    return None if normalisation is None else normalisation.to_dict()


def _patches(x: Any, *, allow_empty: bool = False, argument: str = "x") -> Patches:
    return Patches(
        _patches_behind(x),
        missing_value=_missing_value(x),
        allow_empty=allow_empty,
        argument=argument,
    )


def _patches_behind(x: Any) -> Any:
    """Return what R holds: the tile data set of a state, or an array or path itself."""
    return tiles_behind(x) if isinstance(x, bytes | bytearray) else x


def _missing_value(x: Any) -> int | None:
    is_r_integer = isinstance(x, np.ndarray) and x.dtype == np.int32
    return NA_INTEGER if is_r_integer else None


def _labels(codes: Any, levels: Any, ordered: bool) -> pd.Categorical:
    # NA - 1 is still NA in R; a Categorical calls it -1.
    codes = np.where(np.asarray(codes) == NA_INTEGER, -1, codes)
    return pd.Categorical.from_codes(codes.tolist(), categories=list(levels), ordered=ordered)


def _report(on_epoch: Callable[..., Any]) -> Report:
    def report(epoch: EpochReport) -> None:
        line = progress_line(epoch) or ""
        _tell(on_epoch, epoch.epoch, epoch.epochs, epoch.loss, epoch.val_accuracy, line)

    return report


def _tell(on_epoch: Callable[..., Any], *news: Any) -> None:
    try:
        go_on = on_epoch(*news)
    except Exception as left:  # R was about to jump out of its function
        raise Interrupted from left
    if not go_on:
        raise Interrupted


# --- pretraining -------------------------------------------------------------------------


@plain
def pretrain(
    method: Any,
    x: Any,
    settings: dict[str, Any],
    place: dict[str, Any],
    verbose: Any,
    draw: Callable[[], int],
    on_epoch: Callable[..., Any],
) -> dict[str, Any]:
    """``foundation_moco_pretrain()`` and ``foundation_simclr_pretrain()``: plain values."""
    kinds: dict[str, type[MoCoSettings | SimCLRSettings]]
    kinds = {"moco": MoCoSettings, "simclr": SimCLRSettings}
    checked = kinds[method].checked(**settings)
    flag("verbose", verbose)
    where = Place.checked(**place)
    source = PatchSource(_patches(x, argument="patches"))
    return _pretrained(source, checked, where, draw, on_epoch)


@plain
def pretrain_tiles(
    method: Any,
    dataset: Any,
    settings: dict[str, Any],
    place: dict[str, Any],
    verbose: Any,
    draw: Callable[[], int],
    on_epoch: Callable[..., Any],
) -> dict[str, Any]:
    """``foundation_moco_pretrain_tiles()``: plain values; `dataset` is the bytes of its state."""
    checked = MoCoSettings.checked(**settings)
    flag("verbose", verbose)
    where = Place.checked(**place)
    return _pretrained(TileSource(tiles_behind(dataset)), checked, where, draw, on_epoch)


def _pretrained(
    source: Source,
    settings: PretrainSettings,
    place: Place,
    draw: Callable[[], int],
    on_epoch: Callable[..., Any],
) -> dict[str, Any]:
    def report(epoch: PretrainReport) -> None:
        _tell(on_epoch, epoch.epoch, epoch.epochs, epoch.loss, None, pretrain_line(epoch) or "")

    return pretrain_fields(pretrain_encoder(source, settings, place, report, draw))


def pretrain_fields(fitted: FoundationPretrain) -> dict[str, Any]:
    """Return the elements of the R object, in its order."""
    return {
        "encoder": encoder_fields(fitted.encoder),
        "loss_history": fitted.loss_history,
        "final_loss": fitted.final_loss,
        # as a double: reticulate would turn a whole number beyond R's integers into 0
        "config": {**fitted.config, "seed": float(fitted.config["seed"])},
        "method": fitted.method,
        "normalisation": _normalisation_fields(fitted.normalisation),
        "device": fitted.device,
        "in_channels": fitted.in_channels,
        "feature_dim": fitted.feature_dim,
        "proj_dim": fitted.proj_dim,
        "patch_size": fitted.patch_size,
        "batch_size": fitted.batch_size,
        **({} if fitted.queue_size is None else {"queue_size": fitted.queue_size}),
        "state": bytearray(fitted.to_bytes()),
    }


# --- rasters -----------------------------------------------------------------------------


def tile_dataset(
    stack: Any,
    patch_size: Any,
    n_patches: Any,
    valid_mask: Any,
    normalise: Any,
    seed: Any,
    draw: Callable[[], int],
) -> dict[str, Any]:
    """``foundation_tile_dataset()``: plain values; cells count from 1."""
    dataset = make_tile_dataset(stack, patch_size, n_patches, valid_mask, normalise, seed, draw)
    with dataset.raster:
        return {
            "patch_size": dataset.patch_size,
            "n_patches": dataset.n_patches,
            "n_channels": dataset.n_channels,
            "height": dataset.height,
            "width": dataset.width,
            "bands": dataset.bands,
            "means": list(dataset.means),
            "sds": list(dataset.sds),
            "normalise": dataset.normalisation.normalise,
            "cells": (dataset.cells + 1).astype(np.int32),
            "seed": float(dataset.seed),
            "state": bytearray(tiles_to_bytes(dataset)),
        }


def tiles_behind(state: Any) -> FoundationTileDataset:
    """Return the dataset that R's bytes describe; its files are opened when they are read."""
    return tiles_from_bytes(bytes(state))


def tile_sample(
    state: Any, batch_size: Any, seed: Any, draw: Callable[[], int]
) -> NDArray[np.float64]:
    """``dataset$sample(batch_size)``: patches (batch_size, C, H, W)."""
    dataset = tiles_behind(state)
    with dataset.raster:
        return dataset.sample(batch_size, seed, draw).astype(np.float64)


@plain
def embed_at_coords(
    encoder: Any,
    coords: Any,
    stack: Any,
    dataset: Any,
    patch_size: Any,
    batch_size: Any,
    projection: Any,
) -> NDArray[np.float64]:
    """``foundation_embed_at_coords()``: an N x D matrix, NaN rows outside."""
    tiles = None if dataset is None else tiles_behind(dataset)
    embedded = foundation_embed_at_coords(
        encoder_behind(encoder), coords, stack, tiles, patch_size, batch_size, projection
    )
    return embedded.astype(np.float64)


def patches_at_coords(encoder: Any, coords: Any, stack: Any, dataset: Any) -> NDArray[np.float64]:
    """``foundation_patches_at_coords()``: patches (N, C, H, W), NaN outside; no encoder is none."""
    tiles = None if dataset is None else tiles_behind(dataset)
    fit = tiles if encoder is None else encoder_behind(encoder)
    return foundation_patches_at_coords(fit, coords, stack, tiles).astype(np.float64)


# --- embeddings and weights ---------------------------------------------------------------


@plain
def embed(architecture: str, encoder: Any, x: Any, projection: Any) -> NDArray[np.float64]:
    """``foundation_moco_embed()`` and ``foundation_simclr_embed()``: an N x D matrix."""
    module = encoder_behind(encoder)
    patches, missing_value = _patches_behind(x), _missing_value(x)
    embedded = embed_patches(architecture, module, patches, projection, missing_value=missing_value)
    return embedded.astype(np.float64)


def weights_list() -> dict[str, Any]:
    """``foundation_weights_list()``: columns; "" and NaN stand for what is not known."""
    return _columns(weights_verbs.foundation_weights_list())


def _columns(table: pd.DataFrame) -> dict[str, Any]:
    return {
        column: values.astype(float).fillna(np.nan).tolist()
        if values.dtype == "Int64"
        else values.fillna("").tolist()
        for column, values in ((name, table[name]) for name in table.columns)
    }


def weights_download(
    name: Any, cache_dir: Any, overwrite: Any, timeout_sec: Any, verbose: Any
) -> dict[str, Any]:
    """``foundation_weights_download()``: path, entry of the registry, and what happened."""
    lines: list[str] = []
    say = lines.append if flag("verbose", verbose) else weights_verbs.mute
    path = weights_verbs.fetch(name, cache_dir, overwrite, timeout_sec, say)
    table = weights_verbs.foundation_weights_list()
    return {"path": str(path), "entry": _columns(table[table["name"] == name]), "lines": lines}


@plain
def weights_load(
    source: Any,
    n_channels: Any,
    feature_dim: Any,
    proj_dim: Any,
    cache_dir: Any,
    overwrite: Any,
    verbose: Any,
    patch_orientation: Any,
) -> dict[str, Any]:
    """``foundation_weights_load()``: the encoder as plain values, and lines."""
    lines: list[str] = []
    say = lines.append if flag("verbose", verbose) else weights_verbs.mute
    widths = (n_channels, feature_dim, proj_dim)
    encoder = weights_verbs.load(source, *widths, cache_dir, overwrite, say, patch_orientation)
    return {"encoder": encoder_fields(encoder), "lines": lines}


@plain
def weights_save(encoder: Any, path: Any) -> str:
    """``foundation_weights_save()``: the path."""
    return str(weights_verbs.foundation_weights_save(encoder_behind(encoder), path))


# --- data sets ---------------------------------------------------------------------------


def landsat() -> dict[str, Any]:
    """``statlog_landsat()``: patches as int32, codes counted from 1."""
    data = statlog_landsat()
    return {
        "x": data.x.astype(np.int32),
        "codes": data.y.codes.astype(np.int32) + 1,
        "levels": list(data.y.categories),
        "train": data.train,
    }


def scene() -> dict[str, Any]:
    """``statlog_scene()``: unknown is R's NA; labels and rows count from 1."""
    data = statlog_scene()
    return {
        "image": _with_na(data.image),
        "labels": _with_na(data.labels, shift=1),
        "row": _with_na(data.row, shift=1),
        "classes": data.classes,
    }


def _with_na(values: NDArray[Any], shift: int = 0) -> NDArray[np.int32]:
    """Return whole numbers for R: negative ones are NA, the others are shifted."""
    values = values.astype(np.int32)
    return np.where(values < 0, np.int32(NA_INTEGER), values + np.int32(shift))
