"""The Landsat 7 scene of R's package stars in pairs of patches, its elevation, and five folds.

Bands 1 to 3 are visible light, bands 4, 5 and 7 infrared: two groups of bands of one instrument,
which stand for two sensors. The elevation model is of another source (radar), on cells of 90 m.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edaphos_bridge.data.folds import Fold
from edaphos_bridge.experiments.blocks import balanced_groups, block_numbers
from edaphos_bridge.experiments.folds import spatial_fold

PATCH = 9
HALF = PATCH // 2
STEP = 3  # pixels between the centres of patches; those that are tested do not overlap
BLOCKS = 6  # of about 58 pixels, below and beside each other
GROUPS = 5
N_VISIBLE = 3
SCENE, ELEVATION = "L7_ETMs.tif", "olinda_dem_utm25s.tif"
CLASSES = ("low", "middle", "high")
_TRIES = 300


@dataclass(frozen=True)
class Pairs:
    """Patches of both groups of bands that are centred on land.

    Attributes
    ----------
    image : numpy.ndarray, shape (6, height, width), uint8
        Bands 1, 2, 3, 4, 5 and 7.
    x : numpy.ndarray, shape (N, 6, 9, 9), float32
        The patches: visible bands, then infrared ones.
    y : numpy.ndarray, shape (N,)
        Thirds of the elevation of the cell around the centre, 0 the lowest.
    bounds : tuple of float
        The elevations in m between the thirds.
    rows, columns : numpy.ndarray, shape (N,)
        The central pixels.
    group : numpy.ndarray, shape (N,)
        Of the block around the central pixel.
    on_grid : numpy.ndarray, shape (N,)
        Whether a patch is one of those that do not overlap.
    """

    image: NDArray[np.uint8]
    x: NDArray[np.float32]
    y: NDArray[np.int64]
    bounds: tuple[float, float]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    group: NDArray[np.int64]
    on_grid: NDArray[np.bool_]

    def fold(self, group: int) -> Fold:
        """Return the fold that tests on the patches of a group that do not overlap.

        What trains has its centre in another group and shares no pixel with them.
        """
        inside = self.group == group
        everywhere = np.ones(len(self.y), dtype=bool)
        found = spatial_fold(self.rows, self.columns, inside & self.on_grid, everywhere, PATCH)
        return Fold(group + 1, found.train[~inside[found.train]], found.test)


def stars_folder() -> Path:
    """Return the folder of the files of R's package stars, or leave with a message."""
    answer = ""
    if program := shutil.which("Rscript"):
        asked = [program, "-e", 'cat(system.file("tif", package = "stars"))']
        answer = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    if not answer:
        sys.exit(
            "The scene is a file of R's package stars (Debian: r-cran-stars), which Rscript did "
            "not find. --stars names its folder tif."
        )
    return Path(answer.splitlines()[-1])


def read_pairs(folder: Path) -> Pairs:
    """Cut the scene into pairs of patches and its blocks into groups."""
    for name in (SCENE, ELEVATION):
        if not (folder / name).is_file():
            sys.exit(f"{folder} has no {name}.")
    with rasterio.open(folder / SCENE) as file:
        image, place = file.read(), file.transform
    elevation = _elevation(folder / ELEVATION, place, image.shape[1:])
    rows, columns = np.meshgrid(
        *(np.arange(HALF, extent - HALF, STEP) for extent in image.shape[1:]), indexing="ij"
    )
    height = elevation[rows, columns]
    land = height > 0  # at sea all patches are alike, and the lowest; NaN is no land either
    low, high = np.quantile(height[land], [1 / 3, 2 / 3])
    thirds = np.where(land, (height > low).astype(int) + (height > high), -1)
    block = block_numbers(image.shape[1:], BLOCKS, BLOCKS, margin=HALF)[rows, columns]
    buffer = -(-(PATCH - 1) // STEP)
    group = balanced_groups(thirds, block, GROUPS, buffer=buffer, tries=_TRIES)[block]
    on_grid = np.zeros(land.shape, dtype=bool)
    on_grid[:: PATCH // STEP, :: PATCH // STEP] = True
    windows = sliding_window_view(image, (PATCH, PATCH), axis=(1, 2))[:, ::STEP, ::STEP]
    return Pairs(
        image=image,
        x=windows.transpose(1, 2, 0, 3, 4)[land].astype(np.float32),
        y=thirds[land].astype(np.int64),
        bounds=(float(low), float(high)),
        rows=rows[land],
        columns=columns[land],
        group=group[land],
        on_grid=on_grid[land],
    )


def _elevation(path: Path, place: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the elevation of the cell around each pixel's centre; NaN where there is none."""
    with rasterio.open(path) as file:
        values, own = file.read(1).astype(np.float64), file.transform
    x = place.c + place.a * (np.arange(shape[1]) + 0.5)
    y = place.f + place.e * (np.arange(shape[0]) + 0.5)
    column = np.floor((x - own.c) / own.a).astype(int)
    row = np.floor((y - own.f) / own.e).astype(int)
    found = np.full(shape, np.nan)
    rows, columns = (
        np.flatnonzero((each >= 0) & (each < extent))
        for each, extent in zip((row, column), values.shape, strict=True)
    )
    found[np.ix_(rows, columns)] = values[np.ix_(row[rows], column[columns])]
    return found
