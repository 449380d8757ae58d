"""R objects of the package as Python's, from their elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch

from edaphos_bridge.any_fit import FoundationFit
from edaphos_bridge.cross_validate import FoundationCrossValidation
from edaphos_bridge.ensemble import FoundationEnsemble
from edaphos_bridge.interop.rpy2_values import from_r
from edaphos_bridge.pretrain.result import FoundationPretrain
from edaphos_bridge.probe_sweep import FoundationProbeSweep
from edaphos_bridge.weights.encoder_file import encoder_from_bytes


def _fit_from_r(fields: dict[str, Any]) -> Any:
    held = (from_r(fields[name]) for name in ("encoder", "head"))
    modules = [part if isinstance(part, torch.nn.Module) else None for part in held]
    return FoundationFit.from_bytes(_bytes_of(fields["state"]), *modules)


def _pretrain_from_r(fields: dict[str, Any]) -> FoundationPretrain:
    held = from_r(fields["encoder"])
    module = held if isinstance(held, torch.nn.Module) else None
    return FoundationPretrain.from_bytes(_bytes_of(fields["state"]), module)


def _ensemble_from_r(fields: dict[str, Any]) -> FoundationEnsemble:
    members = fields["members"]
    return FoundationEnsemble([_fit_from_r(dict(zip(m.names, m, strict=True))) for m in members])


def _sweep_from_r(fields: dict[str, Any]) -> FoundationProbeSweep:
    classifier = fields["classifier"]
    return FoundationProbeSweep(
        classifier=_fit_from_r(dict(zip(classifier.names, classifier, strict=True))),
        best=from_r(fields["best"]),
        settings=_table(fields["settings"]),
        results=_table(fields["results"]).astype({"seed": int}),
        config=_grid(fields.get("config")),
    )


def _cross_validation_from_r(fields: dict[str, Any]) -> FoundationCrossValidation:
    config = from_r(fields["config"])
    columns = np.atleast_1d(from_r(fields["columns"])).tolist()
    predictions = np.array(from_r(fields["predictions"]))
    is_table = predictions.ndim == 2
    return FoundationCrossValidation(
        table=_table(fields["table"]),
        predictions=pd.DataFrame(predictions, columns=columns) if is_table else predictions,
        config={**config, "k": int(config["k"]), "seed": int(config["seed"])},
        task=from_r(fields["task"]),
        columns=columns,
    )


FROM_R: dict[str, Callable[[dict[str, Any]], Any]] = {
    "edaphosbridge_ensemble": _ensemble_from_r,
    "edaphosbridge_pretrain": _pretrain_from_r,
    "edaphosbridge_probe_sweep": _sweep_from_r,
    "edaphosbridge_cross_validation": _cross_validation_from_r,
    # all other fits; those of version 0.1.0 have the class of their task alone
    "edaphosbridge_fit": _fit_from_r,
    "edaphosbridge_classifier": _fit_from_r,
    # theirs to change
    "edaphosbridge_encoder": lambda fields: encoder_from_bytes(_bytes_of(fields["state"])),
}
"""How an R object becomes Python's, from its elements: by the first of its classes here."""


def _bytes_of(state: Any) -> bytes:
    """Return the bytes of a state: as they are in objects from before, else in a list."""
    held = from_r(state)
    return held[0] if isinstance(held, list) else held


def _table(value: Any) -> pd.DataFrame:
    columns = {name: np.atleast_1d(column).tolist() for name, column in from_r(value).items()}
    return pd.DataFrame(columns)


def _grid(value: Any) -> dict[str, Any]:
    """Return the settings of a sweep: four are lists, of which seeds are whole numbers.

    Sweeps of the first version have none.
    """
    if value is None:
        return {}
    config: dict[str, Any] = from_r(value)
    for name in ("lr", "weight_decay", "C", "seeds"):
        config[name] = np.atleast_1d(config[name]).astype(float).tolist()
    return {**config, "seeds": [int(seed) for seed in config["seeds"]]}
