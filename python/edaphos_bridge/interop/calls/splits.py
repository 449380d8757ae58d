"""How R parts the rows of a fit, and where it keeps them, as Python's arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from edaphos_bridge.basics.paths import folder_or_none
from edaphos_bridge.interop.calls.values import NA_INTEGER


def parting_of(split: dict[str, Any] | None) -> dict[str, Any]:
    """Return the arguments of `read_split` for what R's ``to_split()`` gives.

    ``groups`` are codes (an int32 array with R's NA). ``folds`` are numbers, or ``test`` and maybe
    ``train``, a list of rows a fold; ``validation`` is ``rows``, or ``mask`` of 0 and 1. Rows count
    from 0 and the folds of a list from 1.
    """
    if split is None:
        return {}
    parting = dict(split)
    groups, folds, validation = (parting.get(name) for name in ("groups", "folds", "validation"))
    if groups is not None:
        parting["groups"] = np.where(groups == NA_INTEGER, np.nan, groups)
    if isinstance(folds, dict):
        test = folds["test"]
        pairs = folds.get("train") is not None
        parting["folds"] = list(zip(folds["train"], test, strict=True)) if pairs else test
    if isinstance(validation, dict):
        rows = "rows" in validation
        parting["validation"] = validation["rows"] if rows else validation["mask"] != 0
    return {**parting, "first": 1}


def kept_in(place: dict[str, Any]) -> dict[str, Any]:
    """Return where a run keeps how far it is, as an argument of the core."""
    return {"checkpoint_dir": folder_or_none("checkpoint_dir", place.get("checkpoint_dir"))}
