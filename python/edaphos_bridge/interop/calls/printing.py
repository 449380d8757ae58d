"""What R prints of objects that were saved before they kept it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from edaphos_bridge.classifier import FoundationClassifier
from edaphos_bridge.interop.calls.held import fit_behind, tiles_behind
from edaphos_bridge.pretrain.result import FoundationPretrain
from edaphos_bridge.probe_sweep import FoundationProbeSweep


def printed(kind: str, state: Any, sweep: dict[str, Any] | None) -> list[str]:
    """Return the lines of the object of R's class ``edaphosbridge_<kind>``.

    Of a sweep `state` is its classifier's, and `sweep` has ``best`` and the tables.
    """
    if kind == "pretrain":
        return FoundationPretrain.from_bytes(bytes(state)).describe()
    if kind == "tiles":
        return tiles_behind(state).describe()
    fit = fit_behind(state)
    if sweep is None or not isinstance(fit, FoundationClassifier):
        return fit.describe()
    tables = {name: pd.DataFrame(sweep[name]) for name in ("settings", "results")}
    return FoundationProbeSweep(fit, sweep["best"], config={}, **tables).describe()
