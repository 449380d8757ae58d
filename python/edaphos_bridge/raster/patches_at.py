"""Patches around points, normalised as an encoder expects them, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.data.input_scale import warn_about_scale
from edaphos_bridge.data.normalisation import Normalisation, normalisation_of
from edaphos_bridge.data.orientation import ROWS_FIRST, orientation_to_read, turn
from edaphos_bridge.encoders.copying import as_module
from edaphos_bridge.encoders.features import batch_size_for
from edaphos_bridge.errors import InputError, warn
from edaphos_bridge.raster.centres import count_overlapping, warn_of_overlap, window_start
from edaphos_bridge.raster.coords import cells_at, read_coords, warn_if_all_outside
from edaphos_bridge.raster.crs import crs_text
from edaphos_bridge.raster.raster import Raster
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


def orientation_of_fit(fit: Any, argument: str = "fit") -> str:
    """Return in which orientation rasters are read for an encoder, a fit or a tile data set."""
    if isinstance(fit, FoundationTileDataset):
        return fit.patch_orientation
    return orientation_to_read(as_module(fit, argument))


def find_normalisation(
    fit: Any, dataset: FoundationTileDataset | None = None, argument: str = "fit"
) -> Normalisation:
    """Return how raw cells become patches: from `fit`, or from `dataset` where that has none.

    Raises
    ------
    InputError
        If neither knows, or both do and differ.
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
    encoder: Any, patch_size: list[int], dataset: FoundationTileDataset | None
) -> Normalisation:
    """Return how raw cells become patches for a classifier on `encoder`, as `find_normalisation`.

    Raises
    ------
    InputError
        Also if `dataset` has patches of another size than ``[H, W]`` that were trained on.
    """
    if dataset is None and normalisation_of(encoder) is None:
        raise InputError(
            "coords",
            "needs an encoder that carries the normalisation of a tile dataset, which this one "
            "does not",
            hint="Give a `dataset` from foundation_tile_dataset().",
        )
    known = find_normalisation(encoder, dataset, "encoder")
    if normalisation_of(encoder) is None and patch_size != [known.patch_size] * 2:
        raise InputError(
            "dataset",
            "must have the patch_size that the classifier was trained on, {} x {}".format(
                *patch_size
            ),
            found=known.patch_size,
        )
    return known


def patches_at(
    raster: Raster,
    points: NDArray[np.float64],
    normalisation: Normalisation,
    orientation: str = ROWS_FIRST,
    argument: str = "stack",
    most: int | None = None,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield rows of `points` and their patches ``(B, C, H, W)``, B as an encoder can take.

    Points outside the raster, missing ones and those in a cell without data in any band are
    left out. The others come in the order of the file, so that its blocks are decoded once.

    Parameters
    ----------
    raster : Raster
        Where the patches are read. A patch may reach beyond it: no data there.
    points : numpy.ndarray, shape (N, 2)
        What `read_coords` gives.
    normalisation : Normalisation
        How raw cells become patches.
    orientation : {"rows_first", "transposed"}
        How the patches lie.
    argument : str
        What the caller's function calls the raster, for errors.
    most : int, optional
        B is at most that.

    Warns
    -----
    EdaphosWarning
        If there are points and none lies inside the raster, or if its cells have another size,
        CRS or scale than those that the encoder was pretrained on.
    """
    warn_if_all_outside(raster, points, "coords", argument)
    order = band_order(raster, normalisation, argument)
    normalisation.warn_of_other_cells(argument, raster.cell_size, crs_text(raster.crs))
    size = normalisation.patch_size
    cells, inside = cells_at(raster, points)
    rows = np.flatnonzero(inside)
    rows = rows[np.lexsort((cells[rows, 1], cells[rows, 0]))]
    starts = window_start(cells, size)
    step = batch_size_for((len(rows), len(order), size, size))
    step = step if most is None else min(step, most)
    seen = False
    for first in range(0, len(rows), step):
        batch = rows[first : first + step]
        pairs = [raster.read(int(row), int(col), size, size) for row, col in starts[batch]]
        values, valid = (np.stack(parts)[:, order] for parts in zip(*pairs, strict=True))
        known = valid[:, :, size // 2, size // 2].any(axis=1)
        if known.any():
            patches = normalisation.apply(values[known], valid[known])
            if not seen:
                sample, hint = torch.from_numpy(patches), "Are its cells in the same units?"
                warn_about_scale(sample, normalisation, argument, training=False, hint=hint)
                seen = True
            yield batch[known], turn(patches, orientation)


def band_order(raster: Raster, normalisation: Normalisation, argument: str = "stack") -> list[int]:
    """Return where the raster has each band that an encoder expects: by name, else in order.

    Raises
    ------
    InputError
        If the raster has another number of bands.
    """
    expected, found = list(normalisation.bands), raster.bands
    if len(found) != len(expected):
        raise InputError(
            argument,
            f"must have {len(expected)} bands for this encoder: {_first(expected)}",
            found=f"{len(found)}: {_first(found)}",
        )
    if sorted(found) == sorted(expected) and len(set(found)) == len(found):
        return [found.index(name) for name in expected]
    if found != expected and not (are_numbers(found) and are_numbers(expected)):
        warn(
            f"The bands of `{argument}` ({_first(found)}) have other names than those that the "
            f"encoder was pretrained on ({_first(expected)}); they are taken in their order."
        )
    return list(range(len(found)))


def are_numbers(names: list[str]) -> bool:
    """Return whether bands are only counted, as in files and arrays that do not name them."""
    prefixes = {name.removesuffix(f"_{number}") for number, name in enumerate(names, 1)}
    return len(names) > 1 and len(prefixes) == 1 and not prefixes & set(names)


def _first(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
