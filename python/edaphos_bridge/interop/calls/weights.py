"""Calls that list, fetch, open and write weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import flag
from edaphos_bridge.interop.calls.encoders import encoder_fields
from edaphos_bridge.interop.calls.held import encoder_behind
from edaphos_bridge.weights import foundation_weights as verbs


def weights_list() -> dict[str, Any]:
    """``foundation_weights_list()``: columns; "" and NaN stand for what is not known."""
    return _columns(verbs.foundation_weights_list())


def _columns(table: pd.DataFrame) -> dict[str, Any]:
    return {
        column: values.astype(float).fillna(np.nan).tolist()
        if values.dtype == "Int64"
        else values.fillna("").tolist()
        for column, values in ((name, table[name]) for name in table.columns)
    }


def weights_download(
    name: Any, cache_dir: Any, overwrite: Any, timeout_sec: Any, verbose: Any
) -> dict[str, Any]:
    """``foundation_weights_download()``: path, entry of the registry, and what happened."""
    lines: list[str] = []
    say = lines.append if flag("verbose", verbose) else verbs.mute
    path = verbs.fetch(name, cache_dir, overwrite, timeout_sec, say)
    table = verbs.foundation_weights_list()
    return {"path": str(path), "entry": _columns(table[table["name"] == name]), "lines": lines}


@plain
def weights_load(*given: Any) -> dict[str, Any]:
    """``foundation_weights_load()``: the encoder as plain values, and lines."""
    *before, verbose, patch_orientation = given
    lines: list[str] = []
    say = lines.append if flag("verbose", verbose) else verbs.mute
    encoder = verbs.load(say, patch_orientation, *before)
    return {"encoder": encoder_fields(encoder), "lines": lines}


@plain
def weights_save(encoder: Any, path: Any) -> str:
    """``foundation_weights_save()``: the path."""
    return str(verbs.foundation_weights_save(encoder_behind(encoder), path))
