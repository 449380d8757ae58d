"""How an encoder, or a fit that holds one, reads rasters: normalisation and orientation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edaphos_bridge.data.normalisation import Normalisation, normalisation_of
from edaphos_bridge.data.orientation import orientation_to_read
from edaphos_bridge.encoders.copying import as_module
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.tiles import FoundationTileDataset


def orientation_of_fit(fit: Any, argument: str = "fit") -> str:
    """Return in which orientation rasters are read for an encoder, a fit or a tile data set."""
    if isinstance(fit, FoundationTileDataset):
        return fit.patch_orientation
    return orientation_to_read(as_module(fit, argument))


def find_normalisation(
    fit: Any, dataset: FoundationTileDataset | None = None, argument: str = "fit"
) -> Normalisation:
    """Return how raw cells become patches: from `fit`, or from `dataset` where that has none.

    Raises `InputError` if neither knows, or both do and differ.
    """
    if dataset is not None and not isinstance(dataset, FoundationTileDataset):
        raise InputError(
            "dataset",
            "must be a data set from foundation_tile_dataset()",
            found=type(dataset).__name__,
            hint="`projection` is given by its name." if isinstance(dataset, bool) else "",
        )
    given = None if dataset is None else dataset.normalisation
    if isinstance(fit, FoundationTileDataset):
        own: Normalisation | None = fit.normalisation
    else:
        own = normalisation_of(as_module(fit, argument))
    if own is not None and given is not None and not own.makes_the_same_of_cells(given):
        raise InputError(
            "dataset",
            f"must not differ from the normalisation that `{argument}` was pretrained with",
            found=given.to_dict(),
            hint="Leave it out.",
        )
    known = own or given
    if known is None:
        raise InputError(
            argument,
            "does not know the means and standard deviations of the raster it was pretrained on",
            found=type(fit).__name__,
            hint="Give a `dataset` from foundation_tile_dataset().",
        )
    return known


def normalisation_for(
    encoder: Any,
    patch_size: list[int],
    dataset: FoundationTileDataset | None,
    argument: str = "coords",
) -> Normalisation:
    """Return how raw cells become patches for a classifier on `encoder`, as `find_normalisation`.

    They are of the size that was trained on, ``[H, W]``. Raises `InputError` also if those are not
    square, or `dataset` has patches of another size.
    """
    if dataset is None and normalisation_of(encoder) is None:
        raise InputError(
            argument,
            "needs an encoder that carries the normalisation of a tile dataset, which this one "
            "does not",
            hint="Give a `dataset` from foundation_tile_dataset().",
        )
    known = find_normalisation(encoder, dataset, "encoder")
    if patch_size == [known.patch_size] * 2:
        return known
    if normalisation_of(encoder) is None:
        raise InputError(
            "dataset",
            "must have the patch_size that the classifier was trained on, {} x {}".format(
                *patch_size
            ),
            found=known.patch_size,
        )
    if patch_size[0] != patch_size[1]:
        raise InputError(
            argument, "needs a fit that was trained on square patches", found=patch_size
        )
    return replace(known, patch_size=patch_size[0])
