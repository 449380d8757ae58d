"""`foundation_tile_dataset()`: random patches of a raster become a data set."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from edaphos_bridge.basics.arguments import flag, seed_number, whole
from edaphos_bridge.basics.memory import check_memory
from edaphos_bridge.basics.seeding import draw_seed
from edaphos_bridge.data.normalisation import Normalisation
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.crs import crs_text
from edaphos_bridge.raster.one_band import open_one_band
from edaphos_bridge.raster.sources import open_raster
from edaphos_bridge.raster.statistics import band_statistics
from edaphos_bridge.raster.tiles import FoundationTileDataset


def foundation_tile_dataset(
    stack: Any,
    patch_size: int = 16,
    n_patches: int = 1000,
    valid_mask: Any = None,
    normalise: bool = True,
    seed: int | None = None,
) -> FoundationTileDataset:
    """Return random patches of a raster, with what normalises them.

    The raster is read twice block by block, for means and standard deviations and for the
    places of the patches, and never held whole. Patches are read when they are used.

    Parameters
    ----------
    stack : path, sequence of paths or array
        A file, or another name, that rasterio opens, several files on the same grid, or an
        array, masked array or tensor ``(C, H, W)`` where NaN, infinite and masked cells have
        no data. An xarray.DataArray lies where its coordinates say.
    patch_size : int
        Height and width of a patch, at least 2. A patch starts ``patch_size // 2`` cells
        before its centre.
    n_patches : int
        How many patches. Their centres are distinct where the raster has so many, and drawn
        with replacement otherwise.
    valid_mask : path or array, optional
        A raster of one band on the cells of `stack`, or an array ``(H, W)``: centres are only
        where it has data that are not 0.
    normalise : bool
        Whether patches hold ``(cell - mean) / sd`` by band, or the raster's own values.
    seed : int, optional
        Of the centres. By default a fresh one is drawn, and kept as ``seed``.

    Returns
    -------
    FoundationTileDataset
        It keeps the files of `stack` open.

    Raises
    ------
    InputError
        If `stack` is no raster, a band has no data, or no patch has data at its centre.
    EdaphosError
        If `stack` is a file and rasterio is not installed.

    Notes
    -----
    Every band has data at a centre, and a patch lies wholly inside the raster. Other cells
    without data become their band's mean, which is 0 after normalisation. Rows run from north
    to south and columns from west to east, whatever their order in a file.

    Examples
    --------
    >>> import numpy as np
    >>> raster = np.random.default_rng(1).normal(size=(2, 40, 50))
    >>> tiles = foundation_tile_dataset(raster, patch_size=8, n_patches=100, seed=1)
    >>> tiles
    <edaphos_tile_dataset>
      stack       : 40 x 50 x 2 (rows x cols x channels)
      patch_size  : 8 x 8
      n_patches   : 100
      channels    : band_1, band_2
    >>> tiles.sample(5, seed=1).shape
    (5, 2, 8, 8)
    """
    return make_tile_dataset(stack, patch_size, n_patches, valid_mask, normalise, seed, draw_seed)


def make_tile_dataset(
    stack: Any,
    patch_size: Any,
    n_patches: Any,
    valid_mask: Any,
    normalise: Any,
    seed: Any,
    draw: Callable[[], int],
) -> FoundationTileDataset:
    """Do what `foundation_tile_dataset` does; `draw` gives the seed when there is none.

    It is called when the input is known to be good.
    """
    size = whole("patch_size", patch_size, minimum=2, kind="whole number of at least 2")
    number = whole("n_patches", n_patches)
    check_memory("n_patches", number * 16, number)  # row and column of each
    wanted = flag("normalise", normalise)
    given = None if seed is None else seed_number(seed)
    raster = open_raster(stack)
    if size > min(raster.height, raster.width):
        raise InputError(
            "patch_size",
            f"must not be larger than the raster of {raster.height} x {raster.width} cells",
            found=size,
        )
    with contextlib.ExitStack() as opened:
        mask = (
            None
            if valid_mask is None
            else opened.enter_context(open_one_band(valid_mask, raster, "valid_mask"))
        )
        found = band_statistics(raster, size, mask=mask)
        if found.centres.total == 0:
            raise _without_centre(found.complete, size, masked=mask is not None)
        used = draw() if given is None else given
        cells = found.centres.draw(number, used)
    normalisation = Normalisation(
        bands=tuple(raster.bands),
        means=found.means,
        sds=found.sds,
        normalise=wanted,
        patch_size=size,
        cell_size=raster.cell_size,
        crs=crs_text(raster.crs),
    )
    return FoundationTileDataset(raster, normalisation, cells, used)


def _without_centre(complete: int, size: int, *, masked: bool) -> InputError:
    """Return the error for a raster without any cell that can be a centre."""
    found = "no cell with data in every band"
    if complete:
        found = f"{complete} cells with data in every band, all nearer to the edge"
    wanted = f"a cell with data in every band, at least {size // 2} cells from the edge"
    if complete and masked:
        return InputError("valid_mask", f"must be neither 0 nor missing in {wanted}")
    return InputError("stack", f"must have {wanted}", found=found)
