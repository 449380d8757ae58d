"""GeoTIFFs to read, and the naive reference: the whole raster with NaN where it has no data."""

import numpy as np
import pytest
import rasterio

TRANSFORM = rasterio.Affine(10, 0, 500, 0, -10, 900)


@pytest.fixture
def write_tif(tmp_path):
    """Write bands ``(C, H, W)`` to a GeoTIFF and return its path."""

    def write(name, array, *, mask=None, names=None, scales=None, offsets=None, **profile):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        # GDAL would mark the fourth of four bytes as alpha.
        settings = {
            "driver": "GTiff", "count": len(array), "height": array.shape[1],
            "width": array.shape[2], "dtype": array.dtype.name, "transform": TRANSFORM,
            "crs": "EPSG:32723", "photometric": "minisblack", "alpha": "unspecified", **profile,
        }  # fmt: skip
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **settings) as f:
            f.write(array)
            if mask is not None:
                f.write_mask(mask)
            if names is not None:
                f.descriptions = names
            if scales is not None:
                f.scales, f.offsets = scales, offsets
        return path

    return write


@pytest.fixture
def image():
    """Three bands with their own means and spreads, and holes."""
    rng = np.random.default_rng(3)
    image = rng.normal(size=(3, 37, 53)) * np.array([1, 50, 0.1])[:, None, None]
    image += np.array([20, 1000, -5])[:, None, None]
    image[:, 4:9, 9:15] = np.nan
    image[1, 20, 30] = np.nan
    image[2, :, 50] = np.nan
    return image


@pytest.fixture
def small_blocks(monkeypatch):
    """Read at most about a hundred cells of three bands at once."""
    monkeypatch.setattr("edaphos_bridge.raster.raster._BLOCK_VALUES", 300)
