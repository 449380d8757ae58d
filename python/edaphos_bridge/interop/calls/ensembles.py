"""Calls that put fits together to an ensemble and predict with it."""

from __future__ import annotations

from typing import Any

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.ensemble import FoundationEnsemble, seeds_of
from edaphos_bridge.interop.calls.held import fit_behind
from edaphos_bridge.interop.calls.predictions import asked_for, predicted_fields


def member_seeds(task: Any, K_ens: Any, base_seed: Any) -> list[float]:  # noqa: N803
    """Return the seeds of ``foundation_finetune_ensemble()``, checked."""
    return [float(seed) for seed in seeds_of(task, K_ens, base_seed)]


def describe_ensemble(states: list[Any], modules: Any) -> list[str]:
    """Return the lines that R prints of an ensemble."""
    return ensemble_behind(states, modules).describe()


@plain
def predict_ensemble(
    states: list[Any],
    modules: Any,
    x: Any,
    type: Any,
    device: Any,
    coords: Any = None,
    dataset: Any = None,
) -> dict[str, Any]:
    """``predict()`` of an ensemble: an array of what each member predicts, or a mean or sd."""
    source, tiles = asked_for(x, coords, dataset)
    ensemble = ensemble_behind(states, modules)
    return predicted_fields(
        ensemble.predict(source, type=type, device=device, coords=coords, dataset=tiles)
    )


def ensemble_behind(states: list[Any], modules: Any) -> FoundationEnsemble:
    """Return the ensemble of the fits in `states`."""
    return FoundationEnsemble([fit_behind(state, modules) for state in states])
