"""The two ways in which a map of patches is computed."""

from __future__ import annotations

from edaphos_bridge.maps.block_function import BlockFunction
from edaphos_bridge.maps.block_patches import PatchReader
from edaphos_bridge.maps.dense_values import DenseValues
from edaphos_bridge.maps.patch_values import PatchValues
from edaphos_bridge.maps.row_values import RowValues
from edaphos_bridge.raster.raster import Raster

METHODS = ("exact", "dense")


def values_by(method: str, raster: Raster, reader: PatchReader, values: RowValues) -> BlockFunction:
    """Return what computes a map; ``"dense"`` learns from `raster` before.

    Raises `InputError` if that does not fit an encoder.
    """
    if method == "dense":
        return DenseValues.learnt(raster, reader, values)
    return PatchValues(reader, values)
