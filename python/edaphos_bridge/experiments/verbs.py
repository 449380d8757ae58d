"""Functions that fit, as a cross-validation takes them: ours by name, or a user's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from edaphos_bridge.basics.interrupts import imported
from edaphos_bridge.data.splits import WAYS
from edaphos_bridge.errors import InputError

# What a fit takes and a cross-validation decides: the rows that are held out judge, and nothing of
# them may decide how long a fit trains or which weights it keeps.
_DECIDED = (*WAYS, "block_size", "buffer", "fold", "val_split", "patience", "checkpoint_every")


def verb_of(fit: Any) -> tuple[str | None, Callable[..., Any]]:
    """Return the name of a function of this package and the function; None for the user's own."""
    package = imported("edaphos_bridge")
    name = fit if isinstance(fit, str) else str(getattr(fit, "__name__", ""))
    ours: Any = getattr(package, name) if name in package.__all__ else None
    is_ours = inspect.isfunction(ours) and (isinstance(fit, str) or fit is ours)
    if is_ours and {"fold", "folds", "seed"} <= set(inspect.signature(ours).parameters):
        return name, ours
    if isinstance(fit, str) or not callable(fit):
        raise InputError(
            "fit",
            "must be a function that fits, or the name of one of this package, such as "
            "'foundation_fit_classifier'",
            found=fit if isinstance(fit, str) else type(fit).__name__,
        )
    return None, fit


def checked_settings(
    name: str | None, function: Callable[..., Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the defaults of a function's settings, or raise `InputError` for one of another."""
    for setting in settings:
        if setting in _DECIDED and settings[setting] is not None:
            raise InputError(
                setting,
                "is no setting of a cross-validation, which holds out all rows of a fold and keeps "
                "whole folds",
            )
    if name is None:
        return {}
    parameters = inspect.signature(function).parameters
    decided = (*_DECIDED, "seed", "verbose", "checkpoint_dir")
    defaults = {
        key: each.default
        for key, each in parameters.items()
        if each.kind is each.KEYWORD_ONLY and key not in decided
    }
    for setting in settings:
        if setting not in parameters:
            raise InputError(
                setting,
                f"is no argument of {name}()",
                hint=f"It takes {', '.join(defaults)}.",
            )
    return {key: value for key, value in defaults.items() if value is not inspect.Parameter.empty}
