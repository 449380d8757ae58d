"""The naive reference: the whole raster with NaN where it has no data."""

import numpy as np
import pytest


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
