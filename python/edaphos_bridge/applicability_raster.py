"""Where on a map a model may be used: `foundation_applicability_raster()`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.data.predictors import Predictors
from edaphos_bridge.errors import InputError
from edaphos_bridge.maps.applicability import FoundationApplicability
from edaphos_bridge.maps.block_function import GoOn
from edaphos_bridge.maps.cell_values import Cells, CellValues
from edaphos_bridge.maps.grid import MapGrid
from edaphos_bridge.maps.layers import Layers
from edaphos_bridge.maps.run import Output, make_map
from edaphos_bridge.raster.patches_at import warn_of_other_names
from edaphos_bridge.raster.sources import open_raster

_LAYERS = ("DI", "AOA", "LPD")


@plain
def foundation_applicability_raster(
    object: FoundationApplicability,
    stack: Any,
    out: str | Path | None = None,
    *,
    block_size: int | None = None,
    client: Any = None,
    overwrite: bool = False,
    resume: bool = True,
    options: Mapping[str, Any] | None = None,
    verbose: bool = False,
) -> Any:
    """Map how unlike the cells of a raster are to what a model learnt from.

    Parameters
    ----------
    object : FoundationApplicability
        What `foundation_applicability` returned.
    stack : path, sequence of paths, array or xarray.DataArray
        The predictors, a layer each: by name where `object` knows names and the raster has them,
        else in order. Of embeddings the raster that `foundation_embed_raster` writes.
    out, block_size, client, overwrite, resume, options, verbose
        As in `foundation_predict_raster`.

    Returns
    -------
    pathlib.Path or xarray.DataArray
        Layers, float32: the dissimilarity index ``DI``, ``AOA``, 1 in the area of applicability and
        0 outside, and the local point density ``LPD``; NaN where a predictor has no data. Called as
        by ``aoa()`` of the R package CAST.

    Raises
    ------
    InputError
        If an argument cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> import edaphos_bridge as eb
    >>> raster = np.random.default_rng(1).normal(size=(3, 20, 30))
    >>> known = eb.foundation_applicability(raster.reshape(3, -1).T[:100])
    >>> eb.foundation_applicability_raster(known, raster).shape
    (3, 20, 30)
    """
    output = Output.of(out, block_size, client, overwrite, resume, options, verbose)
    return applicability_raster(object, stack, output)


def applicability_raster(
    object: Any,
    stack: Any,
    output: Output,
) -> Any:
    """Do what `foundation_applicability_raster` does: what all entrances have in common."""
    if not isinstance(object, FoundationApplicability):
        raise InputError(
            "object",
            "must be what foundation_applicability() returns",
            found=object.__class__.__name__,
        )
    with open_raster(stack) as raster:
        output.refuse_itself(raster)
        order = _order(object, raster.bands)
        known = {"applicability": object.digest(), "bands": len(raster.bands), "order": order}
        cells = CellValues(MapGrid.of(raster, 1), Layers(_LAYERS), _Of(object, order), 0, known)
        return make_map(raster, cells, output)


def _order(known: FoundationApplicability, bands: list[str]) -> list[int]:
    """Return where the raster has each predictor."""
    expected = known.names
    if expected is not None and set(expected) <= set(bands) and len(set(bands)) == len(bands):
        return [bands.index(name) for name in expected]
    if len(bands) != len(known.center):
        raise InputError(
            "stack",
            f"must have the {len(known.center)} predictors that were learnt from as its layers",
            found=bands if len(bands) < 20 else len(bands),
            hint="Where they are embeddings, foundation_embed_raster() makes the layers.",
        )
    if expected is not None:
        whose = "the predictors that were learnt from"
        warn_of_other_names(bands, expected, "stack", whose)
    return list(range(len(bands)))


@dataclass(frozen=True)
class _Of:
    """From cells to DI, AOA and LPD."""

    known: FoundationApplicability
    order: list[int]

    def __call__(self, cells: Cells, go_on: GoOn) -> NDArray[Any]:
        _, height, width = cells.shape
        rows = cells[self.order].reshape(len(self.order), -1).T
        found = self.known.of(Predictors(np.ascontiguousarray(rows), self.known.names))
        inside = np.where(np.isnan(found.di), np.nan, found.inside)
        return np.stack([found.di, inside, found.lpd]).reshape(3, height, width)
