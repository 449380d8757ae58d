"""`foundation_tile_dataset()`: random patches of a raster become a data set."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.basics.arguments import flag, seed_number, whole
from edaphos_bridge.basics.memory import check_memory
from edaphos_bridge.basics.seeding import draw_seed
from edaphos_bridge.data.masks import Masks
from edaphos_bridge.data.normalisation import Normalisation
from edaphos_bridge.errors import InputError, NoteWarning, warn
from edaphos_bridge.raster.cell_labels import CellLabels, open_labels
from edaphos_bridge.raster.centres import window_start
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
    labels: Any = None,
    field: str | None = None,
    unlabelled: str | float | bool | None = None,
) -> FoundationTileDataset:
    """Return random patches of a raster, with what normalises them and, of labels, their masks.

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
    labels : path, array, GeoDataFrame, optional
        The class of each cell, or of some, for a segmenter: a raster of one band on the cells of
        `stack`, an array ``(H, W)`` of whole numbers, text or bool; or polygons and points, which
        are brought into the CRS of `stack`. Cells without data, NaN, None and what no polygon or
        point holds are unlabelled. 0 is a class like any other.
    field : str, optional
        The column of `labels` that has the class of each polygon or point. With it a path is
        that of a file which geopandas reads (GeoPackage, GeoJSON, ...).
    unlabelled : str, int, float or bool, optional
        One more class of `labels` that stands for unlabelled cells.

    Returns
    -------
    FoundationTileDataset
        It keeps the files of `stack` open.

    Raises
    ------
    InputError
        If `stack` is no raster, a band has no data, or no patch has data at its centre; if
        `labels` lie elsewhere, are lines, or label cells of fewer than two classes.
    EdaphosError
        If `stack` is a file and rasterio is not installed, or `labels` is a file of polygons and
        geopandas is not.

    Warns
    -----
    EdaphosWarning
        If polygons of several classes hold a cell; if a class has no cell in any patch.

    Notes
    -----
    Every band has data at a centre, and a patch lies wholly inside the raster. Other cells
    without data become their band's mean, which is 0 after normalisation. Rows run from north
    to south and columns from west to east, whatever their order in a file.

    With `labels` each patch holds a labelled cell at least: of the centres for which that is so,
    all are equally likely. Where there are fewer such centres than patches, some patches are drawn
    twice, and a `NoteWarning` says so.

    A polygon labels the cells whose centres it holds (GDAL's rule without ``ALL_TOUCHED``), a
    point the cell that it lies in, and where several do, the last one counts. Polygons of no
    class, or of the class `unlabelled`, label nothing. A cell without data in any band of `stack`
    is unlabelled whatever `labels` say.

    Classes are those that label a cell of `stack`, in or out of patches, so that data sets of the
    same raster and labels have the same ones. A raster of numbers may name them: by the names of
    categories that GDAL (terra, QGIS) keeps in a ``.aux.xml`` beside the file, or by CF's
    ``flag_values`` and ``flag_meanings``; classes are then in the order of these names, those of a
    pandas Categorical in its own, and others sorted.

    Masks are cut once, and are kept with the data set: `labels` need not be there later.

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

    Of labels, even a few, come masks:

    >>> land = np.full((40, 50), None)
    >>> land[3:9, 5:20], land[30:34, 40:] = "crop", "wood"
    >>> tiles = foundation_tile_dataset(raster, patch_size=8, n_patches=100, seed=1, labels=land)
    >>> masks = tiles.masks()
    >>> masks.classes, tuple(masks.codes.shape)
    (['crop', 'wood'], (100, 8, 8))
    """
    return make_tile_dataset(
        stack, patch_size, n_patches, valid_mask, normalise, seed, labels, field, unlabelled,
        draw_seed,
    )  # fmt: skip


def make_tile_dataset(
    stack: Any,
    patch_size: Any,
    n_patches: Any,
    valid_mask: Any,
    normalise: Any,
    seed: Any,
    labels: Any,
    field: Any,
    unlabelled: Any,
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
    for name, value in (("field", field), ("unlabelled", unlabelled)):
        if labels is None and value is not None:
            raise InputError(name, "is about `labels`, of which there are none", found=value)
    raster = open_raster(stack)
    if size > min(raster.height, raster.width):
        raise InputError(
            "patch_size",
            f"must not be larger than the raster of {raster.height} x {raster.width} cells",
            found=size,
        )
    known: CellLabels | None = None
    masks: Masks | None = None
    with contextlib.ExitStack() as opened:
        mask = None if valid_mask is None else open_one_band(valid_mask, raster, "valid_mask")
        if mask is not None:
            opened.enter_context(mask)
        if labels is not None:
            check_memory("n_patches", number * 2 * size**2, number)
            known = open_labels(labels, field, unlabelled, raster)
            opened.enter_context(known)
        found = band_statistics(raster, size, mask=mask, labels=known)
        if found.centres.total == 0:
            raise _without_centre(found.complete, size, mask is not None, known is not None)
        used = draw() if given is None else given
        cells = found.centres.draw(number, used)
        if known is not None:
            masks = _cut(known, cells, size)
            if number > found.centres.total:
                warn(
                    f"Only {found.centres.total} different patches hold a labelled cell; of the "
                    f"{number} some are the same.",
                    NoteWarning,
                )
    normalisation = Normalisation(
        bands=tuple(raster.bands),
        means=found.means,
        sds=found.sds,
        normalise=wanted,
        patch_size=size,
        cell_size=raster.cell_size,
        crs=crs_text(raster.crs),
    )
    return FoundationTileDataset(raster, normalisation, cells, used, masks)


def _cut(labels: CellLabels, cells: NDArray[np.int64], size: int) -> Masks:
    """Return the masks of patches; warn of classes that none of them has a cell of."""
    starts = window_start(cells, size)
    codes = np.empty((len(cells), size, size), dtype=np.int16)
    for patch in np.lexsort((starts[:, 1], starts[:, 0])):  # in the order of files
        row, col = starts[patch].tolist()
        codes[patch] = labels.codes(row, col, size, size)
    masks = Masks(torch.from_numpy(codes), labels.classes)
    absent = [
        str(label) for label, cells in zip(masks.classes, masks.counts(), strict=True) if not cells
    ]
    if absent:
        warn(
            f"None of the {len(masks)} patches has a cell of: {', '.join(absent)}. More of them "
            "(`n_patches`) may."
        )
    return masks


def _without_centre(complete: int, size: int, masked: bool, labelled: bool) -> InputError:
    """Return the error for a raster without any cell that can be a centre."""
    found = "no cell with data in every band"
    if complete:
        found = f"{complete} cells with data in every band, all nearer to the edge"
    wanted = f"a cell with data in every band, at least {size // 2} cells from the edge"
    if complete and labelled:
        others = " where `valid_mask` is neither 0 nor missing" if masked else ""
        return InputError("labels", f"must label a cell of the patch around {wanted}{others}")
    if complete and masked:
        return InputError("valid_mask", f"must be neither 0 nor missing in {wanted}")
    return InputError("stack", f"must have {wanted}", found=found)
