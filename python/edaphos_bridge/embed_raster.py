"""`foundation_embed_raster()`: the map of what an encoder makes of a raster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import choice, flag, whole
from edaphos_bridge.basics.devices import resolve_device
from edaphos_bridge.basics.memory import check_memory
from edaphos_bridge.encoders.copying import as_module, own_copy
from edaphos_bridge.encoders.features import check_channels, find_feature_dim
from edaphos_bridge.encoders.foundation import check_bands
from edaphos_bridge.encoders.known_modules import is_as_built
from edaphos_bridge.encoders.raster_input import find_normalisation, orientation_of_fit
from edaphos_bridge.errors import InputError
from edaphos_bridge.maps.block_patches import PatchReader
from edaphos_bridge.maps.creation_options import check_options
from edaphos_bridge.maps.embedding_values import EmbeddingValues
from edaphos_bridge.maps.grid import MapGrid
from edaphos_bridge.maps.look import warn_of_other_input
from edaphos_bridge.maps.method import METHODS, values_by
from edaphos_bridge.maps.run import Output, make_map
from edaphos_bridge.raster.patches_at import band_order
from edaphos_bridge.raster.sources import open_raster
from edaphos_bridge.raster.tiles import FoundationTileDataset


@plain
def foundation_embed_raster(
    encoder: Any,
    stack: Any,
    out: str | Path | None = None,
    *,
    dataset: FoundationTileDataset | None = None,
    patch_size: int | None = None,
    stride: int = 1,
    projection: bool = False,
    block_size: int | None = None,
    method: Literal["exact", "dense"] = "exact",
    device: str = "cpu",
    client: Any = None,
    overwrite: bool = False,
    resume: bool = True,
    options: Mapping[str, Any] | None = None,
    verbose: bool = False,
) -> Any:
    """Map the embeddings of the patch around each cell of a raster.

    Parameters
    ----------
    encoder : encoder, or a fit that holds one
        It runs in eval mode and is not changed.
    stack, out, stride, block_size, method, client, overwrite, resume, options, verbose
        As in `foundation_predict_raster`.
    dataset : FoundationTileDataset, optional
        Gives means and standard deviations for an encoder that carries none, such as downloaded
        weights.
    patch_size : int, optional
        Height and width of the patches, instead of those that the encoder or `dataset` knows.
    projection : bool
        Whether to map the projections of a MoCo or SimCLR encoder, unit vectors, instead of the
        features.
    device : {"cpu", "mps", "cuda"}
        Where to compute.

    Returns
    -------
    pathlib.Path or xarray.DataArray
        As `foundation_predict_raster`: D layers e1 to eD, float32, NaN where no band has data.

    Raises
    ------
    InputError
        If no normalisation is known, or as `foundation_predict_raster`.

    Examples
    --------
    >>> import numpy as np
    >>> import edaphos_bridge as eb
    >>> raster = np.random.default_rng(1).normal(size=(4, 40, 50))
    >>> tiles = eb.foundation_tile_dataset(raster, patch_size=8, n_patches=100, seed=1)
    >>> encoder = eb.foundation_encoder("moco", in_channels=4, seed=1)
    >>> foundation_embed_raster(encoder, raster, dataset=tiles, stride=8).shape
    (64, 5, 7)
    """
    output = Output.of(out, block_size, client, overwrite, resume, options, verbose)
    return embed_raster(
        encoder, stack, output, dataset=dataset, patch_size=patch_size, stride=stride,
        projection=projection, method=method, device=device,
    )  # fmt: skip


def embed_raster(
    encoder: Any,
    stack: Any,
    output: Output,
    *,
    dataset: FoundationTileDataset | None,
    patch_size: Any,
    stride: Any,
    projection: Any,
    method: Any,
    device: Any,
) -> Any:
    """Do what `foundation_embed_raster` does: what all entrances have in common."""
    step, wanted = whole("stride", stride), flag("projection", projection)
    way = choice("method", method, METHODS)
    target = resolve_device(device)
    normalisation = find_normalisation(encoder, dataset, "encoder")
    if patch_size is not None:
        size = whole("patch_size", patch_size, minimum=2, kind="whole number of at least 2")
        normalisation = replace(normalisation, patch_size=size)
    orientation = orientation_of_fit(encoder, "encoder")
    module: Any = own_copy(as_module(encoder)).eval().to(target)
    channels, size = len(normalisation.bands), normalisation.patch_size
    check_memory("patch_size", channels * size * size * 8, size)  # one patch, as it is read
    check_bands(module)
    check_channels(getattr(module, "in_channels", None), channels, "dataset")
    if wanted and not hasattr(module, "project"):
        raise InputError("projection", "needs an encoder that has a projection", found=projection)
    width = find_feature_dim(module, torch.zeros(1, channels, size, size, device=target))
    with open_raster(stack) as raster:
        output.refuse_itself(raster)
        order = tuple(band_order(raster, normalisation))
        reader = PatchReader(
            MapGrid.of(raster, step), normalisation, order, orientation, is_as_built(module)
        )
        values = EmbeddingValues(
            module, module.proj_dim if wanted else width, target, projection=wanted
        )
        check_options(output.options, values.layers)
        warn_of_other_input(raster, reader)
        function = values_by(way, raster, reader, values)
        return make_map(raster, function, output)
