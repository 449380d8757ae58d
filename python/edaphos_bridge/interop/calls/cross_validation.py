"""The call that cross-validates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import flag
from edaphos_bridge.cross_validate import FoundationCrossValidation, cross_validate
from edaphos_bridge.interop.calls.held import patches, patches_behind
from edaphos_bridge.interop.calls.progress import FoldsToldToR
from edaphos_bridge.interop.calls.recipes import learnt_behind, start_behind, with_phases
from edaphos_bridge.interop.calls.segmenters import settings_of_masks
from edaphos_bridge.interop.calls.splits import parting_of
from edaphos_bridge.interop.calls.values import as_levels
from edaphos_bridge.segmenter import foundation_fit_segmenter


@plain
def cross_validation(
    fit: Any,
    encoder: Any,
    x: Any,
    y: dict[str, Any],
    settings: dict[str, Any],
    split: dict[str, Any],
    folding: dict[str, Any],
    verbose: Any,
    draw: Callable[[], int],
    on_fold: Callable[..., Any],
) -> dict[str, Any]:
    """``foundation_cross_validate()``: its tables as plain values.

    `encoder` and `y` are what `start_behind` and `learnt_behind` take; `settings` are those of the
    function `fit`; `split` is what `parting_of` takes; `folding` has ``k``, ``n_jobs``,
    ``checkpoint_dir`` and ``seed``.
    """
    flag("verbose", verbose)
    if isinstance(x, np.ndarray):
        patches(x).check()  # only there R's missing integers are known
    parting = parting_of(split)
    if fit == foundation_fit_segmenter.__name__:
        given = settings.get("classes"), settings.get("unlabelled")
        of_masks = settings_of_masks(y["levels"], *given).items()
        settings |= {name: value for name, value in of_masks if value is not None}
    if "recipe" in settings:
        settings["recipe"] = with_phases(settings["recipe"])
    result = cross_validate(
        fit,
        start_behind(encoder),
        patches_behind(x),
        learnt_behind(y),
        settings,
        parting,
        **folding,
        tell=FoldsToldToR(on_fold),
        draw=draw,
        first=parting["first"],
    )
    return cross_validation_fields(result)


def cross_validation_fields(result: FoundationCrossValidation) -> dict[str, Any]:
    """Return the elements of the R object, the table as a list of columns."""
    config = {**result.config, "seed": float(result.config["seed"])}
    return {
        "table": result.table.to_dict("list"),
        "predictions": np.asarray(result.predictions),
        "columns": as_levels(result.columns),
        "config": {**config, "settings": _plain_values(config["settings"])},
        "task": result.task,
        "printed": result.describe(),
    }


def _plain_values(value: Any) -> Any:
    """Return settings as R may have them; what it has no word for as text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain_values(part) for part in value]
    if isinstance(value, dict):
        return {str(name): _plain_values(part) for name, part in value.items()}
    return repr(value)
