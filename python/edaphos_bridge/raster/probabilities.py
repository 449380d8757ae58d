"""Rasters of class probabilities: a layer for each class."""

from __future__ import annotations

from typing import Any

from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.raster import Raster
from edaphos_bridge.raster.sources import open_raster


def open_probabilities(stack: Any, argument: str = "stack") -> Raster:
    """Return a raster of two layers or more, or raise `InputError`."""
    raster = open_raster(stack, argument)
    if len(raster.bands) < 2:
        raster.close()
        raise InputError(
            argument,
            "must have a layer of probabilities for each of two classes or more",
            found=raster.bands,
            hint="A map of predictions of the type 'prob' has them.",
        )
    return raster
