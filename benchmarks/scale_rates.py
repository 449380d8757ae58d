"""Rates of maps, and memory: what `benchmarks.scale` works out the costs of a country from."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch

from benchmarks.machine import peak_above_now
from benchmarks.rows_maps import BANDS, PATCH, fitted, raster
from edaphos_bridge import foundation_predict_raster
from edaphos_bridge.maps.cell_values import CellValues
from edaphos_bridge.maps.grid import MapGrid
from edaphos_bridge.maps.layers import Layers
from edaphos_bridge.maps.run import Output, make_map
from edaphos_bridge.raster.sources import open_raster


def rate_of(encoder: str, side: int, device: str, method: str, threads: int) -> float:
    """Return patches a second of a map in a file."""
    torch.set_num_threads(threads)
    run = _map(encoder, side, device, method)
    run()  # what is done once a process has been done
    begun = time.perf_counter()
    run()
    return side**2 / (time.perf_counter() - begun)


def peak_of(side: int, device: str, method: str) -> float:
    """Return how many bytes a map takes at most, with one thread."""
    torch.set_num_threads(1)
    return peak_above_now(_map("moco", side, device, method))[0]


def _map(
    encoder: str, side: int, device: str, method: str, client: Any = None
) -> Callable[[], Any]:
    folder = Path(tempfile.mkdtemp(prefix="edaphos-scale-"))
    cells = raster(side, side, BANDS)
    fit = fitted(encoder, cells, PATCH)
    path = folder / "in.tif"
    _write(path, cells)
    return lambda: foundation_predict_raster(
        fit, path, folder / "out.tif", method=method, device=device, overwrite=True, client=client
    )


def _write(path: Path, cells: Any) -> None:
    profile = {
        "driver": "GTiff", "count": len(cells), "height": cells.shape[1], "width": cells.shape[2],
        "dtype": cells.dtype.name, "tiled": True, "crs": "EPSG:31985",
        "transform": rasterio.Affine(30, 0, 0, 0, -30, 0),
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(cells)
        for band in range(len(cells)):
            file.set_band_description(band + 1, f"band_{band + 1}")


def cluster_share(encoder: str, side: int) -> float:
    """Return the rate of two local workers over that of two threads of one process."""
    from distributed import LocalCluster

    torch.set_num_threads(2)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        times = []
        for client in (None, cluster.get_client()):
            run = _map(encoder, side, "cpu", "exact", client)
            run()
            begun = time.perf_counter()
            run()
            times.append(time.perf_counter() - begun)
    return times[0] / times[1]


def file_rates(side: int = 2048) -> tuple[float, float, float]:
    """Return cells a second of reading, and of writing a map of classes; and its bytes a cell."""
    folder = Path(tempfile.mkdtemp(prefix="edaphos-scale-"))
    _write(folder / "in.tif", raster(side, side, BANDS))
    with open_raster(folder / "in.tif") as stack:
        begun = time.perf_counter()
        for block in stack.blocks():
            stack.read(*block)
        reading = side**2 / (time.perf_counter() - begun)
    # classes in patches of some cells, as maps have them
    rng = np.random.default_rng(1)
    classes = np.kron(rng.integers(1, 7, (side // 8, side // 8)), np.ones((8, 8)))[None]
    stack = open_raster(classes)
    layers = Layers.of_classes("class", "abcdef")
    function = CellValues(MapGrid.of(stack, 1), layers, _same, 0, {"bands": 1})
    output = Output.of(folder / "out.tif", None, None, True, True, None, False)
    begun = time.perf_counter()
    make_map(stack, function, output)
    writing = side**2 / (time.perf_counter() - begun)
    return reading, writing, (folder / "out.tif").stat().st_size / side**2


def _same(cells: Any, _: Any) -> Any:
    return cells
