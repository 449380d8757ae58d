"""Calls that say where a model may be used."""

from __future__ import annotations

from typing import Any

import pandas as pd

from edaphos_bridge.applicability import applicability as applicability_from
from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.data.predictors import as_predictors
from edaphos_bridge.interop.calls.held import encoder_behind, patches
from edaphos_bridge.interop.calls.splits import parting_of
from edaphos_bridge.maps.applicability import FoundationApplicability


@plain
def applicability(
    x: Any, encoder: Any, folds: Any, weights: dict[str, Any] | None
) -> dict[str, Any]:
    """``foundation_applicability()``: what the R object holds.

    `x` are patches where there is an encoder, else what `measure_applicability` takes. `folds` are
    as in `parting_of`; `weights` have ``values``, and ``names`` or None.
    """
    parting = parting_of({"folds": folds})
    if weights is None or weights["names"] is None:
        given = None if weights is None else weights["values"]
    else:
        given = pd.Series(weights["values"], index=list(weights["names"]))
    module = None if encoder is None else encoder_behind(encoder)
    found = applicability_from(
        patches(x) if encoder is not None else x["values"],
        module,
        parting["folds"],
        given,
        names=None if encoder is not None else x["names"],
        first=parting["first"],
    )
    return applicability_fields(found)


@plain
def measure_applicability(known: dict[str, Any], x: dict[str, Any]) -> dict[str, Any]:
    """``predict()`` of it: three arrays. `x` has ``values``, a matrix, and ``names`` or None."""
    table = as_predictors(x["values"], argument="newdata", names=x["names"])
    return FoundationApplicability.from_dict(known).of(table)._asdict()


def applicability_fields(found: FoundationApplicability) -> dict[str, Any]:
    """Return the elements of the R object."""
    return {**found.to_dict(), "printed": found.describe()}
