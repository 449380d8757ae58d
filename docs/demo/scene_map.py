"""A map of ground that was not seen: the west of the scene trains, the east tests."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from figure import COLOURS
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from edaphos_bridge import (
    foundation_fit_classifier,
    foundation_moco_pretrain_tiles,
    foundation_patches_at_coords,
    foundation_predict_raster,
    foundation_tile_dataset,
)
from edaphos_bridge.datasets.statlog import StatlogScene
from edaphos_bridge.errors import NoteWarning

# Columns of the scene. The strip between is wider than a patch, so that none lies in both.
WEST, EAST = 58, 68
PATCH = 9
SEED = 1


@dataclass(frozen=True)
class SceneMap:
    """What the map's picture shows.

    Attributes
    ----------
    codes : numpy.ndarray, shape (82, 100)
        Classes of the map from 1 on, 0 where the scene is unknown.
    colours : dict
        Red, green and blue of each code, as the file has them.
    entropy : numpy.ndarray, shape (82, 100)
        Over that of equal probabilities, 0 to 1; NaN where the scene is unknown.
    tested : numpy.ndarray of bool, shape (82, 100)
        Labelled cells of the east.
    right : numpy.ndarray of bool, shape (82, 100)
        Where the map has the class of the label.
    """

    codes: NDArray[np.uint8]
    colours: dict[int, tuple[int, ...]]
    entropy: NDArray[np.float32]
    tested: NDArray[np.bool_]
    right: NDArray[np.bool_]

    @property
    def accuracy(self) -> float:
        """Share of the tested cells that are right."""
        return float(self.right[self.tested].mean())

    def mean_entropy(self, right: bool) -> float:
        """Return the mean entropy of the tested cells that are right, or of those that are not."""
        return float(self.entropy[self.tested & (self.right == right)].mean())


def map_scene(scene: StatlogScene, out: Path) -> SceneMap:
    """Write map.tif and doubt.tif into `out`, with the same settings as demo.R, and read them.

    The settings of MoCo are those of the comparison's development blocks.
    """
    raster = np.where(scene.image < 0, np.nan, scene.image)
    tiles = foundation_tile_dataset(
        raster[:, :, :WEST], patch_size=PATCH, n_patches=2000, seed=SEED
    )
    moco = foundation_moco_pretrain_tiles(
        tiles,
        batch_size=64,
        epochs=300,
        lr=1e-3,
        momentum=0.99,
        queue_size=512,
        channel_drop_prob=0.0,
        brightness_jitter=0.1,
        noise_sd=0.05,
        crop_ratio=(0.35, 1.0),
        seed=SEED,
        verbose=True,
    )
    rows, columns = np.nonzero(scene.labels[:, :WEST] >= 0)
    points = np.column_stack([columns + 0.5, rows + 0.5])
    with warnings.catch_warnings():
        # that patches share cells: not those that train with those of the east
        warnings.simplefilter("ignore", NoteWarning)
        x = foundation_patches_at_coords(moco, points, raster)
    y = pd.Categorical.from_codes(scene.labels[rows, columns], categories=scene.classes)
    fit = foundation_fit_classifier(moco, x, y, epochs=30, val_split=0.0, seed=SEED)

    colours = {name: COLOURS[name] for name in scene.classes}
    soils = out / "map.tif"
    foundation_predict_raster(fit, raster, soils, colours=colours, overwrite=True)
    doubt = out / "doubt.tif"
    foundation_predict_raster(fit, raster, doubt, type=["prob", "entropy"], overwrite=True)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # the scene has no georeference
        with rasterio.open(soils) as file:
            codes, table = file.read(1), file.colormap(1)
        with rasterio.open(doubt) as file:
            entropy = file.read(file.descriptions.index("entropy") + 1)
    tested = scene.labels >= 0
    tested[:, :EAST] = False
    return SceneMap(codes, table, entropy, tested, codes == scene.labels + 1)
