"""What a map of a country costs, from rates that are measured here.

Run from the repository root by ``make scale``, which is ``python -m benchmarks.scale``. Writes
``docs/scale.md``. Takes some ten minutes. With ``--device cuda`` it measures a GPU and writes
``docs/scale-cuda.md``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch

from benchmarks.machine import MB, peak_above_now, provenance, require_device
from benchmarks.rows_maps import BANDS, ENCODERS, PATCH, fitted, raster
from benchmarks.timing import in_new_process
from edaphos_bridge import foundation_predict_raster
from edaphos_bridge.maps.cell_values import CellValues
from edaphos_bridge.maps.grid import MapGrid
from edaphos_bridge.maps.layers import Layers
from edaphos_bridge.maps.run import Output, make_map
from edaphos_bridge.raster.sources import open_raster

# km2 of Brazil: IBGE, Areas Territoriais.
BRAZIL = 8_510_000
CELLS = {"250 m": 250.0, "30 m": 30.0}
WORKERS = 64
METHODS = ("exact", "dense")


@dataclass(frozen=True)
class Rates:
    """What was measured, for one encoder."""

    one_core: dict[str, float]  # patches a second by method, one thread
    machine: dict[str, float]  # the same with all threads of torch
    cluster: float  # rate of two local workers over that of two threads of one process, exact


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--side", type=int, default=512, help="of the map that is measured")
    options = parser.parse_args(arguments)
    require_device(options.device)
    started = time.monotonic()
    name = "scale" if options.device == "cpu" else f"scale-{options.device}"
    out = options.out or Path("docs") / f"{name}.md"
    threads = torch.get_num_threads()
    rates = {
        encoder: Rates(
            {m: rate(encoder, options.side, options.device, m, 1) for m in METHODS},
            {m: rate(encoder, options.side, options.device, m, threads) for m in METHODS},
            cluster_share(encoder, options.side) if options.device == "cpu" else 1.0,
        )
        for encoder in ENCODERS.values()
    }
    peaks = {m: in_new_process(_Peak(options.side, options.device, m)) / MB for m in METHODS}
    page = report(rates, peaks, file_rates(), threads, options.device)
    page += provenance(options.device, started)
    out.write_text("\n".join(page) + "\n", encoding="utf-8")
    print(f"written: {out}")


# --- measurements ------------------------------------------------------------------------------


def rate(encoder: str, side: int, device: str, method: str, threads: int) -> float:
    """Return patches a second of a map in a file, by a new process."""
    return in_new_process(_Rate(encoder, side, device, method, threads))


@dataclass(frozen=True)
class _Rate:
    encoder: str
    side: int
    device: str
    method: str
    threads: int

    def __call__(self) -> float:
        torch.set_num_threads(self.threads)
        run = _map(self.encoder, self.side, self.device, self.method)
        run()  # what is done once a process has been done
        begun = time.perf_counter()
        run()
        return self.side**2 / (time.perf_counter() - begun)


@dataclass(frozen=True)
class _Peak:
    side: int
    device: str
    method: str

    def __call__(self) -> float:
        torch.set_num_threads(1)
        return peak_above_now(_map("moco", self.side, self.device, self.method))[0]


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


def file_rates() -> tuple[float, float, float]:
    """Return cells a second of reading, and of writing a map of classes; and its bytes a cell."""
    side = 2048
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


def _same(cells: Any) -> Any:
    return cells


# --- the page ----------------------------------------------------------------------------------


def report(
    rates: dict[str, Rates],
    peaks: dict[str, float],
    files: tuple[float, float, float],
    threads: int,
    device: str,
) -> list[str]:
    """Return the lines of the page."""
    reading, writing, size = files
    lines = [
        "# What a map of a country costs",
        "",
        "Rates were measured on the machine below, and what a country takes is worked out from them: "
        f"patches of {PATCH} x {PATCH} cells of {BANDS} bands in float32, encoders of this package with 64 "
        "(MoCo) and 32 features (SimCLR), a map of classes at stride 1. Brazil has "
        f"{BRAZIL / 1e6:.2f} million km2; cells of the rectangle around it that have no data cost "
        "reading only. By a laptop is meant this machine, by a core one thread of it.",
        "",
        "## Measured",
        "",
        "| encoder | method | patches a second, one core | "
        f"all {threads} threads | two local workers of dask, against two threads |",
        "|---|---|---|---|---|",
    ]
    for encoder, found in rates.items():
        for method in METHODS:
            share = f"{found.cluster:.2f} x" if method == "exact" else ""
            lines.append(
                f"| {_name(encoder)} | {method} | {found.one_core[method]:,.0f} | "
                f"{found.machine[method]:,.0f} | {share} |"
            )
    lines += [
        "",
        f"Reading {BANDS} bands: {reading / 1e6:.1f} million cells a second. Writing a map of classes, "
        f"blocks, final file and its check: {writing / 1e6:.1f} million cells a second, "
        f"{size:.2f} bytes a cell. Memory of a process with one thread, above what it had: "
        + ", ".join(f"{peak:.0f} MB ({method})" for method, peak in peaks.items())
        + "; each further thread takes about as much again.",
        "",
        "## Brazil",
        "",
        "| cells of | method | encoder | patches | core-hours | this machine "
        f"({threads} threads) | {WORKERS} workers of one core | file of classes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for cell, metres in CELLS.items():
        patches = BRAZIL * 1e6 / metres**2
        for method in METHODS:
            for encoder, found in rates.items():
                cores = patches / found.one_core[method] / 3600
                here = patches / found.machine[method]
                # blocks are written by workers; the final file is put together by one process
                many = patches / found.one_core[method] / WORKERS + patches / writing
                lines.append(
                    f"| {cell} | {method} | {_name(encoder)} | {patches / 1e6:,.0f} million | "
                    f"{cores:,.1f} | {_time(here)} | {_time(many)} | {_bytes(patches * size)} |"
                )
    lines += ["", "## Where the time goes", ""]
    for encoder, found in rates.items():
        for method in METHODS:
            compute, read, write = 1 / found.one_core[method], 1 / reading, 1 / writing
            limit = compute / write
            lines.append(
                f"* {_name(encoder)}, {method}: a patch takes {1e6 * compute:.1f} microseconds of a core, "
                f"of which reading its cell at most {1e6 * read:.2f}. The final file, which one process "
                f"writes, takes {1e6 * write:.2f}: from {limit:,.0f} cores on it is what one waits for."
            )
    gpu = (
        "A GPU was not at hand: `python -m benchmarks.scale --device cuda` measures one."
        if device == "cpu"
        else "Measured on the GPU below: a core is its process."
    )
    return [
        *lines,
        "",
        gpu,
        "",
        f"* Command: `{' '.join(['python -m benchmarks.scale', *sys.argv[1:]])}`",
    ]


def _name(encoder: str) -> str:
    return next(name for name, known in ENCODERS.items() if known == encoder)


def _time(seconds: float) -> str:
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


def _bytes(number: float) -> str:
    return f"{number / 1e9:.1f} GB" if number > 1e9 else f"{number / 1e6:.0f} MB"


if __name__ == "__main__":
    main()
