"""Embeddings of a raster at points."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import flag, whole
from edaphos_bridge.basics.devices import device_of
from edaphos_bridge.basics.memory import check_memory
from edaphos_bridge.encoders.copying import as_module, own_copy
from edaphos_bridge.encoders.features import (
    check_channels,
    check_features,
    encode_features,
    find_feature_dim,
    over_batches,
)
from edaphos_bridge.encoders.foundation import check_bands
from edaphos_bridge.encoders.raster_input import find_normalisation, orientation_of_fit
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.coords import read_coords
from edaphos_bridge.raster.patches_at import patches_at
from edaphos_bridge.raster.sources import open_raster
from edaphos_bridge.raster.tiles import FoundationTileDataset


@plain
def foundation_embed_at_coords(
    fit: Any,
    coords: Any,
    stack: Any,
    dataset: FoundationTileDataset | None = None,
    patch_size: int | None = None,
    batch_size: int | None = None,
    projection: bool = False,
) -> NDArray[np.float32]:
    """Return the embeddings of a raster at points.

    A patch around each point is read, normalised with the means and standard deviations that the
    encoder was pretrained with, and encoded; neither the raster nor all patches are held.

    Parameters
    ----------
    fit : encoder, or a fit that holds one
        The encoder. It runs in eval mode and is not changed.
    coords : array-like, shape (N, 2), table, or points of geopandas
        Points in the raster's coordinates: column and row in an array. Of a table (a DataFrame)
        its columns x and y, lon and lat, longitude and latitude, or easting and northing, in any
        case. Points of geopandas that carry a CRS are transformed to the raster's.
    stack : path, sequence of paths or array
        The raster, as in `foundation_tile_dataset`, of the bands that the encoder knows.
    dataset : FoundationTileDataset, optional
        Gives means and standard deviations for an encoder that carries none, such as
        downloaded weights.
    patch_size : int, optional
        Height and width of the patches, instead of those that the encoder or `dataset` knows.
    batch_size : int, optional
        Patches that are encoded at a time, at most; by default as many as suit the memory.
    projection : bool
        Whether to give the projections of a MoCo or SimCLR encoder, unit vectors, instead of
        the features.

    Returns
    -------
    numpy.ndarray, shape (N, D), float32
        One row a point, in order; NaN for points outside the raster or in a cell without data in
        any band.

    Raises
    ------
    InputError
        If no normalisation is known, the raster has another number of bands, or the encoder makes
        no finite features of a patch.

    Warns
    -----
    EdaphosWarning
        If the raster's bands have other names, and they are taken in their order; if no point
        lies inside the raster.

    Examples
    --------
    >>> import edaphos_bridge
    >>> from edaphos_bridge import foundation_tile_dataset
    >>> raster = np.random.default_rng(1).normal(size=(4, 40, 50))
    >>> tiles = foundation_tile_dataset(raster, patch_size=8, n_patches=100, seed=1)
    >>> encoder = edaphos_bridge.foundation_encoder("moco", in_channels=4, seed=1)
    >>> points = [[10.5, 20.5], [-1.0, 20.5]]
    >>> found = foundation_embed_at_coords(encoder, points, raster, dataset=tiles)
    >>> found.shape, np.isnan(found).all(axis=1).tolist()
    ((2, 64), [False, True])
    """
    wanted = flag("projection", projection)
    normalisation = find_normalisation(fit, dataset)
    if patch_size is not None:
        size = whole("patch_size", patch_size, minimum=2, kind="whole number of at least 2")
        normalisation = replace(normalisation, patch_size=size)
    most = None if batch_size is None else whole("batch_size", batch_size)
    orientation = orientation_of_fit(fit)
    module: Any = own_copy(as_module(fit, "fit")).eval()
    channels, size = len(normalisation.bands), normalisation.patch_size
    check_memory("patch_size", channels * size * size * 8, size)  # one patch, as it is read
    check_bands(module)
    check_channels(getattr(module, "in_channels", None), channels, "dataset")
    if wanted and not hasattr(module, "project"):
        raise InputError("projection", "needs an encoder that has a projection", found=projection)
    device = device_of(module)
    width = find_feature_dim(module, torch.zeros(1, channels, size, size, device=device))

    def compute(batch: torch.Tensor) -> torch.Tensor:
        features = encode_features(module, batch)
        return module.project(features) if wanted else features

    with open_raster(stack) as raster:
        points = read_coords(coords, crs=raster.crs)
        result = np.full(
            (len(points), module.proj_dim if wanted else width), np.nan, dtype=np.float32
        )
        found = patches_at(raster, points, normalisation, orientation, most=most)
        batches = ((rows, torch.from_numpy(patches)) for rows, patches in found)
        asked = over_batches(compute, batches, torch.from_numpy(result), device)
    check_features(result, [("fit", module)], "stack", asked)  # NaN would be a point outside
    return result
