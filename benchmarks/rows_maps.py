"""Rows of maps: against one prediction, against a loop over points, and the dense way."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import rasterio
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from benchmarks.data import Sizes
from benchmarks.machine import rscript
from benchmarks.row import NotMeasured, Row, cost, difference, speed_up, value
from benchmarks.timing import Run, alternated_apart
from edaphos_bridge import (
    FoundationClassifier,
    foundation_encoder,
    foundation_fit_classifier,
    foundation_predict_raster,
    foundation_tile_dataset,
)
from edaphos_bridge.datasets import statlog_scene

ENCODERS = {"MoCo": "moco", "SimCLR": "simclr"}
PATCH = 16
BANDS = 10
# The Landsat 7 scene of R's package stars.
SCENE = 'cat(system.file("tif/L7_ETMs.tif", package = "stars"))'
SCENE_PATCH = 9
LOOPS = (("MoCo", 9), ("MoCo", 16), ("SimCLR", 9), ("SimCLR", 16))


def map_rows(sizes: Sizes, device: str) -> Iterator[Row | NotMeasured]:
    """Maps at stride 1, all written to files."""
    side, runs = sizes.mapped, sizes.runs
    how: dict[str, Any] = {"runs": runs, "device": device, "apart": sizes.apart}
    size = f"{side} x {side} cells, {BANDS} bands, patches of {PATCH} cells"
    for name, encoder in ENCODERS.items():
        key = name.lower()
        ours = partial(mapping, encoder, side, device)
        against = partial(predicting, encoder, side, device)
        times = alternated_apart(against, ours, **how)
        job, reference = f"map, {size}, {name}", "one prediction over its patches in memory"
        yield cost(f"map-{key}", job, reference, times, 1.15)
        dense = partial(mapping, encoder, side, device, method="dense")
        times = alternated_apart(ours, dense, **how)
        job = f"map by method = 'dense', {size}, {name}"
        yield speed_up(f"map-dense-{key}", job, "the exact map", times, 20)
        large = 2 * side
        times = alternated_apart(
            partial(mapping, encoder, large, device),
            partial(mapping, encoder, large, device, method="dense"),
            **{**how, "runs": min(runs, 3)},
        )
        job = f"map by method = 'dense', {large} x {large} cells, {name}"
        yield speed_up(f"map-dense-{key}-large", job, "the exact map", times, 20)
    yield from _scene_rows(sizes, device, how)
    if device == "cpu":
        for name, encoder in ENCODERS.items():
            yield from _agreement(name, encoder, sizes)


def _scene_rows(sizes: Sizes, device: str, how: dict[str, Any]) -> Iterator[Row | NotMeasured]:
    """A map of the upper rows of the Landsat 7 scene, against a loop over them."""
    rows = sizes.scene_rows
    reference = "`predict(coords=)` for the cells of one row after the other"
    how = {**how, "runs": min(how["runs"], 3)}
    for name, patch in LOOPS:
        encoder = ENCODERS[name]
        key = f"map-loop-{encoder}-{patch}"
        job = f"map of {rows} rows of the Landsat 7 scene, patches of {patch} cells, {name}"
        try:
            path = scene_file(rows)
        except RuntimeError as error:
            yield NotMeasured(key, job, str(error))
            continue
        times = alternated_apart(
            partial(looping, path, encoder, patch, device),
            partial(mapping_scene, path, encoder, patch, device),
            **how,
        )
        yield speed_up(key, job, reference, times, 5)


def _agreement(name: str, encoder: str, sizes: Sizes) -> Iterator[Row]:
    """How far the dense map of the Statlog scene is from the exact one."""
    fit, image = scene_fit(encoder, sizes.scene_epochs)
    exact, dense = (
        foundation_predict_raster(fit, image, type="prob", method=method).values
        for method in ("exact", "dense")
    )
    known = np.isfinite(exact[0])
    exact, dense = exact[:, known], dense[:, known]
    same = (exact.argmax(axis=0) == dense.argmax(axis=0)).mean()
    job = f"dense map of the Statlog scene, patches of {SCENE_PATCH} cells, fine-tuned {name}"
    key = f"map-agreement-{encoder}"
    yield value(key, f"{job}: equal classes", "the exact map", [100 * float(same)], None, "%")
    reference = "the exact map, largest difference"
    yield difference(f"{key}-result", f"{job}: probabilities", reference, dense, exact)


def raster(height: int, width: int, bands: int) -> NDArray[np.float32]:
    """Return cells that vary, the same in every process."""
    cells = np.random.default_rng(1).normal(size=(bands, height, width))
    return cells.astype(np.float32)


def fitted(encoder: str, cells: NDArray[np.float32] | Path, patch: int) -> FoundationClassifier:
    """Return a classifier that knows the raster."""
    tiles = foundation_tile_dataset(cells, patch_size=patch, n_patches=60, seed=1)
    module = foundation_encoder(encoder, tiles.n_channels, seed=1)
    module.normalisation = tiles.normalisation
    labels = ["dry", "moist", "wet"] * 20
    return foundation_fit_classifier(module, tiles, labels, epochs=1, val_split=0, seed=1)


def mapping(encoder: str, side: int, device: str, method: str = "exact") -> Run:
    """Prepare a map in a file."""
    cells = raster(side, side, BANDS)
    fit, out = fitted(encoder, cells, PATCH), _place()
    return lambda: foundation_predict_raster(
        fit, cells, out, type="prob", method=method, device=device, overwrite=True
    )


def predicting(encoder: str, side: int, device: str) -> Run:
    """Prepare one prediction over the same patches, which lie in memory."""
    cells = raster(side, side, BANDS)
    fit = fitted(encoder, cells, PATCH)
    before, after = PATCH // 2, PATCH - PATCH // 2 - 1
    known = fit.normalisation
    assert known is not None
    whole = known.apply(cells, np.ones(cells.shape, dtype=bool))
    padded = np.pad(whole, ((0, 0), (before, after), (before, after)))
    windows = sliding_window_view(padded, (PATCH, PATCH), axis=(1, 2))
    x = np.ascontiguousarray(windows.transpose(1, 2, 0, 3, 4)).reshape(-1, BANDS, PATCH, PATCH)
    return lambda: fit.predict_proba(x, device=device)


def scene_file(rows: int) -> Path:
    """Return a GeoTIFF of the upper rows of the Landsat 7 scene, stored as that is.

    Raises RuntimeError where R or its package stars is not there.
    """
    source = rscript("-e", SCENE)
    if not source:
        raise RuntimeError("R's package stars was not found")
    path = _place()
    with rasterio.open(source) as scene:
        profile = {**scene.profile, "height": rows, "blockysize": scene.block_shapes[0][0]}
        with rasterio.open(path, "w", **profile) as file:
            file.write(scene.read(window=((0, rows), (0, scene.width))))
    return path


def mapping_scene(path: Path, encoder: str, patch: int, device: str) -> Run:
    """Prepare a map of a scene in a file."""
    fit, out = fitted(encoder, path, patch), _place()
    return lambda: foundation_predict_raster(
        fit, path, out, type="prob", device=device, overwrite=True
    )


def looping(path: Path, encoder: str, patch: int, device: str) -> Run:
    """Prepare predictions at the cells of one row after the other."""
    fit = fitted(encoder, path, patch)
    with rasterio.open(path) as file:
        height, width = file.shape
        a, _, c, _, e, f = file.transform[:6]
    x = c + a * (np.arange(width) + 0.5)

    def run() -> None:
        for row in range(height):
            points = np.stack([x, np.full(width, f + e * (row + 0.5))], axis=1)
            fit.predict_proba(path, coords=points, device=device)

    return run


def scene_fit(encoder: str, epochs: int) -> tuple[FoundationClassifier, NDArray[np.float64]]:
    """Return a classifier fine-tuned on labelled cells of the Statlog scene, and the scene."""
    scene = statlog_scene()
    image = np.where(scene.image < 0, np.nan, scene.image)
    tiles = foundation_tile_dataset(image, patch_size=SCENE_PATCH, n_patches=60, seed=1)
    module = foundation_encoder(encoder, len(image), seed=1)
    module.normalisation = tiles.normalisation
    half = SCENE_PATCH // 2
    inside = np.zeros(scene.labels.shape, dtype=bool)
    inside[half:-half, half:-half] = True
    tiles.cells = np.argwhere((scene.labels >= 0) & inside)[::3]
    labels = [scene.classes[code] for code in scene.labels[tuple(tiles.cells.T)]]
    fit = foundation_fit_classifier(
        module, tiles.read(np.arange(len(labels))), labels, freeze_backbone=False, epochs=epochs,
        val_split=0, seed=1,
    )  # fmt: skip
    return fit, image


def _place() -> Path:
    return Path(mkdtemp(prefix="edaphos-map-")) / "map.tif"
