"""`foundation_patches_at_coords()`: the patches of a raster around points."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.data.patches import warn_of_overlap
from edaphos_bridge.encoders.raster_input import find_normalisation, orientation_of_fit
from edaphos_bridge.raster.centres import count_overlapping
from edaphos_bridge.raster.coords import cells_at, read_coords
from edaphos_bridge.raster.patches_at import patches_at
from edaphos_bridge.raster.sources import open_raster
from edaphos_bridge.raster.tiles import FoundationTileDataset


@plain
def foundation_patches_at_coords(
    fit: Any, coords: Any, stack: Any, dataset: FoundationTileDataset | None = None
) -> NDArray[np.float32]:
    """Return the patches of a raster around points, as an encoder expects them.

    Parameters
    ----------
    fit : encoder or fit that was pretrained on tiles, or FoundationTileDataset
        It knows the bands, their means and standard deviations, and the patch size; an encoder
        also how its patches lie (`patch_orientation`).
    coords : array-like, shape (N, 2), table, or points of geopandas
        Points in the raster's coordinates: column and row in an array. Of a table (a DataFrame)
        its columns x and y, lon and lat, longitude and latitude, or easting and northing, in any
        case. Points of geopandas that carry a CRS are transformed to the raster's.
    stack : path, sequence of paths or array
        The raster, as in `foundation_tile_dataset`, of the same bands. It need not be the one
        that the encoder was pretrained on.
    dataset : FoundationTileDataset, optional
        Gives bands, means, standard deviations and patch size for an encoder that carries none,
        such as downloaded weights.

    Returns
    -------
    numpy.ndarray, shape (N, C, patch_size, patch_size), float32
        One patch a point, in order. Those of points outside, see `patches_at`, are NaN; in
        the others, cells without data hold their band's mean as the encoder knows it. Rows and
        columns are exchanged for an encoder that learnt from transposed patches.

    Raises
    ------
    InputError
        If `fit` knows no normalisation, or the raster has another number of bands.

    Warns
    -----
    EdaphosWarning
        If the raster's bands have other names; they are taken in their order. If its cells have
        another size or CRS than those that the encoder was pretrained on. If patches share cells.
        If no point lies inside the raster.
    """
    normalisation = find_normalisation(fit, dataset)
    orientation = orientation_of_fit(fit)
    size = normalisation.patch_size
    with open_raster(stack) as raster:
        points = read_coords(coords, crs=raster.crs)
        result = np.full(
            (len(points), len(normalisation.bands), size, size), np.nan, dtype=np.float32
        )
        for rows, patches in patches_at(raster, points, normalisation, orientation):
            result[rows] = patches
        cells, inside = cells_at(raster, points)
        shared = count_overlapping(cells[inside], size)
    warn_of_overlap(shared, len(points))
    return result
