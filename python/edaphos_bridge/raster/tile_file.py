"""Tile datasets as bytes: places, statistics, masks and where the raster's files are.

Its cells stay in those files; a GeoTIFF that lies nowhere goes with the bytes.
"""

from __future__ import annotations

import torch

from edaphos_bridge.files import schema
from edaphos_bridge.files.container import pack, unpack
from edaphos_bridge.raster.tiles import FoundationTileDataset

_KIND = "tile dataset"


def tiles_to_bytes(dataset: FoundationTileDataset) -> bytes:
    """Return the bytes that `tiles_from_bytes` reads; the raster must be in files."""
    values = dataset.to_dict()
    tensors = {"cells": torch.from_numpy(values.pop("cells"))}
    if "masks" in values:
        tensors["masks"] = torch.from_numpy(values.pop("masks"))
    for number, file in enumerate(values["stack"]["files"]):
        if "data" in file:
            data = bytearray(file.pop("data"))
            tensors[f"file.{number}"] = torch.frombuffer(data, dtype=torch.uint8)
    return pack(_KIND, tensors, values)


def tiles_from_bytes(data: bytes) -> FoundationTileDataset:
    """Return the dataset in `data`, whose files are opened when the first patch is read.

    Raises `WeightsError` if the bytes are damaged.
    """
    tensors, metadata = unpack(_KIND, data)
    schema.check(
        metadata,
        {
            "stack": schema.is_table,
            "height": schema.is_whole,
            "width": schema.is_whole,
            "normalisation": schema.is_table,
            "seed": lambda seed: type(seed) is int,
        },
    )
    schema.check_normalisation(metadata["normalisation"])
    cells = tensors.get("cells")
    schema.require(cells is not None and cells.dtype == torch.int64, "it has no cells")
    with schema.damaged_description():
        files = [f"file.{number}" for number in range(len(metadata["stack"]["files"]))]
        arrays = {"cells", "masks"} if "classes" in metadata else {"cells"}
        schema.require(
            arrays <= tensors.keys() <= {*arrays, *files}, "it has other tensors than it says"
        )
        for name, file in zip(files, metadata["stack"]["files"], strict=True):
            if name in tensors:
                file["data"] = tensors[name].numpy().tobytes()
        return FoundationTileDataset.from_dict(
            {**metadata, **{name: tensors[name].numpy() for name in arrays}}
        )
