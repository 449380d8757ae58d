"""What tells a call that computes for long from any other one: settings and data as JSON values."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from edaphos_bridge.data.folds import Fold
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.copying import as_module
from edaphos_bridge.encoders.digest import digest_of_module
from edaphos_bridge.errors import InputError
from edaphos_bridge.pretrain.source import PatchSource, TileSource
from edaphos_bridge.raster.tiles import FoundationTileDataset


def told_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as JSON values.

    Raises
    ------
    InputError
        If one is something that cannot be told from another one.
    """
    return {name: _told(name, value) for name, value in settings.items()}


def digest_of_patches(x: Any) -> str:
    """Return a digest of patches, or of how a tile data set makes them."""
    is_tiles = isinstance(x, FoundationTileDataset)
    source = TileSource(x) if is_tiles else PatchSource(Patches(x))
    return source.fingerprint()


def digest_of_folds(folds: Sequence[Fold]) -> str:
    """Return a digest of the rows of folds."""
    rows = [(fold.name, fold.train.tolist(), fold.test.tolist()) for fold in folds]
    return _digest(repr(rows))


def _told(argument: str, value: Any) -> Any:
    """Return a setting as JSON values."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return int(value) if value.is_integer() else value  # R's whole numbers are doubles
    if isinstance(value, list | tuple):
        return [_told(argument, part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): _told(argument, part) for name, part in value.items()}
    if isinstance(value, np.ndarray | torch.Tensor):
        return _told(argument, value.tolist())
    if isinstance(value, nn.Module):
        return digest_of_module(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return [type(value).__name__, _told(argument, parts)]
    raise InputError(
        argument,
        "cannot be told from another one, as folds that are kept need it",
        found=type(value).__name__,
        hint="Leave out `checkpoint_dir`.",
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest_of_encoder(encoder: Any) -> str:
    """Return a digest of an encoder, and of the head of a fit."""
    head = None if isinstance(encoder, nn.Module) else getattr(encoder, "head", None)
    digest = digest_of_module(as_module(encoder))
    return digest if not isinstance(head, nn.Module) else digest + digest_of_module(head)


def digest_of_targets(y: Any) -> str:
    """Return a digest of labels or targets, and of the order of their classes."""
    categories = getattr(getattr(y, "cat", y), "categories", None)
    order = None if categories is None else list(categories)
    return _digest(repr((np.asarray(y, dtype=object).tolist(), order)))
