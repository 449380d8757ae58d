"""Cells of rasters, read in the plainest way."""

import numpy as np

from edaphos_bridge.raster.sources import open_raster

DTYPES = ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64"]


def whole(stack):
    """The whole raster with NaN where it has no data."""
    with open_raster(stack) as raster:
        values, valid = raster.read(0, 0, raster.height, raster.width)
    assert values.dtype == np.float64
    assert valid.dtype == bool
    assert (values[~valid] == 0).all()
    return np.where(valid, values, np.nan)


def centres_of(image, size):
    """Every cell with data in all bands around which a whole patch fits."""
    _, height, width = image.shape
    return {
        (row, col)
        for row in range(size // 2, height - size + size // 2 + 1)
        for col in range(size // 2, width - size + size // 2 + 1)
        if np.isfinite(image[:, row, col]).all()
    }
