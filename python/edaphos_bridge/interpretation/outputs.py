"""What a fit gives for patches, and the truth beside it, both checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.data.labels import codes_among
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.data.targets import as_targets
from edaphos_bridge.errors import InputError
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.fits.result import values_of as predictions_of
from edaphos_bridge.tasks.task import Task

CLASSIFICATION, REGRESSION, SEGMENTATION = "classification", "regression", "segmentation"


def as_fit(fit: Any, *tasks: str) -> FoundationFit:
    """Return the fit, or that of a sweep's best setting, if it has learnt one of `tasks`.

    Raises
    ------
    InputError
        If it has not.
    """
    inner = getattr(fit, "classifier", fit)
    if not isinstance(inner, FoundationFit):
        raise InputError(
            "fit",
            "must be a fit of encoder and head, as foundation_fit_classifier() returns",
            found=type(fit).__name__,
        )
    if inner.task.name not in tasks:
        raise InputError("fit", f"must be of {' or '.join(tasks)}", found=inner.task.name)
    return inner


def as_patches(x: Any, *, argument: str = "x") -> Patches:
    """Return one patch or more; those that are checked already as they are."""
    return x if isinstance(x, Patches) else Patches(x, argument=argument)


def truth_of(fit: FoundationFit, y: Any, n_rows: int) -> Any:
    """Return class codes ``(N,)``, or numbers ``(N, T)`` of a regressor, one row for each patch.

    Raises
    ------
    InputError
        If there are others than `n_rows`, or they are not what the fit predicts.
    """
    if fit.task.name == CLASSIFICATION:
        truth: NDArray[Any] = codes_among(y, fit.task.classes)
    else:
        truth = as_targets(y).values
        n_targets = fit.task.n_outputs
        if truth.shape[1] != n_targets:
            raise InputError(
                "y", f"must have a column for each of {n_targets} targets", found=truth.shape[1]
            )
    if len(truth) != n_rows:
        raise InputError(
            "y", f"must have one value for each of the {n_rows} patches", found=len(truth)
        )
    return truth


def target_names(fit: FoundationFit) -> list[str]:
    """Return the names of a regressor's targets; y, or y1 and on, where it has none."""
    known = getattr(fit.task, "names", None)
    n = fit.task.n_outputs
    if isinstance(known, list | tuple) and len(known) == n:
        return [str(name) for name in known]
    return ["y"] if n == 1 else [f"y{number + 1}" for number in range(n)]


@dataclass(frozen=True)
class _AsTheyAre:
    """Stands for a task whose values are its outputs."""

    n_outputs: int

    def shape_of_values(self, size: Sequence[int]) -> tuple[int, ...]:
        return (self.n_outputs,)

    def values(self, outputs: torch.Tensor) -> torch.Tensor:
        return outputs


def outputs_of(fit: FoundationFit, x: Patches) -> NDArray[np.float64]:
    """Return what the head gives, shape (N, n_outputs), before it becomes the task's values."""
    task = cast(Task, _AsTheyAre(fit.task.n_outputs))
    return predictions_of([fit], x, None, None, None, task=task)


def values_of(fit: FoundationFit, x: Patches) -> NDArray[np.float64]:
    """Return what the fit predicts, shape (N, n_outputs): probabilities, or target's numbers."""
    found = fit.values(x, None, None, None)
    return found[:, None] if found.ndim == 1 else found


def band_names(fit: FoundationFit, first: int = 0) -> list[str]:
    """Return the names of the bands; where they are not known, numbers counted from `first`."""
    known = fit.normalisation
    if known is not None and len(known.bands) == fit.in_channels:
        return list(known.bands)
    return [f"band {number + first}" for number in range(fit.in_channels)]
