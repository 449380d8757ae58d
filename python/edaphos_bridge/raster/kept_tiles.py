"""What is kept of a tile data set, checked when it comes back from a file or from R."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.data.masks import UNLABELLED, Masks, as_classes
from edaphos_bridge.data.normalisation import Normalisation
from edaphos_bridge.errors import WeightsError
from edaphos_bridge.raster.centres import window_start
from edaphos_bridge.raster.raster import Raster
from edaphos_bridge.raster.reopened import ReopenedRaster


class KeptTiles(NamedTuple):
    """What `FoundationTileDataset` is made of."""

    raster: Raster
    normalisation: Normalisation
    cells: NDArray[np.int64]
    seed: int
    masks: Masks | None


def read_kept(values: Mapping[str, Any]) -> KeptTiles:
    """Return what `FoundationTileDataset.to_dict` gave, or raise `WeightsError`."""
    try:
        stack, seed = values["stack"], int(values["seed"])
        height, width = int(values["height"]), int(values["width"])
        normalisation = Normalisation.from_dict(values["normalisation"])
        size = normalisation.patch_size
        cells = np.array(values["cells"], dtype=np.int64)
        if cells.ndim != 2 or cells.shape[1] != 2 or len(cells) == 0:
            raise ValueError("no rows and columns of cells")
        starts = window_start(cells, size)
        if (starts < 0).any() or (starts > np.array([height, width]) - size).any():
            raise ValueError("patches beyond the raster")
        masks = _masks(values, (len(cells), size, size)) if "classes" in values else None
        raster = ReopenedRaster(stack, normalisation.bands, height, width)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise WeightsError(f"These are no values of a tile data set ({error!r}).") from error
    return KeptTiles(raster, normalisation, cells, seed, masks)


def _masks(values: Mapping[str, Any], shape: tuple[int, ...]) -> Masks:
    codes, classes = np.array(values["masks"]), as_classes(values["classes"])
    if codes.dtype != np.int16 or codes.shape != shape:
        raise ValueError("no masks of its patches")
    if codes.min() < UNLABELLED or codes.max() >= len(classes):
        raise ValueError("masks of other classes")
    return Masks(torch.from_numpy(codes), classes)
