"""How unsure a map of probabilities in files is: `foundation_uncertainty_raster()`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import choice
from edaphos_bridge.data.probabilities import LAYERS, as_probabilities
from edaphos_bridge.maps.block_function import GoOn
from edaphos_bridge.maps.cell_values import Cells, CellValues
from edaphos_bridge.maps.grid import MapGrid
from edaphos_bridge.maps.layers import Layers
from edaphos_bridge.maps.run import Output, make_map
from edaphos_bridge.maps.uncertainty import MEASURES
from edaphos_bridge.raster.probabilities import open_probabilities


@plain
def foundation_uncertainty_raster(
    stack: Any,
    out: str | Path | None = None,
    measure: str = "entropy",
    *,
    block_size: int | None = None,
    client: Any = None,
    overwrite: bool = False,
    resume: bool = True,
    options: Mapping[str, Any] | None = None,
    verbose: bool = False,
) -> Any:
    """Map how unsure class probabilities are, for a map of them of any size.

    Parameters
    ----------
    stack : path, sequence of paths, array or xarray.DataArray
        A layer of probabilities for each class, such as `foundation_predict_raster` writes with
        ``type="prob"``, or `foundation_smooth_raster`.
    measure
        As in `foundation_uncertainty`.
    out, block_size, client, overwrite, resume, options, verbose
        As in `foundation_predict_raster`.

    Returns
    -------
    pathlib.Path or xarray.DataArray
        One layer, float32, called as the measure.

    Raises
    ------
    InputError
        If an argument cannot be used, or a cell's numbers are no probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_uncertainty_raster
    >>> foundation_uncertainty_raster(np.full((2, 20, 30), 0.5)).values.max().item()
    1.0
    """
    output = Output.of(out, block_size, client, overwrite, resume, options, verbose)
    return uncertainty_raster(stack, output, measure)


def uncertainty_raster(
    stack: Any,
    output: Output,
    measure: Any,
) -> Any:
    """Do what `foundation_uncertainty_raster` does: what all entrances have in common."""
    name = choice("measure", measure, list(MEASURES))
    with open_probabilities(stack) as raster:
        output.refuse_itself(raster)
        known = {"measure": name, "bands": len(raster.bands)}
        function = partial(_of_cells, measure=name)
        cells = CellValues(MapGrid.of(raster, 1), Layers((name,)), function, 0, known)
        return make_map(raster, cells, output)


def _of_cells(cells: Cells, _: GoOn, measure: str) -> NDArray[Any]:
    return MEASURES[measure](as_probabilities(cells, LAYERS, argument="stack"), 0)[None]
