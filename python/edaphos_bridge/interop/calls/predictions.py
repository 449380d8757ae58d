"""Calls that predict with a fit of any task, and the values they give R."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.data.probabilities import ROWS
from edaphos_bridge.interop.calls.held import fit_behind, patches, tiles_behind
from edaphos_bridge.interop.calls.values import NA_INTEGER, with_na
from edaphos_bridge.mcdropout import draw_predictions
from edaphos_bridge.segmenter import FoundationSegmenter
from edaphos_bridge.uncertainty import uncertainty_of


@plain
def predict(
    state: Any,
    modules: Any,
    x: Any,
    type: Any,
    device: Any,
    coords: Any = None,
    dataset: Any = None,
    more: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """``predict()``; `more` are arguments that only the fit's task has."""
    fitted: Any = fit_behind(state, modules)
    source, tiles = asked_for(x, coords, dataset)
    how = {"device": device, "coords": coords, "dataset": tiles, **(more or {})}
    if isinstance(fitted, FoundationSegmenter) and type == "class":
        return {"codes": with_na(fitted.codes(source, **how), shift=1)}
    return predicted_fields(fitted.predict(source, type=type, **how))


@plain
def mcdropout_predict(
    state: Any,
    modules: Any,
    x: Any,
    n_draws: Any,
    seed: Any,
    device: Any,
    coords: Any,
    dataset: Any,
    draw: Callable[[], int],
) -> NDArray[np.float64]:
    """``foundation_mcdropout_predict()``: an array of draws."""
    fitted = fit_behind(state, modules)
    source, tiles = asked_for(x, coords, dataset)
    return draw_predictions(fitted, source, n_draws, seed, device, coords, tiles, draw)


@plain
def uncertainty(x: dict[str, Any], measure: Any) -> NDArray[np.float64]:
    """``foundation_uncertainty()`` of rows: `x` has ``values``, a matrix."""
    return uncertainty_of(x["values"], measure, ROWS)


def asked_for(x: Any, coords: Any, dataset: Any) -> tuple[Any, Any]:
    """Return what R asks predictions of, patches, cells or a raster, and the tile data set."""
    if coords is None:
        x = table_of_cells(x) if is_table_of_cells(x) else patches(x, allow_empty=True)
    return x, None if dataset is None else tiles_behind(dataset)


def is_table_of_cells(x: Any) -> bool:
    """Return whether R gave a data frame, or a matrix without names."""
    return isinstance(x, Mapping) or getattr(x, "ndim", 0) == 2


def table_of_cells(x: Any) -> Any:
    """Return the columns of R's data frame as one of pandas, which may have a name twice."""
    if not isinstance(x, Mapping):
        return x
    table = pd.DataFrame(dict(enumerate(x["columns"])))
    table.columns = pd.Index([str(name) for name in x["names"]], dtype=object)
    return table


def predicted_fields(prediction: Any) -> dict[str, Any]:
    """Return what a fit predicts as plain values, by what they are.

    ``codes`` of classes counted from 1; ``held``, an N x L matrix of 0, 1 and NA of which patch has
    which label; ``values``, doubles in any other shape.
    """
    if isinstance(prediction, pd.Categorical):
        return {"codes": with_na(prediction.codes, shift=1)}
    if not isinstance(prediction, pd.DataFrame):
        return {"values": prediction}
    if all(dtype.kind == "b" for dtype in prediction.dtypes):
        held = prediction.astype("Int32").to_numpy(dtype=np.int32, na_value=NA_INTEGER)
        return {"held": held}
    return {"values": prediction.to_numpy()}
