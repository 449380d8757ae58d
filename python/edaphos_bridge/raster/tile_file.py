"""Tile datasets as bytes: places, statistics and the raster's files, but none of its cells."""

from __future__ import annotations

import torch

from edaphos_bridge.raster.tiles import FoundationTileDataset
from edaphos_bridge.weights.container import pack, unpack
from edaphos_bridge.weights.schema import (
    check,
    check_normalisation,
    damaged_description,
    is_table,
    is_whole,
    require,
)

_KIND = "tile dataset"


def tiles_to_bytes(dataset: FoundationTileDataset) -> bytes:
    """Return the bytes that `tiles_from_bytes` reads; the raster must be in files."""
    values = dataset.to_dict()
    cells = torch.from_numpy(values.pop("cells"))
    return pack(_KIND, {"cells": cells}, values)


def tiles_from_bytes(data: bytes) -> FoundationTileDataset:
    """Return the dataset in `data`, with its files open.

    Raises
    ------
    InputError
        If the files are gone or are another raster.
    WeightsError
        If the bytes are damaged.
    """
    tensors, metadata = unpack(_KIND, data)
    check(
        metadata,
        {
            "stack": is_table,
            "height": is_whole,
            "width": is_whole,
            "normalisation": is_table,
            "seed": lambda seed: type(seed) is int,
        },
    )
    check_normalisation(metadata["normalisation"])
    cells = tensors.get("cells")
    require(
        list(tensors) == ["cells"] and cells is not None and cells.dtype == torch.int64,
        "it has other tensors than its cells",
    )
    with damaged_description():
        return FoundationTileDataset.from_dict({**metadata, "cells": tensors["cells"].numpy()})
