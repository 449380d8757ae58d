"""Tile datasets as bytes: places, statistics and where the raster's files are.

Its cells stay in those files; a GeoTIFF that lies nowhere goes with the bytes.
"""

from __future__ import annotations

import torch

from edaphos_bridge.errors import WeightsError
from edaphos_bridge.raster.tiles import FoundationTileDataset
from edaphos_bridge.weights.container import pack, unpack

_KIND = "tile dataset"


def tiles_to_bytes(dataset: FoundationTileDataset) -> bytes:
    """Return the bytes that `tiles_from_bytes` reads; the raster must be in files."""
    values = dataset.to_dict()
    tensors = {"cells": torch.from_numpy(values.pop("cells"))}
    for number, file in enumerate(values["stack"]["files"]):
        if "data" in file:
            data = bytearray(file.pop("data"))
            tensors[f"file.{number}"] = torch.frombuffer(data, dtype=torch.uint8)
    return pack(_KIND, tensors, values)


def tiles_from_bytes(data: bytes) -> FoundationTileDataset:
    """Return the dataset in `data`, whose files are opened when the first patch is read.

    Raises
    ------
    WeightsError
        If the bytes are damaged.
    """
    tensors, metadata = unpack(_KIND, data)
    try:
        cells = tensors["cells"].numpy()
        for number, file in enumerate(metadata["stack"]["files"]):
            if f"file.{number}" in tensors:
                file["data"] = tensors[f"file.{number}"].numpy().tobytes()
    except (KeyError, TypeError) as error:
        raise WeightsError("This tile dataset is damaged.") from error
    return FoundationTileDataset.from_dict({**metadata, "cells": cells})
