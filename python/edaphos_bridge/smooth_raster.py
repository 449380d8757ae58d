"""Maps of probabilities in files without their single odd cells: `foundation_smooth_raster()`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import choice
from edaphos_bridge.data.probabilities import LAYERS, as_probabilities
from edaphos_bridge.errors import InputError
from edaphos_bridge.maps.block_function import GoOn
from edaphos_bridge.maps.cell_values import Cells, CellValues
from edaphos_bridge.maps.grid import MapGrid
from edaphos_bridge.maps.layers import Layers
from edaphos_bridge.maps.run import Output, make_map
from edaphos_bridge.maps.smoothing import (
    NO_CLASS,
    bayesian,
    halo_of,
    majority,
    most_probable,
    within,
)
from edaphos_bridge.raster.probabilities import open_probabilities
from edaphos_bridge.smooth import (
    BAYESIAN,
    MAJORITY,
    class_smoothness,
    neighbour_share,
    odd_window,
)


@plain
def foundation_smooth_raster(
    stack: Any,
    out: str | Path | None = None,
    method: str = BAYESIAN,
    *,
    window: int = 9,
    neigh_fraction: float = 0.5,
    smoothness: Any = 20.0,
    colours: Mapping[str, str] | Sequence[str] | None = None,
    block_size: int | None = None,
    client: Any = None,
    overwrite: bool = False,
    resume: bool = True,
    options: Mapping[str, Any] | None = None,
    verbose: bool = False,
) -> Any:
    """Smooth a map of class probabilities, each cell by the cells around it, of any size.

    Parameters
    ----------
    stack : path, sequence of paths, array or xarray.DataArray
        A layer of probabilities for each class, such as `foundation_predict_raster` writes with
        ``type="prob"``.
    method, window, neigh_fraction, smoothness
        As in `foundation_smooth`.
    colours
        Of the classes for ``"majority"``, as in `foundation_predict_raster`.
    out, block_size, client, overwrite, resume, options, verbose
        As in `foundation_predict_raster`.

    Returns
    -------
    pathlib.Path or xarray.DataArray
        Probabilities, float32; for ``"majority"`` one layer of classes, codes from 1 on. Values are
        those of `foundation_smooth` of the whole map.

    Raises
    ------
    InputError
        If an argument cannot be used, or a cell's numbers are no probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_smooth_raster
    >>> forest = np.full((20, 30), 0.9)
    >>> forest[10, 10] = 0.4
    >>> smoothed = foundation_smooth_raster(np.stack([forest, 1 - forest]), window=3)
    >>> round(smoothed.values[0, 10, 10].item(), 2)
    0.84
    """
    output = Output.of(out, block_size, client, overwrite, resume, options, verbose)
    return smooth_raster(
        stack, output, method, window=window, neigh_fraction=neigh_fraction, smoothness=smoothness,
        colours=colours,
    )  # fmt: skip


def smooth_raster(
    stack: Any,
    output: Output,
    method: Any,
    *,
    window: Any,
    neigh_fraction: Any,
    smoothness: Any,
    colours: Any,
) -> Any:
    """Do what `foundation_smooth_raster` does: what all entrances have in common."""
    way = choice("method", method, [BAYESIAN, MAJORITY])
    side, kept = odd_window(window), neighbour_share(neigh_fraction)
    with open_probabilities(stack) as raster:
        output.refuse_itself(raster)
        names = raster.bands
        side = within(side, raster.height, raster.width)
        known = {"smoothed": way, "window": side, "bands": len(names)}
        if way == MAJORITY:
            layers = Layers.of_classes("class", names, colours)
            function: Any = partial(_majority, window=side)
        elif colours is not None:
            raise InputError(
                "colours", "are for a map of classes, method = 'majority'", found=colours
            )
        else:
            variances = class_smoothness(smoothness, len(names))
            known |= {"neigh_fraction": kept, "smoothness": variances.tolist()}
            layers = Layers(tuple(names))
            function = partial(_bayesian, window=side, kept=kept, variances=variances)
        cells = CellValues(MapGrid.of(raster, 1), layers, function, halo_of(side), known)
        return make_map(raster, cells, output)


def _majority(cells: Cells, go_on: GoOn, window: int) -> NDArray[Any]:
    codes = most_probable(as_probabilities(cells, LAYERS, argument="stack"))
    return majority(codes, window, codes != NO_CLASS, go_on)[None]


def _bayesian(
    cells: Cells, go_on: GoOn, window: int, kept: float, variances: NDArray[np.float64]
) -> NDArray[Any]:
    return bayesian(
        as_probabilities(cells, LAYERS, argument="stack"), window, kept, variances, go_on
    )
