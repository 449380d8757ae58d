"""Tile datasets as bytes: places, statistics and the raster's files, but none of its cells."""

from __future__ import annotations

import torch

from edaphos_bridge.errors import WeightsError
from edaphos_bridge.raster.tiles import FoundationTileDataset
from edaphos_bridge.weights.container import pack, unpack

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
    try:
        cells = tensors["cells"].numpy()
    except KeyError as error:
        raise WeightsError("This tile dataset is damaged.") from error
    return FoundationTileDataset.from_dict({**metadata, "cells": cells})
