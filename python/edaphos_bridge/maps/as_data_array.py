"""A map as an xarray.DataArray: blocks that are computed when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from edaphos_bridge.maps.blocks import needs_dask
from edaphos_bridge.maps.job import MapJob
from edaphos_bridge.raster.raster import Window


def as_data_array(job: MapJob, blocks: Sequence[Window], crs: Any) -> Any:
    """Return the layers of a map, with dimensions ``band``, ``y`` and ``x``, backed by dask.

    Coordinates are those of the centres of cells; a turned grid has none but its transform, in the
    attribute ``GeoTransform`` of ``spatial_ref``, where rioxarray and GDAL look. Layers of classes
    have CF's ``flag_values`` and ``flag_meanings``.
    """
    dask, array, xarray = (needs_dask(name) for name in ("dask", "dask.array", "xarray"))
    layers, grid = job.function.layers, job.function.grid
    compute = dask.delayed(_compute, pure=False)
    shared = dask.delayed(job, traverse=False)
    rows = [
        [
            array.from_delayed(
                compute(shared, block),
                shape=(len(layers.names), block.height, block.width),
                dtype=layers.dtype,
            )
            for block in row
        ]
        for _, row in groupby(blocks, key=lambda block: block.row)
    ]
    values = array.concatenate([array.concatenate(row, axis=2) for row in rows], axis=1)
    a, b, c, d, e, f = grid.transform
    coords: dict[str, Any] = {"band": list(layers.names)}
    if not (b or d):
        coords["x"] = c + a * (np.arange(grid.width) + 0.5)
        coords["y"] = f + e * (np.arange(grid.height) + 0.5)
    attrs: dict[str, Any] = {"_FillValue": np.dtype(layers.dtype).type(layers.nodata)}
    if layers.classes is not None:
        codes = np.arange(1, len(layers.classes) + 1, dtype=layers.dtype)
        meanings = " ".join(name.replace(" ", "_") for name in layers.classes)
        attrs |= {"flag_values": codes, "flag_meanings": meanings}
        attrs["classes"] = list(layers.classes)
    reference = {"GeoTransform": " ".join(repr(float(n)) for n in (c, a, b, f, d, e))}
    if crs is not None:
        reference |= {"crs_wkt": crs.to_wkt(), "spatial_ref": crs.to_wkt()}
    coords["spatial_ref"] = ((), 0, reference)
    attrs["grid_mapping"] = "spatial_ref"
    return xarray.DataArray(values, dims=("band", "y", "x"), coords=coords, name="map", attrs=attrs)


def _compute(job: MapJob, block: Window) -> Any:
    return job(block)
