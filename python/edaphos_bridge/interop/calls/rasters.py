"""Calls that read rasters: tile data sets, patches and embeddings at points, alignment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.embed_at_coords import foundation_embed_at_coords
from edaphos_bridge.interop.calls.held import encoder_behind, labels_of, tiles_behind
from edaphos_bridge.interop.calls.values import as_levels, with_na
from edaphos_bridge.patches_at_coords import foundation_patches_at_coords
from edaphos_bridge.raster.aligned import align
from edaphos_bridge.raster.shapes import Shapes
from edaphos_bridge.raster.tile_file import tiles_to_bytes
from edaphos_bridge.tile_dataset import make_tile_dataset


@plain
def tile_dataset(*given: Any) -> dict[str, Any]:
    """``foundation_tile_dataset()``: plain values, of its arguments and what draws.

    Cells count from 1.
    """
    values = [*given[:6], cell_labels(given[6]), *given[7:]]
    dataset = make_tile_dataset(*values)
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
            "coords": dataset.coords,
            "classes": None if dataset.classes is None else as_levels(dataset.classes),
            "seed": float(dataset.seed),
            "state": bytearray(tiles_to_bytes(dataset)),
            "printed": dataset.describe(),
        }


@plain
def tile_sample(
    state: Any, batch_size: Any, seed: Any, draw: Callable[[], int]
) -> NDArray[np.float64]:
    """``dataset$sample(batch_size)``: patches (batch_size, C, H, W)."""
    dataset = tiles_behind(state)
    with dataset.raster:
        return dataset.sample(batch_size, seed, draw).astype(np.float64)


@plain
def tile_masks(state: Any) -> dict[str, Any]:
    """``dataset$masks()``: codes (N, H, W) counted from 1, and what they are called."""
    masks = tiles_behind(state).masks()
    return {"codes": with_na(masks.codes.numpy(), 1), "classes": as_levels(masks.classes)}


def cell_labels(given: Any) -> Any:
    """Return what R gives as `labels` of a tile data set as that takes it."""
    if given is None:
        return None
    if "files" in given:
        levels = given["levels"]
        pairs = levels and zip(levels["values"], levels["names"], strict=True)
        return {**given, "levels": levels and {float(value): name for value, name in pairs}}
    classes = given["classes"]
    return Shapes(
        np.column_stack([given["x"], given["y"]]),
        np.asarray(given["ring"], dtype=np.int64),
        np.asarray(given["shape"], dtype=np.int64),
        classes["numbers"] if "numbers" in classes else labels_of(**classes),
        given["crs"],
    )


@plain
def tile_align(*given: Any) -> str:
    """``foundation_tile_align()``: the path of the file, of its arguments."""
    return str(align(*given))


@plain
def embed_at_coords(
    encoder: Any, coords: Any, stack: Any, dataset: Any, *given: Any
) -> NDArray[np.float64]:
    """``foundation_embed_at_coords()``: an N x D matrix, NaN rows outside."""
    tiles = None if dataset is None else tiles_behind(dataset)
    module = encoder_behind(encoder)
    embedded = foundation_embed_at_coords(module, coords, stack, tiles, *given)
    return embedded.astype(np.float64)


@plain
def patches_at_coords(
    encoder: Any, coords: Any, stack: Any, dataset: Any, fit: Any
) -> NDArray[np.float64]:
    """``foundation_patches_at_coords()``: patches (N, C, H, W), NaN outside.

    Its `fit` is an encoder, or a tile data set.
    """
    tiles, own = (None if state is None else tiles_behind(state) for state in (dataset, fit))
    known = encoder_behind(encoder) if own is None else own
    return foundation_patches_at_coords(known, coords, stack, tiles).astype(np.float64)
