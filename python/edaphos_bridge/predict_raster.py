"""`foundation_predict_raster()`: the map of what a fit predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import choice, seed_number, whole
from edaphos_bridge.basics.devices import resolve_device
from edaphos_bridge.basics.seeding import draw_seed
from edaphos_bridge.data.orientation import orientation_to_read
from edaphos_bridge.encoders.known_modules import is_as_built
from edaphos_bridge.encoders.raster_input import normalisation_for
from edaphos_bridge.ensemble import FoundationEnsemble
from edaphos_bridge.errors import InputError
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.maps.block_patches import PatchReader
from edaphos_bridge.maps.creation_options import check_options
from edaphos_bridge.maps.fit_values import FitValues, types_of
from edaphos_bridge.maps.grid import MapGrid
from edaphos_bridge.maps.look import warn_of_other_input
from edaphos_bridge.maps.method import METHODS, values_by
from edaphos_bridge.maps.parts import kept_seed
from edaphos_bridge.maps.run import Output, make_map
from edaphos_bridge.maps.segment_values import segment_values
from edaphos_bridge.raster.patches_at import band_order
from edaphos_bridge.raster.sources import open_raster
from edaphos_bridge.raster.tiles import FoundationTileDataset


@plain
def foundation_predict_raster(
    fit: FoundationFit | FoundationEnsemble,
    stack: Any,
    out: str | Path | None = None,
    *,
    type: str | Sequence[str] | None = None,
    stride: int = 1,
    block_size: int | None = None,
    method: Literal["exact", "dense"] = "exact",
    dataset: FoundationTileDataset | None = None,
    device: str | None = None,
    n_draws: int | None = None,
    seed: int | None = None,
    colours: Mapping[str, str] | Sequence[str] | None = None,
    client: Any = None,
    overwrite: bool = False,
    resume: bool = True,
    options: Mapping[str, Any] | None = None,
    verbose: bool = False,
) -> Any:
    """Map what a fit predicts of the patch around each cell of a raster.

    The raster is read in blocks, each once, with the cells that patches of its edge reach; memory
    is bounded by the block, whatever the size of the raster. Values are those that
    ``fit.predict(stack, coords=...)`` has at the centres of cells. A segmenter gives all cells of
    tiles, of the size of its training patches: they overlap by half, and a cell has the mean of
    those that it lies in, by weights that fall towards their edges.

    Parameters
    ----------
    fit : FoundationFit or FoundationEnsemble
        Its encoder knows how raw cells become patches, as one that was pretrained on tiles does; or
        `dataset` does.
    stack : path, sequence of paths, array or xarray.DataArray
        The raster, as in `foundation_tile_dataset`, of the bands that the encoder knows.
    out : path-like, optional
        A GeoTIFF to write, ending in .tif or .tiff, tiled and compressed, in the layout of a
        cloud-optimised one. None returns a DataArray.
    type : str or sequence of str, optional
        Of a classifier or segmenter ``"class"`` (codes 1 to K in the order of the classes, 0 for no
        data, with their names and colours), or ``"prob"`` (a layer a class), ``"entropy"``,
        ``"margin"`` and ``"least_confidence"``; of a regressor ``"response"``; of a multi-label fit
        ``"class"`` (1 where a patch has a label) or ``"prob"``. Of an ensemble, and with `n_draws`,
        also ``"mean"`` and ``"sd"`` over members or draws; others are then of the mean. By default
        ``"class"`` or ``"response"``, and ``("mean", "sd")`` of several. Several may be given,
        but not with the classes of a classifier, whose layer holds codes.
    stride : int
        The map has a cell for every `stride` x `stride` cells of the raster, with the value at
        the cell in its middle.
    block_size : int, optional
        Cells of the map, in each direction, that are computed and kept at a time, at least 16. By
        default as many as take about 128 MiB, at most 512, and fewer of a small map.
    method : {"exact", "dense"}
        ``"dense"`` runs the convolutions once over a whole block and pools their maps by a moving
        window: an approximation, since patches then have neighbours where the exact way has their
        edge. For MoCo and SimCLR encoders.
    dataset : FoundationTileDataset, optional
        Gives means and standard deviations for an encoder that carries none.
    device : {"cpu", "mps", "cuda"}, optional
        Instead of the one used for fitting.
    n_draws : int, optional
        So many draws of the fit's dropout, as of `foundation_mcdropout_predict`.
    seed : int, optional
        Of the draws.
    colours : mapping or sequence of str, optional
        ``"#rrggbb"`` for each class, by name or in their order.
    client : distributed.Client or str, optional
        A cluster of dask's that computes the blocks, or the address of its scheduler. Its workers
        must see `stack` and the folder of `out` under the same names. By default threads of this
        process, as many as torch has.
    overwrite : bool
        Whether `out` is replaced if it exists: when the new map is whole.
    resume : bool
        Whether blocks are taken that the same call left when it was stopped. They lie in a
        folder, ``<out>.parts``, until the map is whole.
    options : mapping, optional
        Creation options of GDAL's COG driver, such as ``{"COMPRESS": "ZSTD"}``.
    verbose : bool
        Whether to print blocks, rate and time left. Otherwise a terminal shows a bar.

    Returns
    -------
    pathlib.Path or xarray.DataArray
        `out`; or layers (band, y, x) that dask computes when they are asked for, float32 with NaN
        for no data, or codes.

    Raises
    ------
    InputError
        Before work starts: if an argument cannot be used, the raster has other bands, `out` exists,
        is a file of the raster, or has blocks of another map beside it. Later: if the raster cannot
        be read, there is no room, or `out` has appeared meanwhile. Finished blocks stay, and `out`
        is never half written.
    EdaphosError
        If dask, xarray or rasterio is not installed.

    Warns
    -----
    EdaphosWarning
        If the raster's bands have other names, its cells another size, CRS or scale than those
        that the encoder was pretrained on, or it has no CRS.

    Examples
    --------
    >>> import numpy as np
    >>> import edaphos_bridge as eb
    >>> raster = np.random.default_rng(1).normal(size=(2, 40, 50))
    >>> tiles = eb.foundation_tile_dataset(raster, patch_size=8, n_patches=60, seed=1)
    >>> encoder = eb.foundation_encoder("moco", in_channels=2, seed=1)
    >>> encoder.normalisation = tiles.normalisation
    >>> labels = ["dry", "wet"] * 30
    >>> fit = eb.foundation_fit_classifier(encoder, tiles, labels, epochs=1, val_split=0, seed=1)
    >>> soils = foundation_predict_raster(fit, raster, stride=4)
    >>> soils.shape, soils.attrs["classes"]
    ((1, 10, 13), ['dry', 'wet'])
    """
    output = Output.of(out, block_size, client, overwrite, resume, options, verbose)
    return predict_raster(
        fit, stack, output, type=type, stride=stride, method=method, dataset=dataset,
        device=device, n_draws=n_draws, seed=seed, colours=colours,
    )  # fmt: skip


def predict_raster(
    fit: Any,
    stack: Any,
    output: Output,
    *,
    type: Any,
    stride: Any,
    method: Any,
    dataset: FoundationTileDataset | None,
    device: Any,
    n_draws: Any,
    seed: Any,
    colours: Any,
    draw: Any = draw_seed,
) -> Any:
    """Do what `foundation_predict_raster` does: what all entrances have in common."""
    fits = _fits(fit)
    first = fits[0]
    step = whole("stride", stride)
    way = choice("method", method, METHODS)
    draws = 0 if n_draws is None else whole("n_draws", n_draws, minimum=2)
    if draws and len(fits) > 1:
        raise InputError("n_draws", "is for a single fit, and not for an ensemble", found=n_draws)
    if draws and way == "dense":
        raise InputError("method", "must be 'exact' for draws of dropout", found=method)
    given = None if seed is None else seed_number(seed)
    kinds = _types(fits, type, draws)
    target = resolve_device(first.device if device is None else device)
    size = first.patch_size
    if first.task.has_masks:
        _no_settings_of_patches(step, way, draws)
        size = [max(size)] * 2
    normalisation = normalisation_for(first.encoder, size, dataset, "stack")
    orientation = orientation_to_read(first.encoder)
    with open_raster(stack) as raster:
        output.refuse_itself(raster)
        grid = MapGrid.of(raster, step)
        order = tuple(band_order(raster, normalisation))
        reader = PatchReader(grid, normalisation, order, orientation, is_as_built(first.encoder))
        values = FitValues(fits, kinds, target, n_draws=draws, colours=colours)
        check_options(output.options, values.layers)
        if draws:
            values.seed = _seed(given, output, draw)
        warn_of_other_input(raster, reader)
        if first.task.has_masks:
            return make_map(raster, segment_values(fits, reader, values), output)
        function = values_by(way, raster, reader, values)
        return make_map(raster, function, output)


def _no_settings_of_patches(stride: int, method: str, n_draws: int) -> None:
    """Raise `InputError` for what maps of segmenters, which give every cell of a tile, have not."""
    for name, value, usual in (
        ("stride", stride, 1),
        ("method", method, "exact"),
        ("n_draws", n_draws, 0),
    ):
        if value != usual:
            raise InputError(name, "is not for segmenters, which map every cell", found=value)


def _seed(given: int | None, output: Output, draw: Any) -> int:
    """Return the seed of draws: where none is given, that of blocks which the same call left."""
    if given is None and output.place is not None and output.resume:
        given = kept_seed(output.place)
    return draw() if given is None else given


def _fits(fit: Any) -> list[FoundationFit]:
    if isinstance(fit, FoundationEnsemble):
        return fit.members
    if isinstance(fit, FoundationFit):
        return [fit]
    raise InputError(
        "fit",
        "must be a fit with a head, as of foundation_fit_classifier() or its sisters",
        found=fit.__class__.__name__,
        hint="foundation_embed_raster() maps what an encoder makes of a raster.",
    )


def _types(fits: list[FoundationFit], given: Any, n_draws: int) -> list[str]:
    """Return the kinds of layers, checked."""
    allowed = types_of(fits, n_draws)
    if given is None:
        return list(allowed[:2]) if allowed[0] == "mean" else [allowed[0]]
    kinds = [given] if isinstance(given, str) else given
    if not isinstance(kinds, list | tuple) or not kinds or len(set(map(repr, kinds))) < len(kinds):
        raise InputError(
            "type", f"must be one or some of {', '.join(map(repr, allowed))}", found=given
        )
    kinds = [choice("type", kind, allowed) for kind in kinds]
    if "class" in kinds and len(kinds) > 1 and fits[0].task.one_class:
        raise InputError(
            "type",
            "must be 'class' alone: its layer holds codes, and the others numbers",
            found=kinds,
            hint="Make two maps.",
        )
    return kinds
