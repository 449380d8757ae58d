"""The memory of a map is that of its blocks, whatever the size of the raster."""

import subprocess
import sys

import numpy as np
import rasterio

from edaphos_bridge import (
    foundation_encoder,
    foundation_fit_classifier,
    foundation_tile_dataset,
)

# 400 million cells of ten bands: 32 GB as they are read. What a process may have of its own when
# everything is imported grows by less than a thirtieth of that.
MAPS = """
import resource, sys
import numpy as np
import edaphos_bridge as eb
fit_path, raster, out = sys.argv[1:]
sys.modules["warm"] = [__import__(name) for name in ("dask", "rasterio.shutil", "sympy")]
fit = eb.FoundationFit.load(fit_path)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
now = int(status["VmSize"].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (now + 2**30, -1))
eb.foundation_predict_raster(fit, raster, out, type="prob", stride=200)
"""


def test_a_raster_of_20000_x_20000_cells_maps_within_a_limit(tmp_path):
    tiles = foundation_tile_dataset(
        np.random.default_rng(1).normal(size=(10, 40, 40)), patch_size=16, n_patches=20, seed=1
    )
    encoder = foundation_encoder("moco", 10, seed=1)
    fit = foundation_fit_classifier(
        encoder, tiles, ["dry", "wet"] * 10, epochs=1, val_split=0, seed=1
    )
    fit.save(tmp_path / "fit.safetensors")
    profile = {
        "driver": "GTiff", "count": 10, "height": 20_000, "width": 20_000, "dtype": "float32",
        "tiled": True, "SPARSE_OK": True, "BIGTIFF": "YES", "crs": "EPSG:32723",
        "transform": rasterio.Affine(30, 0, 0, 0, -30, 0),
    }  # fmt: skip
    with rasterio.open(tmp_path / "in.tif", "w", **profile) as file:
        for band in range(1, 11):
            file.set_band_description(band, f"band_{band}")
    files = [tmp_path / name for name in ("fit.safetensors", "in.tif", "out.tif")]
    found = subprocess.run(
        [sys.executable, "-c", MAPS, *files], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.shape == (100, 100)
        assert np.isfinite(file.read()).all()
